use ed25519_dalek::{Signer, SigningKey};
use serde_json::value::RawValue;
use silica_models::oracle_id_of;

use super::*;

const FEED: &str = "00112233445566778899aabbccddeeff";

/// A feed of `count` items, signed by the key of the contract's vectors.
fn feed(count: i64) -> (SigningKey, String, Vec<FeedItem>) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let oracle_id = oracle_id_of(key.verifying_key().as_bytes());
    let mut prev = FIRST_PREV_HASH;
    let items = (1..=count)
        .map(|seq| {
            let record = RawValue::from_string(format!(r#"{{"n":{seq}}}"#)).expect("JSON");
            let hash = item_hash(FEED, "work", &oracle_id, &prev, &record, seq).expect("hash");
            let message = format!("chert.work-feed.v1:{}", hex_of(&hash));
            let item = FeedItem {
                seq,
                kind: "work".to_owned(),
                prev_hash: Some(prev),
                hash: Some(hash),
                signature: Some(key.sign(message.as_bytes()).to_vec()),
                record,
                raw: String::new(),
                malformed: None,
            };
            prev = hash;
            item
        })
        .collect();
    (key, oracle_id, items)
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Checks the items after `after` with the key pinned; the fault's kind and index.
fn outcome(
    items: &[FeedItem],
    after: i64,
    last_hash: Option<[u8; 32]>,
    pinned: bool,
) -> Result<Vec<SignatureStatus>, (PageFaultKind, usize)> {
    let (key, oracle_id, _) = feed(0);
    let keys = [*key.verifying_key().as_bytes()];
    let keys = if pinned { &keys[..] } else { &[] };
    let place = FeedPlace { oracle_id: &oracle_id, feed_id: FEED, after, last_hash };
    let trust = Trust { public_keys: keys, allow_unsigned: !pinned };
    verify_page(items.to_vec(), place, trust)
        .map(|good| good.into_iter().map(|v| v.signature_status).collect())
        .map_err(|fault| {
            assert_eq!(fault.good.len(), fault.index);
            (fault.kind, fault.index)
        })
}

#[test]
fn a_signed_feed_is_verified_from_any_place() {
    let (_, _, items) = feed(4);
    assert_eq!(outcome(&items, 0, None, true), Ok(vec![SignatureStatus::Verified; 4]));
    assert_eq!(outcome(&items[2..], 2, items[1].hash, true).map(|v| v.len()), Ok(2));
    // After a gap the link to what is missing cannot be checked.
    assert_eq!(outcome(&items[2..], 2, None, true).map(|v| v.len()), Ok(2));
    assert_eq!(outcome(&[], 2, None, true), Ok(vec![]));
}

#[test]
fn the_first_bad_item_is_named_and_what_is_before_is_good() {
    let (_, _, items) = feed(4);
    let check = |change: &dyn Fn(&mut Vec<FeedItem>)| {
        let mut items = items.clone();
        change(&mut items);
        outcome(&items, 0, None, true).expect_err("a fault")
    };
    assert_eq!(check(&|i| drop(i.remove(2))), (PageFaultKind::Gap, 2));
    assert_eq!(check(&|i| i.swap(1, 2)), (PageFaultKind::Gap, 1));
    assert_eq!(check(&|i| i[1].prev_hash = Some([9; 32])), (PageFaultKind::BrokenChain, 1));
    assert_eq!(check(&|i| i[0].prev_hash = Some([9; 32])), (PageFaultKind::BrokenChain, 0));
    assert_eq!(check(&|i| i[1].record = i[0].record.clone()), (PageFaultKind::WrongHash, 1));
    assert_eq!(check(&|i| i[1].kind = "slash".into()), (PageFaultKind::WrongHash, 1));
    let other = items[0].signature.clone();
    assert_eq!(check(&|i| i[3].signature = other.clone()), (PageFaultKind::BadSignature, 3));
    assert_eq!(check(&|i| i[3].signature = None), (PageFaultKind::Unsigned, 3));
    assert_eq!(check(&|i| i[3].hash = None), (PageFaultKind::Unsigned, 3));
}

#[test]
fn a_feed_of_another_place_does_not_fit() {
    let (_, _, items) = feed(2);
    assert_eq!(outcome(&items, 1, None, true), Err((PageFaultKind::Gap, 0)));
    let wrong = Some([1; 32]);
    assert_eq!(outcome(&items[1..], 1, wrong, true), Err((PageFaultKind::BrokenChain, 0)));
}

#[test]
fn without_a_key_the_chain_still_counts_and_signatures_do_not() {
    let (_, _, mut items) = feed(3);
    assert_eq!(outcome(&items, 0, None, false), Ok(vec![SignatureStatus::Unsigned; 3]));
    items[2].prev_hash = Some([9; 32]);
    assert_eq!(outcome(&items, 0, None, false), Err((PageFaultKind::BrokenChain, 2)));
    for item in &mut items {
        (item.hash, item.prev_hash, item.signature) = (None, None, None);
    }
    assert_eq!(outcome(&items, 0, None, false), Ok(vec![SignatureStatus::Unsigned; 3]));
    items[1].seq = 3;
    assert_eq!(outcome(&items, 0, None, false), Err((PageFaultKind::Gap, 1)));
}

#[test]
fn nothing_is_taken_on_trust_unless_told() {
    let (_, oracle_id, items) = feed(1);
    let place = FeedPlace { oracle_id: &oracle_id, feed_id: FEED, after: 0, last_hash: None };
    let trust = Trust { public_keys: &[], allow_unsigned: false };
    let fault = verify_page(items, place, trust).expect_err("no trust");
    assert_eq!(
        (fault.kind, fault.to_string()),
        (PageFaultKind::Unsigned, "unsigned at item 1".into())
    );
}

#[test]
fn an_unsigned_record_that_cannot_be_hashed_is_malformed_and_not_in_the_way() {
    let (_, oracle_id, mut items) = feed(2);
    items[0].record = RawValue::from_string(r#"{"n":1.5}"#.to_owned()).expect("JSON");
    assert_eq!(outcome(&items, 0, None, true), Err((PageFaultKind::WrongHash, 0)));
    let place = FeedPlace { oracle_id: &oracle_id, feed_id: FEED, after: 0, last_hash: None };
    let trust = Trust { public_keys: &[], allow_unsigned: true };
    let good = verify_page(items, place, trust).expect("good");
    assert!(good[0].item.malformed.is_some() && good[1].item.malformed.is_none());
}
