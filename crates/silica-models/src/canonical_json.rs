//! Canonical JSON (RFC 8785) for values without floats, which the work feed does not have: so the
//! one hard part of that standard, the shortest text of a double, is not needed here.

use std::fmt::Write;

use serde_json::Value;

use crate::FormatError;

/// Largest integer that every JSON reader takes exactly.
const INTEGER_MAX: u64 = 1 << 53;

/// Appends the canonical form of `value`; refused are floats and integers above 2^53.
pub(crate) fn write_canonical(value: &Value, text: &mut String) -> Result<(), FormatError> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if size.is_none_or(|s| s > INTEGER_MAX) {
                let reason = "numbers must be integers of at most 2^53";
                return Err(FormatError::new("canonical JSON", reason));
            }
            write!(text, "{number}")
                .map_err(|e| FormatError::new("canonical JSON", e.to_string()))?;
        }
        Value::String(string) => write_text(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            // The order of UTF-16 code units differs from that of UTF-8 beyond the first plane.
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_text(name, text);
                text.push(':');
                write_canonical(member, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn write_text(string: &str, text: &mut String) {
    // serde_json escapes exactly what RFC 8785 asks for: the two-letter escapes, \u00xx in lower
    // case for other control characters, and nothing else.
    text.push_str(&Value::from(string).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn canonical(value: &Value) -> Result<String, FormatError> {
        let mut text = String::new();
        write_canonical(value, &mut text).map(|()| text)
    }

    #[test]
    fn members_are_in_the_order_of_utf16() {
        // The example of RFC 8785 §3.2.3, without its floats.
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5,
            "\u{80}": 6, "\u{f6}": 7});
        let expected = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\
                        \"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(&value), Ok(expected.to_owned()));
    }

    #[test]
    fn escapes_and_numbers() {
        let value = json!(["\u{1f}\u{8}\n\"\\/\u{7f}é", -7, true, null, {}]);
        let expected = "[\"\\u001f\\b\\n\\\"\\\\/\u{7f}é\",-7,true,null,{}]";
        assert_eq!(canonical(&value), Ok(expected.to_owned()));
        for bad in [json!(1.5), json!(1.0), json!((1_u64 << 53) + 1), json!(i64::MIN)] {
            assert!(canonical(&bad).is_err(), "{bad}");
        }
    }
}
