//! Exact decimals of the useful-work feeds: credits, difficulty, processor time.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::FormatError;

/// Digits after the point.
pub const DECIMAL_SCALE: usize = 18;
/// Digits before the point.
const INTEGER_DIGITS_MAX: usize = 20;
/// Longest text looked at; leading and trailing zeros may make it longer than the digits kept.
const TEXT_BYTES_MAX: usize = 80;
const ATTO_PER_UNIT: i128 = 1_000_000_000_000_000_000;

/// A decimal with 18 digits after the point, the form of `NUMERIC(38, 18)`.
///
/// Floats would make sums depend on their order, and the figures of a board must be equal to a
/// rebuild to the last digit. What is parsed is never negative; differences may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Decimal(i128);

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads non-negative decimal text: at most 20 digits before and 18 after the point, without
    /// sign and exponent.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let bad = |reason: &str| FormatError::new("decimal", reason);
        if text.len() > TEXT_BYTES_MAX {
            return Err(bad("is too long"));
        }
        let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(integer) || !digits(fraction) {
            return Err(bad("must be decimal digits with at most one point"));
        }
        let (integer, fraction) = (integer.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if integer.len() > INTEGER_DIGITS_MAX || fraction.len() > DECIMAL_SCALE {
            return Err(bad("must have at most 20 digits before and 18 after the point"));
        }
        let all = format!("0{integer}{fraction:0<DECIMAL_SCALE$}");
        all.parse().map(Self).map_err(|_| bad("is out of range"))
    }

    /// Reads JSON: decimal text or an integer. Floats are refused, since they are not exact.
    pub fn from_json(value: &Value) -> Result<Self, FormatError> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => match number.as_u64() {
                Some(integer) => Ok(Self(i128::from(integer) * ATTO_PER_UNIT)),
                None => Err(FormatError::new("decimal", "must be text or a non-negative integer")),
            },
            _ => Err(FormatError::new("decimal", "must be text")),
        }
    }

    /// From units of 10^-18.
    pub const fn from_atto(atto: i128) -> Self {
        Self(atto)
    }

    /// In units of 10^-18.
    pub const fn atto(self) -> i128 {
        self.0
    }

    /// The sum, absent where it does not fit 128 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, absent where it does not fit 128 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl fmt::Display for Decimal {
    /// Without trailing zeros: `150.5`, `0`, `-0.25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let atto = self.0.unsigned_abs();
        let unit = ATTO_PER_UNIT.unsigned_abs();
        let (integer, rest) = (atto / unit, atto % unit);
        if rest == 0 {
            return write!(f, "{sign}{integer}");
        }
        let fraction = format!("{rest:0DECIMAL_SCALE$}");
        write!(f, "{sign}{integer}.{}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_and_their_canonical_forms() {
        for (text, shown) in [
            ("0", "0"),
            ("150.5", "150.5"),
            ("000150.500", "150.5"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ] {
            assert_eq!(Decimal::parse(text).map(|d| d.to_string()), Ok(shown.to_owned()));
        }
        for bad in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.0000000000000000001", "1_0", " 1", "１"]
        {
            assert!(Decimal::parse(bad).is_err(), "{bad}");
        }
        assert!(Decimal::parse(&"9".repeat(21)).is_err());
        assert_eq!(Decimal::from_atto(-250_000_000_000_000_000).to_string(), "-0.25");
        assert!(Decimal::from_json(&serde_json::json!(1.5)).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(atto in 0_i128..100_000_000_000_000_000_000_000_000_000_000_000_000) {
            let decimal = Decimal::from_atto(atto);
            prop_assert_eq!(Decimal::parse(&decimal.to_string()), Ok(decimal));
        }

        #[test]
        fn never_panics(text in "\\PC{0,100}", digits in "[0-9.]{0,90}") {
            let _ = (Decimal::parse(&text), Decimal::parse(&digits));
        }
    }
}
