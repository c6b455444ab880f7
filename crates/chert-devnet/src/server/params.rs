//! Parameters in every form clients use: an object, a positional array, an array holding
//! one object, `null`, nothing.

use serde_json::{Map, Value};

use super::rpc::RpcError;

/// Parameters by name.
#[derive(Debug, Default)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    /// Positional values take these names, in this order.
    pub(super) fn new(params: Option<Value>, names: &[&str]) -> Result<Params, RpcError> {
        Ok(Params(match params {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(fields)) => fields,
            Some(Value::Array(mut values)) => {
                if let [Value::Object(fields)] = values.as_mut_slice() {
                    return Ok(Params(std::mem::take(fields)));
                }
                if values.len() > names.len() {
                    return Err(RpcError::invalid_params("too many positional parameters"));
                }
                names.iter().map(|name| (*name).to_owned()).zip(values).collect()
            }
            Some(_) => {
                return Err(RpcError::invalid_params("params must be an object or an array"));
            }
        }))
    }

    /// A height or count: a number, or text in decimal or `0x` hex. Whole numbers above
    /// `u64` become `u64::MAX`, because people type such heights and no block has them.
    pub(super) fn find_u64(&self, name: &str) -> Result<Option<u64>, RpcError> {
        let wrong = || {
            RpcError::invalid_params(&format!("{name} must be a whole number that is not negative"))
        };
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
                (Some(value), _) => Ok(Some(value)),
                (None, Some(value)) if value >= 18_446_744_073_709_551_615.0 => Ok(Some(u64::MAX)),
                _ => Err(wrong()),
            },
            Some(Value::String(text)) => {
                let parsed = match text.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16),
                    None => text.parse(),
                };
                parsed.map(Some).map_err(|_| wrong())
            }
            Some(_) => Err(wrong()),
        }
    }

    pub(super) fn get_u64(&self, name: &str) -> Result<u64, RpcError> {
        self.find_u64(name)?.ok_or_else(|| RpcError::invalid_params(&format!("{name} is missing")))
    }

    pub(super) fn get_text(&self, name: &str) -> Result<&str, RpcError> {
        match self.0.get(name) {
            Some(Value::String(text)) => Ok(text.trim()),
            _ => Err(RpcError::invalid_params(&format!("{name} must be a string"))),
        }
    }

    /// Whether the parameter is there at all, `null` included.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The first of these names that is there, as text; numbers as they are written.
    pub(super) fn find_text(&self, names: &[&str]) -> Result<Option<String>, RpcError> {
        let Some(value) = names.iter().find_map(|name| self.0.get(*name)) else {
            return Ok(None);
        };
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.trim().to_owned())),
            Value::Number(number) => Ok(Some(number.to_string())),
            _ => {
                let name = names.first().copied().unwrap_or_default();
                Err(RpcError::invalid_params(&format!("{name} must be a string or a number")))
            }
        }
    }

    pub(super) fn bool_or(&self, name: &str, default: bool) -> Result<bool, RpcError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(RpcError::invalid_params(&format!("{name} must be true or false"))),
        }
    }
}
