//! Block hashes.

use std::fmt;

use crate::FormatError;

/// Longest block hash kept, in bytes (the authors' own schema allows 130 hex digits).
pub const BLOCK_HASH_BYTES_MAX: usize = 65;

/// Hash of a block: usually 32 bytes, shown as lower-case hex without `0x` (contract §4.1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockHash(Vec<u8>);

impl BlockHash {
    /// Reads hex in either case, with or without `0x`; 1 to 65 bytes.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        if digits.is_empty() || digits.len() > BLOCK_HASH_BYTES_MAX * 2 {
            return Err(FormatError::new("block hash", "must be 2 to 130 hex digits"));
        }
        hex::decode(digits)
            .map(Self)
            .map_err(|_| FormatError::new("block hash", "must be an even number of hex digits"))
    }

    /// A stored hash.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The raw bytes as stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_every_spelling_and_prints_one() {
        for text in ["0xABcd", "abcd", "ABCD", "0Xabcd"] {
            assert_eq!(BlockHash::parse(text).map(|h| h.to_string()), Ok("abcd".to_owned()));
        }
        for text in ["", "0x", "abc", "xyz0", &"ab".repeat(66)] {
            assert!(BlockHash::parse(text).is_err(), "{text}");
        }
    }
}
