//! How rows of a board are kept: many to a database row, in a compact form with a version.
//!
//! A places row is `version, count, subject length, columns`, the subjects, then per subject a
//! column per board of its group: 0 where it is not on that board, else its position + 1 and how far
//! its rank lies before that (equals share the first one's rank). All places rows of a set together
//! hold every subject, sorted; which one it is among them is its number.
//!
//! A page is `version, count`, who is on its lines as numbers of four bytes, highest first, then per
//! line `rank, score, tasks, rewards, change`. Numbers instead of subjects, because the same subjects
//! are on up to sixteen boards at once. Both have what they name at fixed places, since the query of
//! a page cuts it out to look up names in the same statement.
//!
//! Other numbers are unsigned LEB128; a change is 0 for none, else zigzag + 1. A figure is a byte,
//! which holds the number of its digits behind the point and whether there is an upper half, then
//! the upper half if so, the whole part, and the digits behind the point.
//!
//! Reading trusts nothing: whatever is damaged is an error, never a panic nor a large allocation.

use super::figure::Figure;
use crate::StoreError;

/// Lines in a page, of which two fit into a page of the database as a rule. Known to the statements in
/// `query.rs`.
pub const PAGE_ROWS: usize = 192;
/// Subjects in a places row: with the columns of sixteen boards it stays within a database page.
/// Known to the statements in `query.rs`.
pub const PLACE_ROWS: usize = 64;
/// An identity id; account keys are shorter.
const SUBJECT_BYTES_MAX: usize = 32;
const VERSION: u8 = 1;
/// Of the number of a contributor.
const NUMBER_BYTES: usize = 4;
/// About what a line takes.
const LINE_BYTES: usize = 24;
/// Bytes that 128 bits take in groups of seven.
const VARINT_BYTES_MAX: u32 = 19;
/// Digits of a figure behind the point.
const FRACTION_DIGITS: u8 = 18;
/// Set in a figure's first byte where it has an upper half.
const HAS_HIGH: u8 = 0x80;

const _: () = assert!(PAGE_ROWS <= u8::MAX as usize);
const _: () = assert!(PLACE_ROWS <= u8::MAX as usize);

/// A line of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Whose line it is: a number of the board's set of places.
    pub number: u32,
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
    let mut bytes = Vec::with_capacity(2 + lines.len() * LINE_BYTES);
    bytes.extend_from_slice(&[VERSION, byte(lines.len())]);
    for line in lines {
        bytes.extend_from_slice(&line.number.to_be_bytes());
    }
    for line in lines {
        put(&mut bytes, line.rank.into());
        put_figure(&mut bytes, line.score);
        put(&mut bytes, line.tasks);
        put_figure(&mut bytes, line.rewards);
        put_wide(&mut bytes, line.change.map_or(0, |change| u128::from(zigzag(change)) + 1));
    }
    bytes
}

/// Reads a page.
pub(super) fn decode_page(bytes: &[u8]) -> Result<Vec<Line>, StoreError> {
    let mut input = Input { left: bytes, what: "leaderboard_pages.body" };
    let count = input.count(PAGE_ROWS)?;
    let (numbers, _) = input.take(count * NUMBER_BYTES)?.as_chunks::<NUMBER_BYTES>();
    let mut lines = Vec::with_capacity(count);
    for number in numbers {
        lines.push(Line {
            number: u32::from_be_bytes(*number),
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

/// Where a subject stands on the boards of a group; `None` for those that it is not on.
pub(super) type Places = Vec<Option<Place>>;

/// Encodes at most [`PLACE_ROWS`] subjects, sorted, with as many columns each.
pub(super) fn encode_places(subjects: &[(&[u8], Places)]) -> Vec<u8> {
    debug_assert!(subjects.len() <= PLACE_ROWS);
    let (width, columns) = subjects.first().map_or((0, 0), |(s, places)| (s.len(), places.len()));
    debug_assert!(subjects.iter().all(|(_, places)| places.len() == columns));
    let mut bytes = vec![VERSION, byte(subjects.len()), byte(width), byte(columns)];
    for (subject, _) in subjects {
        bytes.extend_from_slice(subject);
    }
    for (_, places) in subjects {
        for place in places {
            let Some(Place { position, rank }) = place else {
                bytes.push(0);
                continue;
            };
            let place = u64::from(*position) + 1;
            put(&mut bytes, place);
            put(&mut bytes, place.saturating_sub((*rank).into()));
        }
    }
    bytes
}

/// Finds where a subject stands in a column of a places row.
pub(crate) fn find_place(
    bytes: &[u8],
    subject: &[u8],
    column: usize,
) -> Result<Option<Place>, StoreError> {
    let column = decode_column(bytes, column)?;
    Ok(column.into_iter().find_map(|(here, place)| place.filter(|_| here == subject)))
}

/// A subject and where it stands on a board; `None` where it is not on it.
type Standing<'a> = (&'a [u8], Option<Place>);

/// Reads a column of a places row.
pub(super) fn decode_column(bytes: &[u8], column: usize) -> Result<Vec<Standing<'_>>, StoreError> {
    let mut input = Input { left: bytes, what: "leaderboard_places.body" };
    let count = input.count(PLACE_ROWS)?;
    let (width, columns) = (usize::from(input.byte()?), usize::from(input.byte()?));
    if width > SUBJECT_BYTES_MAX {
        return Err(input.damaged("subjects longer than there can be"));
    }
    if column >= columns {
        return Err(input.damaged("fewer columns than boards"));
    }
    let mut subjects = input.take(count * width)?.chunks(width.max(1));
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        for _ in 0..column {
            input.pass_place()?;
        }
        places.push((subjects.next().unwrap_or_default(), input.place()?));
        for _ in column + 1..columns {
            input.pass_place()?;
        }
    }
    input.end()?;
    Ok(places)
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

/// The same for numbers of which few are wide.
fn put_wide(bytes: &mut Vec<u8>, mut number: u128) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

fn put_figure(bytes: &mut Vec<u8>, figure: Figure) {
    let (high, whole, mut fraction) = figure.parts();
    let mut digits = FRACTION_DIGITS;
    if fraction == 0 {
        digits = 0;
    }
    while digits > 0 && fraction.is_multiple_of(10) {
        fraction /= 10;
        digits -= 1;
    }
    bytes.push(digits | if high > 0 { HAS_HIGH } else { 0 });
    if high > 0 {
        put_wide(bytes, high);
    }
    put(bytes, whole);
    if digits > 0 {
        put(bytes, fraction);
    }
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

    /// How many there are, after the version.
    fn count(&mut self, count_max: usize) -> Result<usize, StoreError> {
        if self.byte()? != VERSION {
            return Err(self.damaged("unknown version"));
        }
        let count = usize::from(self.byte()?);
        match count <= count_max {
            true => Ok(count),
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
        let head = self.byte()?;
        let high = if head & HAS_HIGH == 0 { 0 } else { self.number()? };
        let whole = self.number()?;
        let digits = head & !HAS_HIGH;
        let zeros = FRACTION_DIGITS.checked_sub(digits).ok_or_else(|| self.damaged("figure"))?;
        let fraction = if digits == 0 { 0_u64 } else { self.number()? };
        // No digits leave eighteen zeros of nothing.
        fraction
            .checked_mul(10_u64.pow(u32::from(zeros)))
            .and_then(|fraction| Figure::from_parts(high, whole, fraction))
            .ok_or_else(|| self.damaged("figure"))
    }

    fn place(&mut self) -> Result<Option<Place>, StoreError> {
        let place: u32 = self.number()?;
        let Some(position) = place.checked_sub(1) else { return Ok(None) };
        let shared: u32 = self.number()?;
        let rank = place.checked_sub(shared).filter(|rank| *rank > 0);
        let rank = rank.ok_or_else(|| self.damaged("rank"))?;
        Ok(Some(Place { position, rank }))
    }

    /// The same without reading it: most of a row is passed over.
    fn pass_place(&mut self) -> Result<(), StoreError> {
        if self.pass_number()? > 0 {
            self.pass_number()?;
        }
        Ok(())
    }

    /// Gives the number's first byte, which is 0 of nothing only.
    fn pass_number(&mut self) -> Result<u8, StoreError> {
        let first = self.byte()?;
        let mut byte = first;
        while byte & 0x80 != 0 {
            byte = self.byte()?;
        }
        Ok(first)
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
        let parts = (any::<u128>(), 0..10_u64.pow(18), 0..10_u64.pow(18));
        let any_size = parts.prop_map(|(h, w, f)| Figure::from_parts(h, w, f).unwrap());
        prop_oneof![any_size, any::<i64>().prop_map(Figure::whole), Just(Figure::ZERO)]
    }

    fn lines() -> impl Strategy<Value = Vec<Line>> {
        let parts =
            (any::<u32>(), any::<u32>(), figures(), any::<u64>(), figures(), any::<Option<i64>>());
        let line = parts.prop_map(|(number, rank, score, tasks, rewards, change)| Line {
            number,
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
            let bytes = encode_page(&lines);
            prop_assert_eq!(decode_page(&bytes).unwrap(), lines);
        }

        #[test]
        fn places_come_back(columns in vec(vec(any::<Option<(u32, u32)>>(), 16), 1..=PLACE_ROWS)) {
            let place = |(position, shared): (u32, u32)| {
                let position = position % u32::MAX;
                Place { position, rank: (position + 1 - shared % (position + 1)) }
            };
            let subjects: Vec<[u8; 16]> =
                (0..columns.len()).map(|i| u128::try_from(i).unwrap().to_be_bytes()).collect();
            let places: Vec<(&[u8], Places)> = subjects
                .iter()
                .zip(columns)
                .map(|(s, columns)| (&s[..], columns.into_iter().map(|c| c.map(place)).collect()))
                .collect();
            let bytes = encode_places(&places);
            for (subject, places) in &places {
                for column in [0, 7, 15] {
                    prop_assert_eq!(find_place(&bytes, subject, column).unwrap(), places[column]);
                }
            }
            prop_assert_eq!(find_place(&bytes, &[255; 16], 0).unwrap(), None);
            prop_assert!(find_place(&bytes, subjects.first().unwrap(), 16).is_err());
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(lines in lines(), cut: usize, at: usize, to: u8) {
            let mut bytes = encode_page(&lines);
            let end = cut % bytes.len();
            prop_assert!(decode_page(&bytes[..end]).is_err());
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = decode_page(&bytes);
            let _ = find_place(&bytes, &[0; 32], 0);
        }
    }
}
