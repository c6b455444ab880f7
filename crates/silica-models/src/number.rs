//! Numbers in the forms the node's clients meet them: JSON numbers, decimal and hex strings.

use serde_json::Value;

use crate::{FormatError, HEIGHT_MAX, Height};

/// Largest integer a JSON double holds exactly; floats above it are refused as amounts.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A non-negative 64-bit integer: JSON number or decimal string, never rounded.
pub fn parse_u64(what: &'static str, value: &Value) -> Result<u64, FormatError> {
    match value {
        Value::Number(number) => {
            if let Some(integer) = number.as_u64() {
                return Ok(integer);
            }
            match number.as_f64() {
                Some(float) if float.fract() == 0.0 && (0.0..=FLOAT_EXACT_MAX).contains(&float) =>
                {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "an integer in 0..=2^53, checked by the guard"
                    )]
                    Ok(float as u64)
                }
                _ => Err(FormatError::new(what, format!("{number} is not an integer in 0..2^64"))),
            }
        }
        Value::String(text) => parse_decimal(what, text),
        _ => Err(FormatError::new(what, "must be a number or a decimal string")),
    }
}

fn parse_decimal(what: &'static str, text: &str) -> Result<u64, FormatError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(FormatError::new(what, "must be a decimal integer"));
    }
    text.parse().map_err(|_| FormatError::new(what, "is above 2^64 − 1"))
}

/// A height: JSON number, decimal string or `0x` hex string (contract §11 row 7).
pub fn parse_height(value: &Value) -> Result<Height, FormatError> {
    let height = match value {
        Value::String(text) if text.starts_with("0x") => {
            u64::from_str_radix(text.trim_start_matches("0x"), 16)
                .map_err(|_| FormatError::new("height", "is not a hex number below 2^64"))?
        }
        other => parse_u64("height", other)?,
    };
    if height > HEIGHT_MAX {
        return Err(FormatError::new("height", format!("{height} is above {HEIGHT_MAX}")));
    }
    Ok(height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_are_exact_or_refused() {
        let ok = |v: Value| parse_u64("n", &v);
        assert_eq!(ok(json!(u64::MAX)), Ok(u64::MAX));
        assert_eq!(ok(json!("18446744073709551615")), Ok(u64::MAX));
        assert_eq!(ok(json!(5.0)), Ok(5));
        for bad in [json!(-1), json!(1.5), json!(1e30), json!("18446744073709551616"), json!("")] {
            assert!(ok(bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(parse_height(&json!("0x10")), Ok(16));
        assert_eq!(parse_height(&json!("16")), Ok(16));
        assert!(parse_height(&json!(u64::MAX)).is_err());
    }
}
