//! Exact non-negative numbers of any size a sum of credits or rewards can take.
//!
//! A single reward may be as large as 2^128 − 1 and a single credit has 20 digits before and 18
//! after the point, so sums of them fit neither `i128` nor a float. They are read from PostgreSQL's
//! binary `numeric` directly: a board of 100 k contributors reads two million of them.

use std::fmt;

use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgTypeInfo, PgValueFormat, PgValueRef, Postgres};
use sqlx::{Decode, Type};

/// OID of `numeric`.
const NUMERIC: Oid = Oid(1700);
/// Digits behind the point, and digits of the whole part's lower half.
const PART_DIGITS: i32 = 18;
const PART_END: u64 = 10_u64.pow(18);
/// Decimal digits in a digit of PostgreSQL's `numeric`.
const GROUP_DIGITS: i32 = 4;
/// The highest group of a lower half: two of its digits belong there, two to the upper half.
const SPLIT: u64 = 100;
const SPLIT_UNIT: u64 = PART_END / SPLIT;

/// A non-negative number: `high * 10^18 + whole + fraction * 10^-18`. At most 56 digits before the
/// point and 18 after it. Three parts, because a hundred thousand divisions of 128-bit numbers
/// take longer than sorting them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    // Order matters: the derived comparison is by value.
    high: u128,
    whole: u64,
    fraction: u64,
}

impl Figure {
    /// Nothing.
    pub const ZERO: Self = Self { high: 0, whole: 0, fraction: 0 };

    /// A count; negative counts do not occur and become nothing.
    pub fn whole(count: i64) -> Self {
        let count = u64::try_from(count).unwrap_or(0);
        Self { high: u128::from(count / PART_END), whole: count % PART_END, fraction: 0 }
    }

    /// A number of units of 10^-18.
    pub fn atto(units: u128) -> Self {
        let end = u128::from(PART_END);
        let part = |number: u128| u64::try_from(number % end).unwrap_or(0);
        Self { high: units / end / end, whole: part(units / end), fraction: part(units) }
    }

    /// From its parts; `None` where they are not canonical.
    pub(super) fn from_parts(high: u128, whole: u64, fraction: u64) -> Option<Self> {
        let canonical = whole < PART_END && fraction < PART_END;
        canonical.then_some(Self { high, whole, fraction })
    }

    /// The upper and the lower half of the whole part, and the fraction in units of 10^-18.
    pub(super) fn parts(self) -> (u128, u64, u64) {
        (self.high, self.whole, self.fraction)
    }

    /// `true` above zero.
    pub fn is_positive(self) -> bool {
        self != Self::ZERO
    }

    /// A number that is never smaller where the figure is larger, and seldom the same for different
    /// figures: how many bits the figure has, in units of 10^-18 with 2^60 of them to a whole, and
    /// its upper bits.
    pub(super) fn magnitude(self) -> u64 {
        const MANTISSA_BITS: u32 = 57;
        if self.high > 0 {
            return u64::MAX;
        }
        // Both parts are below 10^18, which is below 2^60.
        let units = u128::from(self.whole) << 60 | u128::from(self.fraction);
        let bits = u128::BITS - units.leading_zeros();
        let mantissa = match bits.checked_sub(MANTISSA_BITS + 1) {
            Some(excess) => units >> excess,
            None => units << (MANTISSA_BITS + 1 - bits),
        };
        // Without the leading bit, which is always the same; of nothing there is none.
        let mantissa = u64::try_from(mantissa).unwrap_or(u64::MAX) & ((1 << MANTISSA_BITS) - 1);
        u64::from(bits) << MANTISSA_BITS | mantissa
    }

    /// What is left of it without `other`; nothing where that is more.
    pub fn without(self, other: Self) -> Self {
        if self <= other {
            return Self::ZERO;
        }
        let part = |from: u64, take: u64, borrowed: bool| {
            let take = take + u64::from(borrowed);
            let borrow = from < take;
            (if borrow { from + PART_END - take } else { from - take }, borrow)
        };
        let (fraction, borrowed) = part(self.fraction, other.fraction, false);
        let (whole, borrowed) = part(self.whole, other.whole, borrowed);
        Self { high: self.high - other.high - u128::from(borrowed), whole, fraction }
    }

    /// Reads PostgreSQL's binary form (`numeric_send`).
    fn from_binary(bytes: &[u8]) -> Result<Self, BoxDynError> {
        let mut fields = bytes.chunks_exact(2).map(|b| match b {
            [a, b] => i16::from_be_bytes([*a, *b]),
            _ => 0,
        });
        let mut field = || fields.next().ok_or("a numeric is cut short");
        let (digits, weight, sign, _scale) = (field()?, field()?, field()?, field()?);
        if sign != 0 {
            return Err("a figure is negative or not a number".into());
        }
        let mut value = Self::ZERO;
        for index in 0..i32::from(digits) {
            let digit = u64::try_from(field()?)?;
            if digit >= 10_u64.pow(GROUP_DIGITS.unsigned_abs()) {
                return Err("a digit of a figure is out of range".into());
            }
            let power = GROUP_DIGITS * (i32::from(weight) - index);
            value.add_digit(digit, power).ok_or("a figure is too large")?;
        }
        Ok(value)
    }

    /// Adds `digit * 10^power`, each power once; what lies below 10^-18 is cut off.
    fn add_digit(&mut self, digit: u64, power: i32) -> Option<()> {
        let unit = |power: i32| u32::try_from(power).ok().map(|power| 10_u64.pow(power));
        match power {
            ..-20 => {}
            // The group that is half below 10^-18.
            -20 => self.fraction += digit / SPLIT,
            -19..0 => self.fraction += digit * unit(power + PART_DIGITS)?,
            0..16 => self.whole += digit * unit(power)?,
            16 => {
                self.whole += digit % SPLIT * SPLIT_UNIT;
                self.high = self.high.checked_add(u128::from(digit / SPLIT))?;
            }
            _ => {
                let unit = 10_u128.checked_pow(u32::try_from(power - PART_DIGITS).ok()?)?;
                self.high = self.high.checked_add(unit.checked_mul(u128::from(digit))?)?;
            }
        }
        Some(())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.high {
            0 => write!(f, "{}", self.whole)?,
            high => write!(f, "{high}{:018}", self.whole)?,
        }
        if self.fraction == 0 {
            return Ok(());
        }
        let digits = format!("{:018}", self.fraction);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

impl Type<Postgres> for Figure {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(NUMERIC)
    }
}

impl<'r> Decode<'r, Postgres> for Figure {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Self::from_binary(value.as_bytes()?),
            PgValueFormat::Text => Err("figures are read in binary form".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::entities::leaderboard::testing::numeric;

    #[test]
    fn decimal_text_comes_back() {
        for text in [
            "0",
            "1",
            "150.5",
            "0.000000000000000001",
            "9999.9999",
            "10000",
            "340282366920938463463374607431768211455",
            "99999999999999999999.999999999999999999",
            "123456789012345678901234567890123456789012345678901234.000000000000000009",
        ] {
            assert_eq!(Figure::from_binary(&numeric(text)).unwrap().to_string(), text);
        }
        assert_eq!(Figure::whole(7).to_string(), "7");
        assert_eq!(Figure::whole(-7), Figure::ZERO);
        assert_eq!(Figure::atto(99_740_001_000_000_000_000).to_string(), "99.740001");
    }

    #[test]
    fn order_and_difference_are_by_value() {
        let read = |text: &str| Figure::from_binary(&numeric(text)).unwrap();
        let texts = ["0", "0.5", "1", "9", "10", "1000000000000000000", "1000000000000000000.1"];
        for pair in texts.windows(2) {
            assert!(read(pair[0]) < read(pair[1]), "{pair:?}");
            assert!(read(pair[0]).magnitude() <= read(pair[1]).magnitude(), "{pair:?}");
            assert_eq!(read(pair[0]).without(read(pair[1])), Figure::ZERO);
        }
        // Counts, and amounts of the sizes that occur, all differ.
        assert!(read("570.9188").magnitude() < read("570.9189").magnitude());
        assert!(read("99999999999999999").magnitude() < read("100000000000000000").magnitude());
        let left = read("2000000000000000000").without(read("0.000000000000000001"));
        assert_eq!(left.to_string(), "1999999999999999999.999999999999999999");
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        assert!(Figure::from_binary(&[]).is_err());
        assert!(Figure::from_binary(&[0, 1, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(Figure::from_binary(&[0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1]).is_err());
        assert!(Figure::from_binary(&[0, 1, 0x7f, 0, 0, 0, 0, 0, 0, 1]).is_err());
        assert!(Figure::from_binary(&[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10]).is_err());
        // Below 10^-18 there is nothing.
        let tiny = Figure::from_binary(&numeric("0.0000000000000000019")).unwrap();
        assert_eq!(tiny.to_string(), "0.000000000000000001");
    }
}
