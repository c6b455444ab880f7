//! How rows of a board are kept: many to a database row, in a compact form with a version.
//!
//! A page is `version, count, subject length`, the subjects, then per row `rank, score, tasks,
//! rewards, change`. The subjects come first because the query of a page cuts them out to look up
//! names in the same statement. A places row is `version, count, subject length`, then per subject `subject, position,
//! rank`. Numbers are unsigned LEB128; a change is 0 for none, else zigzag + 1. A figure is the
//! number of its digits behind the point, its high half, and its low half without the zeros that
//! the first number tells of.
//!
//! Reading trusts nothing: whatever is damaged is an error, never a panic nor a large allocation.

use super::figure::Figure;
use crate::StoreError;

/// Rows in a page.
pub const PAGE_ROWS: usize = 128;
/// Subjects in a places row.
pub const PLACE_ROWS: usize = 128;
/// An identity id; account keys are shorter.
const SUBJECT_BYTES_MAX: usize = 32;
const VERSION: u8 = 1;
/// Bytes that 128 bits take in groups of seven.
const VARINT_BYTES_MAX: u32 = 19;
/// Digits of a figure behind the point.
const FRACTION_DIGITS: u8 = 18;

const _: () = assert!(PAGE_ROWS <= u8::MAX as usize && PLACE_ROWS <= u8::MAX as usize);

/// A line of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Identity id (32 bytes) or account key (16 bytes).
    pub subject: Vec<u8>,
    /// Standard competition rank, from 1.
    pub rank: u32,
    /// What the board compares.
    pub score: Figure,
    /// Counted submissions in the timeframe.
    pub tasks: u64,
    /// Their rewards, base units.
    pub rewards: Figure,
    /// Ranks gained since 24 hours ago; `None` for newcomers and where it is not defined.
    pub change: Option<i64>,
}

/// Where a subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Lines before it.
    pub position: u32,
    /// Its rank.
    pub rank: u32,
}

/// Encodes at most [`PAGE_ROWS`] lines.
pub(super) fn encode_page(lines: &[Line]) -> Vec<u8> {
    debug_assert!(lines.len() <= PAGE_ROWS);
    let mut bytes = head(lines.len(), lines.first().map_or(0, |l| l.subject.len()));
    for line in lines {
        bytes.extend_from_slice(&line.subject);
    }
    for line in lines {
        put(&mut bytes, line.rank.into());
        put_figure(&mut bytes, line.score);
        put(&mut bytes, line.tasks.into());
        put_figure(&mut bytes, line.rewards);
        put(&mut bytes, line.change.map_or(0, |change| u128::from(zigzag(change)) + 1));
    }
    bytes
}

/// Reads a page.
pub(super) fn decode_page(bytes: &[u8]) -> Result<Vec<Line>, StoreError> {
    let mut input = Input { left: bytes, what: "leaderboard_pages.body" };
    let (count, width) = input.head(PAGE_ROWS)?;
    let mut subjects = input.take(count * width)?.chunks(width.max(1));
    let mut lines = Vec::with_capacity(count);
    for _ in 0..count {
        lines.push(Line {
            subject: subjects.next().unwrap_or_default().to_vec(),
            rank: input.number()?,
            score: input.figure()?,
            tasks: input.number()?,
            rewards: input.figure()?,
            change: match input.number::<u128>()? {
                0 => None,
                code => {
                    Some(unzigzag(u64::try_from(code - 1).map_err(|_| input.damaged("change"))?))
                }
            },
        });
    }
    input.end()?;
    Ok(lines)
}

/// Encodes at most [`PLACE_ROWS`] places, sorted by subject.
pub(super) fn encode_places(places: &[(&[u8], Place)]) -> Vec<u8> {
    debug_assert!(places.len() <= PLACE_ROWS);
    let mut bytes = head(places.len(), places.first().map_or(0, |(subject, _)| subject.len()));
    for (subject, place) in places {
        bytes.extend_from_slice(subject);
        put(&mut bytes, place.position.into());
        put(&mut bytes, place.rank.into());
    }
    bytes
}

/// Finds a subject in a places row.
pub(crate) fn find_place(bytes: &[u8], subject: &[u8]) -> Result<Option<Place>, StoreError> {
    let mut input = Input { left: bytes, what: "leaderboard_places.body" };
    let (count, width) = input.head(PLACE_ROWS)?;
    let mut found = None;
    for _ in 0..count {
        let here = input.take(width)?;
        let place = Place { position: input.number()?, rank: input.number()? };
        if here == subject {
            found = Some(place);
        }
    }
    input.end()?;
    Ok(found)
}

fn head(count: usize, width: usize) -> Vec<u8> {
    let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    let mut bytes = Vec::with_capacity(3 + count * (width + 24));
    bytes.extend_from_slice(&[VERSION, byte(count), byte(width)]);
    bytes
}

fn put(bytes: &mut Vec<u8>, mut number: u128) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn put_figure(bytes: &mut Vec<u8>, figure: Figure) {
    let (high, mut low) = figure.halves();
    let mut digits = FRACTION_DIGITS;
    while digits > 0 && low.is_multiple_of(10) {
        low /= 10;
        digits -= 1;
    }
    bytes.push(digits);
    put(bytes, high);
    put(bytes, low);
}

fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

fn unzigzag(code: u64) -> i64 {
    (code >> 1).cast_signed() ^ -(code & 1).cast_signed()
}

struct Input<'a> {
    left: &'a [u8],
    what: &'static str,
}

impl<'a> Input<'a> {
    fn damaged(&self, where_: &str) -> StoreError {
        StoreError::Corrupt(format!("{}: {where_}", self.what))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StoreError> {
        let (taken, left) =
            self.left.split_at_checked(count).ok_or_else(|| self.damaged("cut short"))?;
        self.left = left;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, StoreError> {
        let byte = self.take(1)?.first().copied();
        byte.ok_or_else(|| self.damaged("cut short"))
    }

    fn head(&mut self, rows_max: usize) -> Result<(usize, usize), StoreError> {
        if self.byte()? != VERSION {
            return Err(self.damaged("unknown version"));
        }
        let (count, width) = (usize::from(self.byte()?), usize::from(self.byte()?));
        match count <= rows_max && width <= SUBJECT_BYTES_MAX {
            true => Ok((count, width)),
            false => Err(self.damaged("more than there can be")),
        }
    }

    fn number<T: TryFrom<u128>>(&mut self) -> Result<T, StoreError> {
        let mut number = 0_u128;
        for index in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            let placed = part << (7 * index);
            if placed >> (7 * index) != part {
                break;
            }
            number |= placed;
            if byte & 0x80 == 0 {
                return T::try_from(number).map_err(|_| self.damaged("number too large"));
            }
        }
        Err(self.damaged("number too long"))
    }

    fn figure(&mut self) -> Result<Figure, StoreError> {
        let zeros = FRACTION_DIGITS.checked_sub(self.byte()?);
        let zeros = zeros.ok_or_else(|| self.damaged("figure"))?;
        let (high, low) = (self.number()?, self.number::<u128>()?);
        low.checked_mul(10_u128.pow(u32::from(zeros)))
            .and_then(|low| Figure::from_halves(high, low))
            .ok_or_else(|| self.damaged("figure"))
    }

    fn end(&self) -> Result<(), StoreError> {
        if self.left.is_empty() { Ok(()) } else { Err(self.damaged("bytes left over")) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn figures() -> impl Strategy<Value = Figure> {
        let halves = (any::<u128>(), 0..10_u128.pow(36));
        let any_size = halves.prop_map(|(high, low)| Figure::from_halves(high, low).unwrap());
        prop_oneof![any_size, any::<i64>().prop_map(Figure::whole), Just(Figure::ZERO)]
    }

    fn lines() -> impl Strategy<Value = Vec<Line>> {
        let line = (vec(any::<u8>(), 32), any::<u32>(), figures(), any::<u64>(), figures());
        let line = (line, any::<Option<i64>>());
        let line = line.prop_map(|((subject, rank, score, tasks, rewards), change)| Line {
            subject,
            rank,
            score,
            tasks,
            rewards,
            change,
        });
        vec(line, 0..=PAGE_ROWS)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pages_come_back(lines in lines()) {
            prop_assert_eq!(decode_page(&encode_page(&lines)).unwrap(), lines);
        }

        #[test]
        fn places_come_back(positions in vec(any::<(u32, u32)>(), 1..=PLACE_ROWS)) {
            let subjects: Vec<[u8; 16]> =
                (0..positions.len()).map(|i| u128::try_from(i).unwrap().to_be_bytes()).collect();
            let places: Vec<(&[u8], Place)> = subjects
                .iter()
                .zip(&positions)
                .map(|(s, (position, rank))| (&s[..], Place { position: *position, rank: *rank }))
                .collect();
            let bytes = encode_places(&places);
            for (subject, place) in &places {
                prop_assert_eq!(find_place(&bytes, subject).unwrap(), Some(*place));
            }
            prop_assert_eq!(find_place(&bytes, &[255; 16]).unwrap(), None);
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(lines in lines(), cut: usize, at: usize, to: u8) {
            let mut bytes = encode_page(&lines);
            let end = cut % bytes.len();
            prop_assert!(decode_page(&bytes[..end]).is_err());
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = decode_page(&bytes);
            let _ = find_place(&bytes, &[0; 32]);
        }
    }
}
