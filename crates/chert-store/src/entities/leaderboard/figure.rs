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
/// Digits behind the point.
const SCALE: u32 = 18;
/// One, in units of 10^-18.
const ONE: u128 = 10_u128.pow(SCALE);
/// Digits in the lower half.
const LOW_DIGITS: u32 = 36;
const LOW_END: u128 = 10_u128.pow(LOW_DIGITS);
/// Decimal digits in a digit of PostgreSQL's `numeric`.
const GROUP_DIGITS: i32 = 4;

/// A non-negative number in units of 10^-18: `high * 10^36 + low`. At most 74 decimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    // Order matters: the derived comparison is by value.
    high: u128,
    low: u128,
}

impl Figure {
    /// Nothing.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// A count; negative counts do not occur and become nothing.
    pub fn whole(count: i64) -> Self {
        Self { high: 0, low: u128::try_from(count).unwrap_or(0) * ONE }
    }

    /// A number of units of 10^-18.
    pub fn atto(units: u128) -> Self {
        Self { high: units / LOW_END, low: units % LOW_END }
    }

    /// From its halves; `None` where they are not canonical.
    pub(super) fn from_halves(high: u128, low: u128) -> Option<Self> {
        (low < LOW_END).then_some(Self { high, low })
    }

    /// The halves: units of 10^18 and of 10^-18.
    pub(super) fn halves(self) -> (u128, u128) {
        (self.high, self.low)
    }

    /// `true` above zero.
    pub fn is_positive(self) -> bool {
        self != Self::ZERO
    }

    /// What is left of it without `other`; nothing where that is more.
    pub fn without(self, other: Self) -> Self {
        if self <= other {
            return Self::ZERO;
        }
        if self.low >= other.low {
            return Self { high: self.high - other.high, low: self.low - other.low };
        }
        Self { high: self.high - other.high - 1, low: self.low + LOW_END - other.low }
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
            let digit = u128::try_from(field()?)?;
            // Power of ten of this digit, in units of 10^-18.
            let power = GROUP_DIGITS * (i32::from(weight) - index) + SCALE.cast_signed();
            value = value.plus_digit(digit, power).ok_or("a figure is too large")?;
        }
        Ok(value)
    }

    /// Adds `digit * 10^power`; what lies below 10^-18 is cut off.
    fn plus_digit(self, digit: u128, power: i32) -> Option<Self> {
        let Ok(power) = u32::try_from(power) else {
            let cut = 10_u128.checked_pow(power.unsigned_abs());
            return Some(Self { low: self.low + cut.map_or(0, |cut| digit / cut), ..self });
        };
        if power >= LOW_DIGITS {
            let more = digit.checked_mul(10_u128.checked_pow(power - LOW_DIGITS)?)?;
            return Some(Self { high: self.high.checked_add(more)?, ..self });
        }
        let low = self.low.checked_add(digit.checked_mul(10_u128.pow(power))?)?;
        Some(Self { high: self.high.checked_add(low / LOW_END)?, low: low % LOW_END })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.low / ONE, self.low % ONE);
        match self.high {
            0 => write!(f, "{whole}")?,
            high => write!(f, "{high}{whole:018}")?,
        }
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:018}");
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
            assert_eq!(read(pair[0]).without(read(pair[1])), Figure::ZERO);
        }
        let left = read("2000000000000000000").without(read("0.000000000000000001"));
        assert_eq!(left.to_string(), "1999999999999999999.999999999999999999");
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        assert!(Figure::from_binary(&[]).is_err());
        assert!(Figure::from_binary(&[0, 1, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(Figure::from_binary(&[0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1]).is_err());
        assert!(Figure::from_binary(&[0, 1, 0x7f, 0, 0, 0, 0, 0, 0, 1]).is_err());
    }
}
