use proptest::prelude::*;
use serde_json::{Value, json};

use super::link::proof_bytes;
use super::*;

fn record(changes: Value) -> Value {
    let mut value = json!({
        "identity_id": "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00",
        "display_name": "quarry-42", "avatar_hash": null, "bio": "Folding since 2025",
        "stats_visibility": "public", "created_at": 1_782_800_000,
        "updated_at": 1_782_800_060, "updated_at_block": 18390, "profile_version": 2,
        "wallet_links": [{
            "wallet_address": "0xa9b36f133ee0c47100d08719689e1df65c12761a",
            "link_type": "main", "proof_signature": "0xabcdef",
            "created_at": 1_782_800_000, "verified_at": 1_782_800_060,
            "updated_at_block": 18390,
        }],
    });
    let members = changes.as_object().cloned().unwrap_or_default();
    value.as_object_mut().expect("object").extend(members);
    value
}

fn parse(changes: Value) -> Result<IdentityRecord, FormatError> {
    IdentityRecord::parse(&record(changes).to_string())
}

fn proof(text: &str) -> Result<Vec<u8>, FormatError> {
    proof_bytes(&json!(text))
}

#[test]
fn the_contracts_record() {
    let parsed = parse(json!({})).expect("valid");
    assert_eq!(parsed.display_name.as_deref(), Some("quarry-42"));
    assert_eq!((parsed.height, parsed.profile_version), (18390, 2));
    let link = parsed.links.first().expect("a link");
    assert_eq!(link.proof_signature, [0xab, 0xcd, 0xef]);
    assert_eq!((link.link_type.as_str(), link.verified_at), ("main", Some(1_782_800_060)));
    assert!(parsed.identity_id.to_string().starts_with("8f14e45f"));
}

#[test]
fn tolerances_and_what_hides() {
    let id = "0X8F14E45FCEEA167A5A36DEDD4BEA2543F1D2C3B4A5968778695A4B3C2D1E0F00";
    let parsed = parse(json!({"identity_id": id, "display_name": "  x  ", "wallet_links": null,
        "profile_version": null, "stats_visibility": "secret", "updated_at_block": "18390"}));
    let parsed = parsed.expect("valid");
    assert_eq!(parsed.display_name.as_deref(), Some("x"));
    assert_eq!((parsed.links.len(), parsed.profile_version), (0, 1));
    assert_eq!(parsed.visibility, Visibility::Private);
    let twice = json!([
        {"wallet_address": "0xAA", "link_type": "Primary", "proof_signature": "q80=",
         "created_at": 1},
        {"walletAddress": "0xaa", "linkType": "own", "proofSignature": "00", "createdAt": 2},
    ]);
    let parsed = parse(json!({"wallet_links": twice})).expect("valid");
    let link = parsed.links.first().expect("a link");
    assert_eq!((parsed.links.len(), link.link_type.as_str(), link.height), (1, "main", 18390));
}

#[test]
fn proofs_in_hex_and_base64() {
    assert_eq!(proof("ABcd"), Ok(vec![0xab, 0xcd]));
    assert_eq!(proof("q83v"), Ok(vec![0xab, 0xcd, 0xef]));
    assert_eq!(proof("-_-_"), Ok(vec![0xfb, 0xff, 0xbf]));
    assert_eq!(proof("q80="), proof("q80"));
    assert_eq!(proof(&"ab".repeat(4627)).map(|b| b.len()), Ok(4627));
    for bad in ["", "0x", "%%", &"ab".repeat(8193)] {
        assert!(proof(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_breaks_a_rule_is_refused() {
    for bad in [
        json!({"identity_id": "8f14"}),
        json!({"display_name": "a\u{0}b"}),
        json!({"display_name": "x".repeat(65)}),
        json!({"bio": "x".repeat(281)}),
        json!({"wallet_links": [{}]}),
        json!({"wallet_links": vec![json!({}); 33]}),
        json!({"updated_at_block": null}),
        json!({"created_at": -1}),
        json!({"updated_at": u64::MAX}),
        json!({"profile_version": 1_u64 << 32}),
    ] {
        assert!(parse(bad.clone()).is_err(), "{bad}");
    }
    assert!(IdentityRecord::parse("[]").is_err());
}

proptest! {
    #[test]
    fn never_panics(key in "[a-z_]{1,20}", text in "\\PC{0,80}", number in any::<i64>()) {
        let _ = IdentityRecord::parse(&text);
        for key in [key.as_str(), "identity_id", "wallet_links", "created_at", "bio"] {
            let _ = parse(json!({key: text.clone()}));
            let _ = parse(json!({key: number}));
            let _ = parse(json!({"wallet_links": [{key: text.clone()}]}));
        }
    }
}
