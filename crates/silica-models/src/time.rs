//! Timestamps: the node's RFC 3339 text, kept to the digit, and its Unix milliseconds.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::FormatError;

/// Numbers below this are Unix seconds, others milliseconds (contract §8.14 uses the same bound).
const SECONDS_BELOW: i64 = 1_000_000_000_000;
/// Longest accepted timestamp text; RFC 3339 with nine digits and an offset has 35 characters.
const TEXT_CHARS_MAX: usize = 40;

/// A moment as the node wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// RFC 3339 text, precision kept.
    pub text: String,
    /// Milliseconds since the Unix epoch, rounded down.
    pub unix_ms: i64,
}

impl Timestamp {
    /// Reads RFC 3339 text, or Unix seconds or milliseconds (contract §11 row 24).
    pub fn parse(value: &Value) -> Result<Self, FormatError> {
        match value {
            Value::String(text) if text.len() <= TEXT_CHARS_MAX => {
                let moment = DateTime::parse_from_rfc3339(text)
                    .map_err(|_| FormatError::new("timestamp", "is not RFC 3339"))?;
                Ok(Self { text: text.clone(), unix_ms: moment.timestamp_millis() })
            }
            Value::Number(number) => {
                let number = number
                    .as_i64()
                    .ok_or_else(|| FormatError::new("timestamp", "is not an integer"))?;
                let unix_ms =
                    if number.abs() < SECONDS_BELOW { number.saturating_mul(1000) } else { number };
                Self::from_unix_ms(unix_ms)
            }
            _ => Err(FormatError::new("timestamp", "must be RFC 3339 text or a Unix time")),
        }
    }

    /// The canonical text of a Unix time in milliseconds.
    pub fn from_unix_ms(unix_ms: i64) -> Result<Self, FormatError> {
        let moment: DateTime<Utc> = DateTime::from_timestamp_millis(unix_ms)
            .ok_or_else(|| FormatError::new("timestamp", "is out of range"))?;
        Ok(Self { text: moment.to_rfc3339_opts(SecondsFormat::Millis, true), unix_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_kept_and_numbers_are_normalised() {
        let text = "2026-07-03T10:15:29.812345678Z";
        let parsed = Timestamp::parse(&json!(text));
        assert_eq!(parsed.map(|t| (t.text, t.unix_ms)), Ok((text.into(), 1_783_073_729_812)));
        for number in [json!(1_783_073_729), json!(1_783_073_729_000_i64)] {
            let parsed = Timestamp::parse(&number).map(|t| t.text);
            assert_eq!(parsed, Ok("2026-07-03T10:15:29.000Z".into()));
        }
        for bad in [json!("yesterday"), json!(null), json!(i64::MAX), json!(1.5)] {
            assert!(Timestamp::parse(&bad).is_err(), "{bad}");
        }
    }
}
