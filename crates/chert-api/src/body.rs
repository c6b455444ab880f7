//! Strict reading of JSON bodies: one object, nothing unknown in it, refused in words.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::Problem;

/// Longest description of a defect that goes into an answer, in characters: it may quote the body.
const REASON_CHARS_MAX: usize = 200;

/// Reads a body whose type says `deny_unknown_fields`. The size is limited before (64 KiB).
///
/// # Errors
/// 400 naming what is wrong and where.
pub fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::invalid("the request needs a JSON body; see /openapi.json"));
    }
    // A list would be taken for the fields in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::invalid("the body must be one JSON object; see /openapi.json"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let reason: String = error.to_string().chars().take(REASON_CHARS_MAX).collect();
        Problem::invalid(format!("the body is not as described: {reason}"))
    })
}

/// Reads hex in either case, `0x` optional.
///
/// # Errors
/// 400 naming the field.
pub fn hex_bytes(field: &str, text: &str, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let fits = !digits.is_empty() && digits.len() <= 2 * bytes_max;
    hex::decode(digits)
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| Problem::invalid(format!("{field} must be hex of 1 to {bytes_max} bytes")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct One {
        a: u8,
    }

    #[test]
    fn what_is_wrong_is_said() {
        let read = |text: &'static str| parse::<One>(&Bytes::from_static(text.as_bytes()));
        assert_eq!(read("{\"a\":1}").unwrap().a, 1);
        for (text, reason) in [
            ("", "needs a JSON body"),
            ("{\"a\":1,\"b\":2}", "unknown field `b`"),
            ("{\"a\":1,\"a\":2}", "duplicate field `a`"),
            ("{}", "missing field `a`"),
            ("{\"a\":256}", "256"),
            ("{\"a\":1} x", "trailing"),
            ("{\"a\":", "line 1"),
            ("[1]", "one JSON object"),
        ] {
            let detail = read(text).unwrap_err().detail.into_owned();
            assert!(detail.contains(reason), "{text}: {detail}");
        }
    }

    #[test]
    fn hex_is_bounded() {
        assert_eq!(hex_bytes("f", "0XaB", 1).unwrap(), [0xab]);
        for bad in ["", "0x", "a", "zz", "abab"] {
            assert!(hex_bytes("f", bad, 1).is_err(), "{bad}");
        }
    }
}
