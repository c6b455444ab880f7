//! Transaction ids: UUIDs, 64-digit hashes, or text we do not know yet.

use std::fmt;

use crate::FormatError;

/// Longest transaction id, in characters.
pub const TX_ID_CHARS_MAX: usize = 130;
/// Marks stored opaque text. 0xFF never occurs in UTF-8, so the mark cannot be mistaken.
const OPAQUE_MARK: u8 = 0xFF;
const UUID_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Id of a transaction in its stored form: 16 bytes (UUID), 32 bytes (hash), or marked text.
///
/// Contract §4.1 and §11 row 13: a dashed UUID of any version, `0x` + 32 digits (the same UUID),
/// or 64 hex digits. Anything else the node may invent is kept exactly.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TxId(Vec<u8>);

impl TxId {
    /// Reads any spelling; 1 to 130 characters without control characters.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > TX_ID_CHARS_MAX {
            return Err(FormatError::new("transaction id", "must be 1 to 130 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(FormatError::new("transaction id", "must not hold control characters"));
        }
        let bare = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        if matches!(bare.len(), 32 | 64)
            && let Ok(bytes) = hex::decode(bare)
        {
            return Ok(Self(bytes));
        }
        if text.len() == 36
            && let Ok(uuid) = uuid::Uuid::try_parse(text)
        {
            return Ok(Self(uuid.as_bytes().to_vec()));
        }
        let mut bytes = vec![OPAQUE_MARK];
        bytes.extend_from_slice(text.as_bytes());
        if matches!(bytes.len(), UUID_BYTES | HASH_BYTES) {
            bytes.insert(0, OPAQUE_MARK);
        }
        Ok(Self(bytes))
    }

    /// A stored id.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes as stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first eight bytes as a number: the narrow key of the index by id.
    ///
    /// Not unique; a look-up compares the whole id as well.
    pub fn index_key(&self) -> i64 {
        let mut key = [0_u8; 8];
        for (to, from) in key.iter_mut().zip(&self.0) {
            *to = *from;
        }
        i64::from_be_bytes(key)
    }
}

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(uuid) = uuid::Uuid::from_slice(&self.0) {
            return write!(f, "{}", uuid.hyphenated());
        }
        if self.0.len() == HASH_BYTES {
            return f.write_str(&hex::encode(&self.0));
        }
        let start = self.0.iter().take_while(|b| **b == OPAQUE_MARK).count();
        let text = self.0.get(start..).unwrap_or_default();
        f.write_str(&String::from_utf8_lossy(text))
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        TxId::parse(text).map(|id| id.to_string()).unwrap_or_default()
    }

    #[test]
    fn one_spelling_per_id() {
        let dashed = "7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11";
        assert_eq!(shown("0x7F3B1C529A4E4D0B8C1F2E6A5D904B11"), dashed);
        assert_eq!(shown("7f3b1c529a4e4d0b8c1f2e6a5d904b11"), dashed);
        assert_eq!(shown(&dashed.to_uppercase()), dashed);
        assert_eq!(shown(&format!("0x{}", "AB".repeat(32))), "ab".repeat(32));
        assert_eq!(shown("tx-odd"), "tx-odd");
        assert!(TxId::parse("").is_err());
        assert!(TxId::parse("a\0b").is_err());
    }

    proptest! {
        #[test]
        fn stored_form_is_injective(a in "[ -~]{1,60}", b in "[ -~]{1,60}") {
            prop_assume!(!a.trim().is_empty() && !b.trim().is_empty());
            let (x, y) = (TxId::parse(&a), TxId::parse(&b));
            let (x, y) = (x.expect("valid"), y.expect("valid"));
            prop_assert_eq!(x == y, x.to_string() == y.to_string());
            prop_assert_eq!(&TxId::parse(&x.to_string()).expect("valid"), &x);
        }
    }
}
