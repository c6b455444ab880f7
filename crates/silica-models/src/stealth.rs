//! The public part of a stealth output (contract §3.5).

use serde_json::Value;

use crate::{FormatError, parse_u64};

const KEY_BYTES: usize = 32;

/// Public part of a stealth output. Memos, plain or encrypted, are not kept: they belong to the
/// two parties, and nothing that we serve needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StealthOutput {
    /// Index among the transaction's stealth outputs, as stated by the node.
    pub index: u32,
    /// BLAKE3 commitment, 32 bytes.
    pub commitment: Vec<u8>,
    /// One-time public key, compressed Ristretto, 32 bytes.
    pub public_key: Vec<u8>,
    /// Transaction public key, compressed Ristretto, 32 bytes.
    pub tx_public_key: Vec<u8>,
    /// Amount in base units, absent where it is hidden.
    pub amount: Option<u64>,
    /// Creation time as the node wrote it.
    pub created_at: Option<String>,
}

impl StealthOutput {
    pub(crate) fn parse(value: &Value) -> Result<Self, FormatError> {
        let address = value.get("address").unwrap_or(&Value::Null);
        let index = parse_u64("stealth index", value.get("index").unwrap_or(&Value::Null))?;
        Ok(Self {
            index: u32::try_from(index)
                .ok()
                .filter(|i| i32::try_from(*i).is_ok())
                .ok_or_else(|| FormatError::new("stealth index", "is above 2^31 − 1"))?,
            commitment: key_bytes(value.get("commitment"))?,
            public_key: key_bytes(address.get("public_key"))?,
            tx_public_key: key_bytes(address.get("tx_public_key"))?,
            amount: match value.get("amount") {
                None | Some(Value::Null) => None,
                Some(amount) => Some(parse_u64("stealth amount", amount)?),
            },
            created_at: value.get("created_at").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn key_bytes(value: Option<&Value>) -> Result<Vec<u8>, FormatError> {
    let bytes = bytes_of(value.unwrap_or(&Value::Null))
        .ok_or_else(|| FormatError::new("stealth key", "must be bytes"))?;
    if bytes.len() != KEY_BYTES {
        return Err(FormatError::new("stealth key", "must be 32 bytes"));
    }
    Ok(bytes)
}

/// Bytes as serde writes them (array of integers) or as hex text.
pub(crate) fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Array(items) => {
            items.iter().map(|i| i.as_u64().and_then(|n| u8::try_from(n).ok())).collect()
        }
        Value::String(text) => hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok(),
        _ => None,
    }
}
