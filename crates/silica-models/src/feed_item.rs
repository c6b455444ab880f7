//! Items of an oracle's work feed and what proves them (contract oracle-feed §4.3.2, §4.3.4).

use std::borrow::Cow;
use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::FormatError;
use crate::canonical_json::write_canonical;
use crate::fields::parse_hex32;
use crate::redact::without_credentials;

/// What is signed before the hash of an item.
const SIGNATURE_PREFIX: &str = "chert.work-feed.v1:";
const SIGNATURE_BYTES: usize = 64;
const KIND_CHARS_MAX: usize = 64;

/// `prev_hash` of a feed's first item.
pub const FIRST_PREV_HASH: [u8; 32] = [0; 32];

/// How far an item is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureStatus {
    /// It has no signature, or no key is pinned to check it with.
    Unsigned = 0,
    /// Signed by a pinned key.
    Verified = 1,
    /// Signed, but not by a pinned key, or its hash is wrong.
    Invalid = 2,
}

impl SignatureStatus {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Verified => "verified",
            Self::Invalid => "invalid",
        }
    }

    /// The number as stored.
    pub fn as_i16(self) -> i16 {
        match self {
            Self::Unsigned => 0,
            Self::Verified => 1,
            Self::Invalid => 2,
        }
    }

    /// A stored number.
    pub fn from_i16(number: i16) -> Option<Self> {
        [Self::Unsigned, Self::Verified, Self::Invalid].into_iter().find(|s| s.as_i16() == number)
    }
}

/// One item of a feed.
#[derive(Debug, Clone)]
pub struct FeedItem {
    /// Position in the feed, from 1.
    pub seq: i64,
    /// `work`, `slash`, `performance`, or one that we do not know; empty where it has none.
    pub kind: String,
    /// Hash of the item before.
    pub prev_hash: Option<[u8; 32]>,
    /// Its own hash, as the oracle states it.
    pub hash: Option<[u8; 32]>,
    /// Ed25519 signature of the hash.
    pub signature: Option<Vec<u8>>,
    /// The record, as it was signed; `null` where there is none.
    pub record: Box<RawValue>,
    /// The item's text for keeping: as it came, but without what looks like a credential.
    pub raw: String,
    /// Why the item cannot be understood; whatever of it can be is there even so.
    pub malformed: Option<String>,
}

impl FeedItem {
    /// Reads one element of `items`. An item that has a `seq` but is otherwise not understood is
    /// kept as malformed, so that it does not block the feed; one without a `seq` has no place in
    /// it and is an error.
    pub fn parse(raw: &RawValue) -> Result<Self, FormatError> {
        let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(raw.get())
            .map_err(|e| FormatError::new("item", format!("is not an object: {e}")))?;
        let seq = members
            .get("seq")
            .and_then(|v| serde_json::from_str::<i64>(v.get()).ok())
            .filter(|seq| *seq >= 1)
            .ok_or_else(|| FormatError::new("seq", "must be an integer from 1"))?;
        let mut item = Self {
            seq,
            kind: String::new(),
            prev_hash: None,
            hash: None,
            signature: None,
            record: RawValue::NULL.to_owned(),
            raw: without_credentials(raw.get()).into_owned(),
            malformed: None,
        };
        // What can be read is kept even so: a chain of hashes goes on through a malformed item.
        if let Err(error) = item.read(&members) {
            item.malformed = Some(error.to_string());
        }
        Ok(item)
    }

    fn read(&mut self, members: &BTreeMap<Cow<'_, str>, &RawValue>) -> Result<(), FormatError> {
        let text = |name: &'static str| -> Result<Option<String>, FormatError> {
            let Some(value) = members.get(name) else { return Ok(None) };
            serde_json::from_str(value.get()).map_err(|_| FormatError::new(name, "must be text"))
        };
        let hash = |name: &'static str| -> Result<Option<[u8; 32]>, FormatError> {
            text(name)?.map(|t| parse_hex32(name, &t)).transpose()
        };
        self.prev_hash = hash("prev_hash")?;
        self.hash = hash("hash")?;
        if let Some(digits) = text("signature")?.filter(|t| !t.is_empty()) {
            let bytes = hex::decode(digits).ok().filter(|b| b.len() == SIGNATURE_BYTES);
            let bad = || FormatError::new("signature", "must be 128 hex digits");
            self.signature = Some(bytes.ok_or_else(bad)?);
        }
        self.kind = text("kind")?
            .filter(|k| !k.is_empty() && k.chars().count() <= KIND_CHARS_MAX)
            .filter(|k| !k.chars().any(char::is_control))
            .ok_or_else(|| FormatError::new("kind", "must have 1 to 64 characters"))?;
        let record =
            members.get("record").ok_or_else(|| FormatError::new("record", "is missing"))?;
        self.record = (*record).to_owned();
        if !record.get().trim_start().starts_with('{') {
            return Err(FormatError::new("record", "must be an object"));
        }
        Ok(())
    }
}

/// The hash of an item: SHA-256 of the canonical JSON (RFC 8785) of its place and its record.
/// Refused where the record has no canonical form without floats.
pub fn item_hash(
    feed_id: &str,
    kind: &str,
    oracle_id: &str,
    prev_hash: &[u8; 32],
    record: &RawValue,
    seq: i64,
) -> Result<[u8; 32], FormatError> {
    let record: Value = serde_json::from_str(record.get())
        .map_err(|e| FormatError::new("record", format!("unreadable JSON: {e}")))?;
    let item = serde_json::json!({
        "feed_id": feed_id,
        "kind": kind,
        "oracle_id": oracle_id,
        "prev_hash": hex::encode(prev_hash),
        "record": record,
        "seq": seq,
    });
    let mut text = String::with_capacity(1_024);
    write_canonical(&item, &mut text)?;
    Ok(Sha256::digest(text.as_bytes()).into())
}

/// Whether `signature` is that of `public_key` over an item's hash. Weak keys and malleable
/// signatures are refused, too.
pub fn verify(public_key: &[u8; 32], hash: &[u8; 32], signature: &[u8]) -> bool {
    let message = format!("{SIGNATURE_PREFIX}{}", hex::encode(hash));
    let key = VerifyingKey::from_bytes(public_key);
    let signature = Signature::from_slice(signature);
    match (key, signature) {
        (Ok(key), Ok(signature)) => key.verify_strict(message.as_bytes(), &signature).is_ok(),
        _ => false,
    }
}

/// The id of the oracle with this key: hex of its first 20 bytes (contract §2.6).
pub fn oracle_id_of(public_key: &[u8; 32]) -> String {
    let (id, _) = public_key.split_at(20);
    hex::encode(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    const FEED: &str = "00112233445566778899aabbccddeeff";
    const HASH: &str = "735abc0be1d47c35aaacfee7fcdd6e0a99dcc5982a0d7b9b75b3c50f8272b7db";
    const SIGNATURE: &str = "a01e72fd5759d424ccf68607dca9245d45e27c76fc5f037b66551850f817f30c\
                             d7a1a90b71e5cd347f02a7e8133d5ae6d2028a3cde1af76203386d1da2bcff0d";
    /// Members in no order: the canonical form has its own.
    const RECORD: &str = r#"{"work_kind":"nuw","task_id":"nuw_1","task_type":"zk_verify",
        "validated_at":"2026-02-23T12:00:02Z","submitted_at":"2026-02-23T12:00:00Z",
        "submission_id":"1a0e3298d5dac968fd38eb5248a2e60f65d17e5754c1b3207bf61895d9a4d924",
        "status":"validated","reward_status":"pending","revision":1,"attempt":0,
        "reward":{"lockup_until":"2026-02-23T18:00:02Z","amount":"50000000"},
        "miner_id":"0x1234567890123456789012345678901234567890:rig1",
        "account_address":"0x1234567890123456789012345678901234567890"}"#;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn the_contracts_vector() {
        let key = parse_hex32("key", KEY).expect("valid");
        let oracle = oracle_id_of(&key);
        assert_eq!(oracle, "ea4a6c63e29c520abef5507b132ec5f9954776ae");
        let hash = item_hash(FEED, "work", &oracle, &FIRST_PREV_HASH, &raw(RECORD), 1);
        let hash = hash.expect("canonical");
        assert_eq!(hex::encode(hash), HASH);
        let signature = hex::decode(SIGNATURE).expect("hex");
        assert!(verify(&key, &hash, &signature));
        let mut other = hash;
        other[0] ^= 1;
        assert!(!verify(&key, &other, &signature));
        assert!(!verify(&key, &hash, &signature[1..]));
        assert!(!verify(&[0; 32], &hash, &signature));
    }

    #[test]
    fn items_are_read_or_kept_as_malformed() {
        let item = raw(&format!(
            r#"{{"seq":1,"kind":"work","prev_hash":"{HASH}","hash":"{HASH}",
                "signature":"{SIGNATURE}","record":{RECORD},"recorded_at":"x"}}"#
        ));
        let item = FeedItem::parse(&item).expect("an item");
        assert_eq!((item.seq, item.kind.as_str(), item.malformed), (1, "work", None));
        assert_eq!(item.signature.map(|s| s.len()), Some(64));
        for odd in [
            r#"{"seq":7}"#,
            r#"{"seq":7,"kind":"work","record":[]}"#,
            r#"{"seq":7,"kind":"work","record":{},"hash":"ab"}"#,
            r#"{"seq":7,"kind":"work","record":{},"signature":7}"#,
        ] {
            let item = FeedItem::parse(&raw(odd)).expect("has a place");
            assert!(item.malformed.is_some() && item.seq == 7, "{odd}");
        }
        for bad in ["7", "{}", r#"{"seq":0}"#, r#"{"seq":1.5}"#, r#"{"seq":"1"}"#] {
            assert!(FeedItem::parse(&raw(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_not_kept() {
        let item = r#"{"seq":1,"kind":"odd","record":{"user_auth":"secret","a":1}}"#;
        let item = FeedItem::parse(&raw(item)).expect("an item");
        assert!(!item.raw.contains("secret") && item.record.get().contains("secret"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}", number in any::<f64>()) {
            for value in [serde_json::json!(text), serde_json::json!(number)] {
                let item = serde_json::json!({"seq": 1, "kind": "work", "record": {"x": value}});
                let item = FeedItem::parse(&raw(&item.to_string())).expect("an item");
                let _ = item_hash(FEED, &item.kind, "o", &FIRST_PREV_HASH, &item.record, 1);
                let bad = serde_json::json!({"seq": value, "kind": value, "record": value});
                let _ = FeedItem::parse(&raw(&bad.to_string()));
            }
        }
    }
}
