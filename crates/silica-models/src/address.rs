//! Addresses: opaque text whose `0x…` and `VAL…` hex payloads compare without case.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::FormatError;

/// Longest address, in characters (contract §4.2).
pub const ADDRESS_CHARS_MAX: usize = 128;

/// An address in the spelling the node (or the caller) gave.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(String);

/// 128-bit key of an address: SHA-256 over its canonical text, first 16 bytes.
///
/// A fixed, narrow key keeps the address-appearance index small. Half a SHA-256 is used rather
/// than 64 bits because addresses are chosen by users: two that share a key would share a history.
/// The SQL function `chert_address_key` computes the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressKey(pub [u8; 16]);

impl Address {
    /// Reads an address: 1 to 128 characters, no control characters.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        if text.is_empty() || text.chars().count() > ADDRESS_CHARS_MAX {
            return Err(FormatError::new("address", "must be 1 to 128 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(FormatError::new("address", "must not hold control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// A spelling read back from the store.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The spelling as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text that decides equality: hex payloads of `0x…` and `VAL…` in lower case.
    pub fn canonical(&self) -> std::borrow::Cow<'_, str> {
        let hex_payload = |prefix: &str| {
            self.0
                .strip_prefix(prefix)
                .filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        for prefix in ["0x", "VAL"] {
            if let Some(payload) = hex_payload(prefix)
                && payload.bytes().any(|b| b.is_ascii_uppercase())
            {
                return format!("{prefix}{}", payload.to_ascii_lowercase()).into();
            }
        }
        self.0.as_str().into()
    }

    /// The key under which appearances and totals are stored.
    pub fn key(&self) -> AddressKey {
        let digest = Sha256::digest(self.canonical().as_bytes());
        let mut key = [0_u8; 16];
        for (to, from) in key.iter_mut().zip(digest) {
            *to = from;
        }
        AddressKey(key)
    }
}

impl AddressKey {
    /// The key as PostgreSQL's 16-byte `uuid`.
    pub fn to_uuid(self) -> uuid::Uuid {
        uuid::Uuid::from_bytes(self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AddressKey {
        Address::parse(text).expect("valid").key()
    }

    #[test]
    fn hex_payloads_compare_without_case_and_other_text_exactly() {
        assert_eq!(key("0xABcd"), key("0xabCD"));
        assert_eq!(key("VALABcd"), key("VALabcd"));
        assert_ne!(key("0xABxy"), key("0xabxy"));
        assert_ne!(key("chert_A"), key("chert_a"));
        assert!(Address::parse(&"a".repeat(129)).is_err());
        assert!(Address::parse("a\0").is_err());
    }
}
