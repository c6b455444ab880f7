//! Bytes that are hashed: canonical JSON (RFC 8785) of a feed item, and the preimages of ids
//! (oracle contract §3.3, §4.3.4).

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// `prev_hash` of the first item of a feed.
pub(crate) const FIRST_PREV_HASH: [u8; 32] = [0; 32];
/// Stands before the hash in what is signed.
pub(crate) const SIGNATURE_DOMAIN: &str = "chert.work-feed.v1:";

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    crate::json::hex(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

/// The order in which the members of objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// That of RFC 8785: by UTF-16 code units.
    Canonical,
    /// The opposite, so that nobody gets away with hashing what was sent.
    Reversed,
}

/// RFC 8785. Numbers must be whole: nothing in a feed has a fraction.
pub(crate) fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, Order::Canonical);
    out
}

/// The same value as it goes over the wire.
pub(crate) fn write_served(out: &mut String, value: &Value) {
    write(out, value, Order::Reversed);
}

fn write(out: &mut String, value: &Value, order: Order) {
    match value {
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, value, order);
            }
            out.push(']');
        }
        Value::Object(fields) => write_object(out, fields, order),
        // The escapes of serde_json are those of RFC 8785: short forms where JSON has one,
        // lower-case \u00xx for other control characters, nothing else.
        plain => out.push_str(&plain.to_string()),
    }
}

fn write_object(out: &mut String, fields: &Map<String, Value>, order: Order) {
    let mut members: Vec<(&String, &Value)> = fields.iter().collect();
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    if order == Order::Reversed {
        members.reverse();
    }
    out.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        write(out, value, order);
    }
    out.push('}');
}

/// What an item is hashed from, besides its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemHead<'a> {
    pub(crate) feed_id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) oracle_id: &'a str,
    pub(crate) prev_hash: [u8; 32],
    pub(crate) seq: u64,
}

impl ItemHead<'_> {
    pub(crate) fn hash(&self, record: &Value) -> [u8; 32] {
        let text = canonical(&serde_json::json!({
            "feed_id": self.feed_id,
            "kind": self.kind,
            "oracle_id": self.oracle_id,
            "prev_hash": hex(&self.prev_hash),
            "record": record,
            "seq": self.seq,
        }));
        Sha256::digest(text.as_bytes()).into()
    }
}

/// §3.3: length-prefixed, so that no two submissions share a preimage.
pub(crate) fn submission_id(
    oracle_id: &str,
    work_kind: &str,
    task_id: &str,
    miner_id: &str,
    attempt: u32,
) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(b"chert.work.v1");
    for part in [oracle_id, work_kind, task_id, miner_id] {
        // Every part is bounded by the contract to 256 bytes.
        digest.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest.update(attempt.to_le_bytes());
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::json;

    use super::*;

    const A: &str = "0x1234567890123456789012345678901234567890";
    const ORACLE: &str = "ea4a6c63e29c520abef5507b132ec5f9954776ae";
    const FEED: &str = "00112233445566778899aabbccddeeff";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn signed(message: &[u8]) -> String {
        hex(&key().sign(message).to_bytes())
    }

    fn digest(parts: &[&[u8]]) -> String {
        hex(&Sha256::digest(parts.concat()))
    }

    #[test]
    fn the_key_is_that_of_the_vectors() {
        let public = hex(key().verifying_key().as_bytes());
        assert_eq!(public, "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c");
        assert_eq!(public[..40], *ORACLE);
    }

    /// V1 to V6 of §3.2: our arithmetic of hashes, floats and signatures is that of the oracle.
    #[test]
    fn upstream_vectors_hold() {
        let receipt = signed(b"task_1miner_1MilkyWay@Home3600150.5");
        assert_eq!(
            receipt,
            "54ccc5b1f1686d321b29b6344fac05fb49a830e74bdfaf21a0943eeca0af00b8e157d01497463c4b5b548ec1683479702c21fa69d55620b0ecc82986a46c660b"
        );
        let (cpu, credit) = (3600_f64.to_le_bytes(), 150.5_f64.to_le_bytes());
        assert_eq!(
            digest(&[b"task_1user_1MilkyWay@Home", A.as_bytes(), &cpu, &credit]),
            "dee28d01f269349f9590e5b4dbfca18b900073068db942686106e64ef06a1472"
        );
        let challenge = digest(&[
            b"https://p.example/apitask_1aabbhttps://p.example/cgi",
            &2_u32.to_le_bytes(),
            &1_771_862_400_u64.to_le_bytes(),
            ORACLE.as_bytes(),
        ]);
        assert_eq!(challenge, "be885dea7d438c051704147e07912651ecb8ecffbf674c7fc1f0cc58686edbf8");
        assert_eq!(
            signed(challenge.as_bytes()),
            "33e8b7ae8afddb401fbd988a7091356816283367ca4cd7146a6102b0c2b3a8b241acc9baf141ef9505a70d0503d4328aafed419ac43ec5eeb53375d29b080000"
        );
        let result = digest(&[
            challenge.as_bytes(),
            A.as_bytes(),
            b"ccdd",
            &1_771_862_000_u64.to_le_bytes(),
        ]);
        assert_eq!(result, "a3acf62dbfd2bb80c780b50c7adf146e3417ec9f0f8beb56c1edc62e6374e417");
        let one = 1_u64.to_le_bytes();
        let proof = digest(&[
            b"nuw_1sig_batch2026-02-23T12:00:00+00:00m1",
            A.as_bytes(),
            &10_000_u16.to_le_bytes(),
            &one,
            &one,
        ]);
        assert_eq!(proof, "e994d57a7d457758c7df36fccc4ac3820b8b2a31a267a45f8d1010a341665d37");
        assert_eq!(
            digest(&[b"wu_123result_456", &cpu, &0_i32.to_le_bytes()]),
            "352926a65a770d63d8b5233d572b3d4171402e241de034cf67a856deb12fce60"
        );
    }

    #[test]
    fn a_submission_id_is_that_of_the_contract() {
        assert_eq!(
            hex(&submission_id(ORACLE, "nuw", "nuw_1", &format!("{A}:rig1"), 0)),
            "1a0e3298d5dac968fd38eb5248a2e60f65d17e5754c1b3207bf61895d9a4d924"
        );
    }

    #[test]
    fn an_item_is_hashed_and_signed_as_in_the_contract() {
        let record = json!({
            "work_kind": "nuw", "task_type": "zk_verify", "task_id": "nuw_1", "attempt": 0,
            "miner_id": format!("{A}:rig1"), "account_address": A, "revision": 1,
            "submission_id": "1a0e3298d5dac968fd38eb5248a2e60f65d17e5754c1b3207bf61895d9a4d924",
            "status": "validated", "reward_status": "pending",
            "reward": { "lockup_until": "2026-02-23T18:00:02Z", "amount": "50000000" },
            "submitted_at": "2026-02-23T12:00:00Z", "validated_at": "2026-02-23T12:00:02Z",
        });
        let head = ItemHead {
            feed_id: FEED,
            kind: "work",
            oracle_id: ORACLE,
            prev_hash: FIRST_PREV_HASH,
            seq: 1,
        };
        let hash = hex(&head.hash(&record));
        assert_eq!(hash, "735abc0be1d47c35aaacfee7fcdd6e0a99dcc5982a0d7b9b75b3c50f8272b7db");
        assert_eq!(
            signed(format!("{SIGNATURE_DOMAIN}{hash}").as_bytes()),
            "a01e72fd5759d424ccf68607dca9245d45e27c76fc5f037b66551850f817f30cd7a1a90b71e5cd347f02a7e8133d5ae6d2028a3cde1af76203386d1da2bcff0d"
        );
    }

    #[test]
    fn members_are_ordered_by_utf16() {
        // U+1F980 is written with surrogates, which come before U+FB33.
        let value = json!({ "\u{fb33}": 1, "🦀": "\u{1}\n\"é", "a": [true, null] });
        assert_eq!(
            canonical(&value),
            "{\"a\":[true,null],\"🦀\":\"\\u0001\\n\\\"é\",\"\u{fb33}\":1}"
        );
        let mut served = String::new();
        write_served(&mut served, &value);
        assert!(served.starts_with("{\"\u{fb33}\""));
        assert_eq!(serde_json::from_str::<Value>(&served).unwrap(), value);
    }
}
