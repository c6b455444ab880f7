//! Parameters as any client sends them: an object, a positional array, `[object]`, null or nothing
//! (contract §11 row 3). Unknown members are ignored, as the node does; null is absent.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use silica_models::Address;

use super::error::RpcError;

/// Longest text that any parameter takes, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// The parameters of one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Params {
    named: Map<String, Value>,
    listed: Vec<Value>,
    /// They came in an array.
    pub in_array: bool,
}

impl Params {
    /// Reads the member `params`.
    pub fn parse(raw: Option<&RawValue>) -> Result<Self, RpcError> {
        let Some(raw) = raw else { return Ok(Self::default()) };
        let value: Value = serde_json::from_str(raw.get())
            .map_err(|_| RpcError::params("params is nested too deeply or is out of range"))?;
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(named) => Ok(Self { named, ..Self::default() }),
            Value::Array(mut listed) => {
                let alone = listed.len() == 1;
                if let Some(Value::Object(named)) = listed.first_mut().filter(|_| alone) {
                    let named = std::mem::take(named);
                    return Ok(Self { named, listed: Vec::new(), in_array: true });
                }
                Ok(Self { named: Map::new(), listed, in_array: true })
            }
            _ => Err(RpcError::params("params must be an object, an array or null")),
        }
    }

    /// As they came, but for `[object]`, which is the object.
    pub fn to_value(&self) -> Value {
        match self.in_array && self.named.is_empty() {
            true => Value::Array(self.listed.clone()),
            false => Value::Object(self.named.clone()),
        }
    }

    /// Whether a member is there, be it null.
    pub fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// A member by one of its names, or by its position in an array.
    fn find(&self, names: &[&str], position: usize) -> Option<&Value> {
        let named = names.iter().filter_map(|name| self.named.get(*name));
        let found = named.into_iter().find(|value| !value.is_null());
        found.or_else(|| self.listed.get(position).filter(|value| !value.is_null()))
    }

    /// A text, trimmed; numbers are taken as they are written.
    pub fn text(&self, names: &[&str], position: usize) -> Result<Option<String>, RpcError> {
        let name = names.first().copied().unwrap_or_default();
        let text = match self.find(names, position) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(RpcError::params(format!("{name} must be a string"))),
        };
        if text.len() > TEXT_BYTES_MAX || text.contains('\0') {
            return Err(RpcError::params(format!(
                "{name} must have at most {TEXT_BYTES_MAX} bytes and no NUL"
            )));
        }
        Ok(Some(text))
    }

    /// A text that must be there.
    pub fn required(&self, names: &[&str], position: usize) -> Result<String, RpcError> {
        let name = names.first().copied().unwrap_or_default();
        let text = self.text(names, position)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| RpcError::params(format!("{name} is missing")))
    }

    /// An address that must be there.
    pub fn address(&self, names: &[&str], position: usize) -> Result<Address, RpcError> {
        let text = self.required(names, position)?;
        Address::parse(&text).map_err(|e| RpcError::params(e.to_string()))
    }

    /// An address that may be there.
    pub fn maybe_address(
        &self,
        names: &[&str],
        position: usize,
    ) -> Result<Option<Address>, RpcError> {
        let text = self.text(names, position)?.filter(|text| !text.is_empty());
        let address = text.map(|text| Address::parse(&text));
        address.transpose().map_err(|e| RpcError::params(e.to_string()))
    }

    /// A whole number, also as decimal or `0x` text; beyond 2^64 it is the greatest there is.
    pub fn whole(&self, names: &[&str], position: usize) -> Result<Option<u64>, RpcError> {
        let name = names.first().copied().unwrap_or_default();
        let Some(value) = self.find(names, position) else { return Ok(None) };
        whole_of(value)
            .map(Some)
            .ok_or_else(|| RpcError::params(format!("{name} must be a whole number from 0 up")))
    }

    /// How many rows a client wants: at least 1, at most `max`.
    pub fn limit(&self, position: usize, default: u16, max: u16) -> Result<u16, RpcError> {
        let asked = self.whole(&["limit"], position)?.unwrap_or_else(|| default.into());
        Ok(u16::try_from(asked.clamp(1, max.into())).unwrap_or(max))
    }

    /// Rows to skip, at most `max`.
    pub fn offset(&self, position: usize, max: u32) -> Result<u32, RpcError> {
        let asked = self.whole(&["offset"], position)?.unwrap_or(0);
        let offset = u32::try_from(asked).ok().filter(|offset| *offset <= max);
        offset.ok_or_else(|| RpcError::params(format!("offset may not be above {max}")))
    }

    /// A yes or no.
    pub fn flag(&self, names: &[&str], position: usize, default: bool) -> Result<bool, RpcError> {
        let name = names.first().copied().unwrap_or_default();
        match self.find(names, position) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(word)) if word == "true" => Ok(true),
            Some(Value::String(word)) if word == "false" => Ok(false),
            Some(_) => Err(RpcError::params(format!("{name} must be true or false"))),
        }
    }
}

fn whole_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(number) => Some(number),
            // JavaScript writes great integers as 1e+23.
            None => {
                let number = number.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0)?;
                Some(format!("{number:.0}").parse().unwrap_or(u64::MAX))
            }
        },
        Value::String(text) => {
            let text = text.trim();
            let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
            if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                return None;
            }
            Some(u64::from_str_radix(digits, radix).unwrap_or(u64::MAX))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn params(text: &str) -> Params {
        Params::parse(Some(&RawValue::from_string(text.to_owned()).unwrap())).unwrap()
    }

    #[test]
    fn every_form_leads_to_the_same_parameter() {
        for form in [r#"{"a":7,"x":[]}"#, "[7]", r#"[{"a":"7"}]"#, r#"["0x7"]"#, r#"{"b":7.0}"#] {
            assert_eq!(params(form).whole(&["a", "b"], 0).unwrap(), Some(7), "{form}");
        }
        for form in ["null", "{}", "[]", "[null]", r#"{"a":null}"#] {
            assert_eq!(params(form).whole(&["a"], 0).unwrap(), None, "{form}");
        }
        assert_eq!(Params::parse(None).unwrap(), params("null"));
        assert!(params(r#"{"offset":null}"#).has("offset"));
        assert!(params("[{}]").in_array);
    }

    #[test]
    fn great_numbers_are_the_greatest_and_others_are_refused() {
        for great in ["[99999999999999999999999]", "[1e+23]", r#"["99999999999999999999999"]"#] {
            assert_eq!(params(great).whole(&["a"], 0).unwrap(), Some(u64::MAX), "{great}");
        }
        for bad in ["[-1]", "[1.5]", r#"["x"]"#, r#"[""]"#, "[true]", "[[]]", r#"["0x"]"#] {
            assert!(params(bad).whole(&["a"], 0).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}", number: f64) {
            for raw in [serde_json::json!([text, number]), serde_json::json!({"a": text})] {
                let params = params(&raw.to_string());
                let _ = params.whole(&["a"], 0);
                let _ = params.address(&["a"], 0);
                let _ = params.flag(&["a"], 1, true);
            }
        }
    }
}
