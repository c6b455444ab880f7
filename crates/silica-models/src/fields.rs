//! Members of a JSON object as registries, governance and oracles spell them: in snake_case or
//! camelCase, numbers as numbers or as decimal text, times in every form of contract §11 row 24.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::{Map, Value};

use crate::{Address, FormatError, Timestamp, parse_u64};

/// Numbers below this are Unix seconds, others milliseconds.
const SECONDS_BELOW: u64 = 1_000_000_000_000;
/// End of the year 9999: beyond it a time is a mistake, and arithmetic with it would be one too.
const SECONDS_MAX: i64 = 253_402_300_799;
/// Largest integer a JSON double holds exactly.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The members of one object. `null` counts as absent.
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(crate) fn of(what: &'static str, value: &'a Value) -> Result<Self, FormatError> {
        value.as_object().map(Self).ok_or_else(|| FormatError::new(what, "must be an object"))
    }

    /// The first of `names` (snake_case) that is there, in either spelling.
    pub(crate) fn get(&self, names: &[&str]) -> Option<&'a Value> {
        names.iter().find_map(|name| {
            let exact = self.0.get(*name).filter(|v| !v.is_null());
            exact.or_else(|| {
                let camel = name.contains('_').then(|| camel_case(name))?;
                self.0.get(&camel).filter(|v| !v.is_null())
            })
        })
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&'a Value, FormatError> {
        self.get(&[name]).ok_or_else(|| FormatError::new(name, "is missing"))
    }

    /// Text of at most `chars_max` characters; empty text counts as absent.
    pub(crate) fn text(
        &self,
        what: &'static str,
        names: &[&str],
        chars_max: usize,
    ) -> Result<Option<String>, FormatError> {
        match self.get(names) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() > chars_max => {
                Err(FormatError::new(what, format!("must have at most {chars_max} characters")))
            }
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|t| !t.is_empty())),
            Some(_) => Err(FormatError::new(what, "must be text")),
        }
    }

    /// One line of text: without control characters, not empty.
    pub(crate) fn line(
        &self,
        what: &'static str,
        names: &[&str],
        chars_max: usize,
    ) -> Result<Option<String>, FormatError> {
        let text = self.text(what, names, chars_max)?;
        if text.as_ref().is_some_and(|t| t.chars().any(char::is_control)) {
            return Err(FormatError::new(what, "must not hold control characters"));
        }
        Ok(text)
    }

    pub(crate) fn required_line(
        &self,
        name: &'static str,
        chars_max: usize,
    ) -> Result<String, FormatError> {
        self.line(name, &[name], chars_max)?
            .ok_or_else(|| FormatError::new(name, "is missing or empty"))
    }

    pub(crate) fn address(
        &self,
        what: &'static str,
        names: &[&str],
    ) -> Result<Option<Address>, FormatError> {
        match self.get(names) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Address::parse(text).map(Some),
            Some(_) => Err(FormatError::new(what, "must be text")),
        }
    }

    pub(crate) fn u128(
        &self,
        what: &'static str,
        names: &[&str],
    ) -> Result<Option<u128>, FormatError> {
        self.get(names).map(|v| parse_u128(what, v)).transpose()
    }

    /// An integer from 0 to `i64::MAX`.
    pub(crate) fn integer(
        &self,
        what: &'static str,
        names: &[&str],
    ) -> Result<Option<i64>, FormatError> {
        let Some(value) = self.get(names) else { return Ok(None) };
        let number = parse_u64(what, value)?;
        i64::try_from(number).map(Some).map_err(|_| FormatError::new(what, "is above 2^63 − 1"))
    }

    /// A time in Unix seconds.
    pub(crate) fn seconds(
        &self,
        what: &'static str,
        names: &[&str],
    ) -> Result<Option<i64>, FormatError> {
        self.get(names).map(|v| unix_seconds(what, v)).transpose()
    }

    /// A time in Unix milliseconds, from 1970 to 9999.
    pub(crate) fn millis(
        &self,
        what: &'static str,
        names: &[&str],
    ) -> Result<Option<i64>, FormatError> {
        let Some(value) = self.get(names) else { return Ok(None) };
        let moment = Timestamp::parse(value).map_err(|e| FormatError::new(what, e.reason))?.unix_ms;
        if !(0..=SECONDS_MAX * 1_000).contains(&moment) {
            return Err(FormatError::new(what, "is out of range"));
        }
        Ok(Some(moment))
    }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            camel.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    camel
}

/// JSON text as a value; numbers beyond a double and lone surrogates are refused by the parser.
pub(crate) fn json_of(what: &'static str, raw: &str) -> Result<Value, FormatError> {
    serde_json::from_str(raw).map_err(|e| FormatError::new(what, format!("unreadable JSON: {e}")))
}

/// Unix seconds: an integer or decimal text (milliseconds where large), RFC 3339, or the date
/// forms that the explorer shows (`2026-07-15 10:00 UTC`, `2026-07-15`).
pub(crate) fn unix_seconds(what: &'static str, value: &Value) -> Result<i64, FormatError> {
    let bad = |reason: &str| FormatError::new(what, reason);
    let seconds = match value {
        Value::String(text) if !text.bytes().all(|b| b.is_ascii_digit()) => {
            text_seconds(text).ok_or_else(|| bad("is not a time"))?
        }
        other => {
            let number = parse_u64(what, other)?;
            let seconds = if number < SECONDS_BELOW { number } else { number / 1_000 };
            i64::try_from(seconds).map_err(|_| bad("is out of range"))?
        }
    };
    if !(0..=SECONDS_MAX).contains(&seconds) {
        return Err(bad("is out of range"));
    }
    Ok(seconds)
}

fn text_seconds(text: &str) -> Option<i64> {
    if text.len() > 40 {
        return None;
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.timestamp());
    }
    let bare = text.trim().trim_end_matches("UTC").trim_end_matches('Z').trim();
    for form in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"] {
        if let Ok(moment) = NaiveDateTime::parse_from_str(bare, form) {
            return Some(moment.and_utc().timestamp());
        }
    }
    let day = NaiveDate::parse_from_str(bare, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

/// A non-negative integer: decimal text below 2^128, or a JSON number that is exact.
pub(crate) fn parse_u128(what: &'static str, value: &Value) -> Result<u128, FormatError> {
    match value {
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().map_err(|_| FormatError::new(what, "is above 2^128 − 1"))
        }
        Value::Number(number) if number.as_f64().is_some_and(|f| f <= FLOAT_EXACT_MAX) => {
            parse_u64(what, value).map(u128::from)
        }
        Value::Number(number) if number.is_u64() => parse_u64(what, value).map(u128::from),
        _ => Err(FormatError::new(what, "must be a non-negative integer")),
    }
}

/// 32 bytes as 64 hex digits, `0x` optional, either case.
pub(crate) fn parse_hex32(what: &'static str, text: &str) -> Result<[u8; 32], FormatError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let mut bytes = [0_u8; 32];
    hex::decode_to_slice(digits, &mut bytes)
        .map_err(|_| FormatError::new(what, "must be 64 hex digits"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_spellings_and_every_time_are_read() {
        let value = json!({"voteStart": "1782900000", "vote_end": null, "voteEnd": 7});
        let fields = Fields::of("test", &value).expect("object");
        assert_eq!(fields.seconds("s", &["vote_start"]), Ok(Some(1_782_900_000)));
        assert_eq!(fields.seconds("s", &["vote_end"]), Ok(Some(7)));
        for time in [
            json!(1_784_109_600),
            json!(1_784_109_600_000_i64),
            json!("2026-07-15 10:00 UTC"),
            json!("2026-07-15T10:00:00Z"),
            json!("2026-07-15T12:00:00+02:00"),
        ] {
            assert_eq!(unix_seconds("t", &time), Ok(1_784_109_600), "{time}");
        }
        for bad in [json!(-1), json!("soon"), json!(u64::MAX), json!(1.5), json!([])] {
            assert!(unix_seconds("t", &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let max = u128::MAX.to_string();
        assert_eq!(parse_u128("n", &json!(max)), Ok(u128::MAX));
        assert_eq!(parse_u128("n", &json!(u64::MAX)), Ok(u128::from(u64::MAX)));
        for bad in [json!(1e19), json!(-1), json!(1.5), json!(""), json!(format!("{max}0"))] {
            assert!(parse_u128("n", &bad).is_err(), "{bad}");
        }
    }
}
