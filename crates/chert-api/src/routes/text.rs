//! Stored bytes and numbers in the form clients read, written without an allocation each.

use serde::{Serialize, Serializer};
use silica_models::{BLOCK_HASH_BYTES_MAX, TxId};

/// Bytes as lower-case hex.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0_u8; 2 * BLOCK_HASH_BYTES_MAX];
        let text = digits.get_mut(..2 * self.0.len()).and_then(|room| {
            hex::encode_to_slice(self.0, room).ok()?;
            std::str::from_utf8(room).ok()
        });
        match text {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_str(&hex::encode(self.0)),
        }
    }
}

/// A stored transaction id in its one spelling.
#[derive(Debug, Clone, Copy)]
pub struct TxIdText<'a>(pub &'a [u8]);

impl Serialize for TxIdText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(id) = uuid::Uuid::from_slice(self.0) {
            let mut text = uuid::Uuid::encode_buffer();
            return serializer.serialize_str(id.hyphenated().encode_lower(&mut text));
        }
        serializer.collect_str(&TxId::from_bytes(self.0.to_vec()))
    }
}

/// A count that the database gives as decimal text, written as a JSON integer.
#[derive(Debug, Clone, Copy)]
pub struct Count<'a>(pub &'a str);

impl Serialize for Count<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.parse::<u128>() {
            Ok(number) => serializer.serialize_u128(number),
            Err(_) => Err(serde::ser::Error::custom("a stored count is not an integer")),
        }
    }
}

/// Hundredths, written as a JSON number with at most two decimals.
#[derive(Debug, Clone, Copy)]
pub struct Hundredths(pub i64);

impl Serialize for Hundredths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Percentages: 10 000 at most.
        let number = i32::try_from(self.0).map_err(serde::ser::Error::custom)?;
        serializer.serialize_f64(f64::from(number) / 100.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn one_spelling_each() {
        let json = |value: &dyn Fn() -> String| value();
        assert_eq!(json(&|| serde_json::to_string(&Hex(&[0, 255])).unwrap()), "\"00ff\"");
        assert_eq!(json(&|| serde_json::to_string(&Hex(&[1; 90])).unwrap()).len(), 182);
        let id = TxId::parse("0x7F3B1C529A4E4D0B8C1F2E6A5D904B11").unwrap();
        let text = serde_json::to_string(&TxIdText(id.as_bytes())).unwrap();
        assert_eq!(text, format!("\"{id}\""));
        let most = u64::MAX.to_string();
        assert_eq!(serde_json::to_string(&Count(&most)).unwrap(), most);
    }
}
