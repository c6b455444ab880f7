//! Reading the answers of a work feed (contract §4.3.1, §4.3.2).

use serde::Deserialize;
use serde_json::value::RawValue;
use silica_models::FeedItem;

use super::{FEED_PAGE_MAX, FeedInfo, WorkAnswer};
use crate::{Fault, SourceError};

/// Longest id, version or name in an answer, in characters.
const TEXT_CHARS_MAX: usize = 128;

pub(super) fn parse_info(bytes: &[u8]) -> Result<FeedInfo, SourceError> {
    #[derive(Deserialize)]
    struct Info {
        oracle_id: String,
        #[serde(default)]
        public_key: Option<String>,
        #[serde(default)]
        network_id: Option<String>,
        #[serde(default)]
        software_version: Option<String>,
        feed_id: String,
        oldest_seq: i64,
        head_seq: i64,
        #[serde(default)]
        max_limit: Option<u32>,
    }
    let info: Info = serde_json::from_slice(bytes).map_err(malformed)?;
    check_bounds(info.oldest_seq, info.head_seq)?;
    let optional = |text: Option<String>| text.and_then(|t| name(t).ok());
    Ok(FeedInfo {
        oracle_id: name(info.oracle_id)?.to_lowercase(),
        public_key: info.public_key.map(|key| key_of(&key)).transpose()?,
        network_id: optional(info.network_id),
        software_version: optional(info.software_version),
        feed_id: name(info.feed_id)?,
        oldest_seq: info.oldest_seq,
        head_seq: info.head_seq,
        max_limit: info.max_limit.unwrap_or(FEED_PAGE_MAX).clamp(1, FEED_PAGE_MAX),
    })
}

pub(super) fn parse_page(
    bytes: &[u8],
    limit: u32,
    feed_id_asked: Option<&str>,
) -> Result<WorkAnswer, SourceError> {
    #[derive(Deserialize)]
    struct Page<'a> {
        oracle_id: String,
        feed_id: String,
        oldest_seq: i64,
        head_seq: i64,
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
        next: i64,
        has_more: bool,
    }
    let page: Page<'_> = serde_json::from_slice(bytes).map_err(malformed)?;
    check_bounds(page.oldest_seq, page.head_seq)?;
    let feed_id = name(page.feed_id)?;
    // An oracle that does not know the parameter answers from its new feed.
    if feed_id_asked.is_some_and(|asked| asked != feed_id) {
        let (oldest_seq, head_seq) = (page.oldest_seq, page.head_seq);
        return Ok(WorkAnswer::FeedChanged { feed_id, oldest_seq, head_seq });
    }
    if u32::try_from(page.items.len()).map_or(true, |count| count > limit) {
        let text = format!("{} items where {limit} were asked for", page.items.len());
        return Err(SourceError::new(Fault::Malformed, text));
    }
    let items = page.items.into_iter().map(FeedItem::parse);
    Ok(WorkAnswer::Page {
        oldest_seq: page.oldest_seq,
        head_seq: page.head_seq,
        items: items.collect::<Result<_, _>>().map_err(malformed)?,
        next: page.next,
        has_more: page.has_more,
        feed_id,
        oracle_id: name(page.oracle_id)?.to_lowercase(),
    })
}

pub(super) fn parse_changed(bytes: &[u8]) -> Result<WorkAnswer, SourceError> {
    #[derive(Deserialize)]
    struct Changed {
        feed_id: String,
        oldest_seq: i64,
        head_seq: i64,
    }
    let changed: Changed = serde_json::from_slice(bytes).map_err(malformed)?;
    check_bounds(changed.oldest_seq, changed.head_seq)?;
    Ok(WorkAnswer::FeedChanged {
        feed_id: name(changed.feed_id)?,
        oldest_seq: changed.oldest_seq,
        head_seq: changed.head_seq,
    })
}

pub(super) fn parse_expired(bytes: &[u8]) -> Result<WorkAnswer, SourceError> {
    #[derive(Deserialize)]
    struct Expired {
        oldest_seq: i64,
    }
    let expired: Expired = serde_json::from_slice(bytes).map_err(malformed)?;
    check_bounds(expired.oldest_seq, i64::MAX)?;
    Ok(WorkAnswer::CursorExpired { oldest_seq: expired.oldest_seq })
}

/// An empty log has `oldest_seq` 1 (or 0) and `head_seq` 0; otherwise the oldest is not above the
/// newest by more than the one that would come next.
fn check_bounds(oldest_seq: i64, head_seq: i64) -> Result<(), SourceError> {
    if oldest_seq < 0 || head_seq < 0 || oldest_seq.saturating_sub(1) > head_seq {
        let text = format!("a feed from {oldest_seq} to {head_seq}");
        return Err(SourceError::new(Fault::Malformed, text));
    }
    Ok(())
}

fn name(text: String) -> Result<String, SourceError> {
    let fits = !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX;
    if !fits || text.chars().any(char::is_control) {
        return Err(SourceError::new(Fault::Malformed, "an id must have 1 to 128 characters"));
    }
    Ok(text)
}

fn key_of(text: &str) -> Result<[u8; 32], SourceError> {
    let bad = || SourceError::new(Fault::Malformed, "a public key must be 64 hex digits");
    let mut key = [0_u8; 32];
    if text.len() != key.len() * 2 || !text.is_ascii() {
        return Err(bad());
    }
    for (index, byte) in key.iter_mut().enumerate() {
        let digits = text.get(index * 2..index * 2 + 2).ok_or_else(bad)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        *byte = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
    }
    Ok(key)
}

fn malformed(error: impl std::fmt::Display) -> SourceError {
    SourceError::new(Fault::Malformed, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";

    #[test]
    fn info_of_the_contract() {
        let text = format!(
            r#"{{"oracle_id":"EA4A","public_key":"{KEY}","algorithm":"Ed25519","feed_id":"00",
                "oldest_seq":1,"head_seq":8123,"max_limit":100000,"network_id":"chert-testnet"}}"#
        );
        let info = parse_info(text.as_bytes()).expect("info");
        assert_eq!((info.oracle_id.as_str(), info.max_limit), ("ea4a", 1_000));
        assert_eq!(info.public_key.map(|k| k[0]), Some(0xea));
        for bad in [
            r#"{"oracle_id":"a","feed_id":"0","oldest_seq":9,"head_seq":1}"#,
            r#"{"oracle_id":"a","feed_id":"","oldest_seq":1,"head_seq":1}"#,
            r#"{"oracle_id":"a","feed_id":"0","oldest_seq":1,"head_seq":1,"public_key":"+a"}"#,
            "[]",
        ] {
            assert!(parse_info(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn pages_are_bounded_and_keep_malformed_items() {
        let page = |items: &str| {
            format!(
                r#"{{"oracle_id":"a","feed_id":"f","oldest_seq":1,"head_seq":9,"next":2,
                    "has_more":true,"items":{items},"unknown":1}}"#
            )
        };
        let two = page(r#"[{"seq":1,"kind":"work","record":{}},{"seq":2}]"#);
        let answer = parse_page(two.as_bytes(), 2, Some("f")).expect("a page");
        let WorkAnswer::Page { items, has_more: true, .. } = answer else { panic!("{answer:?}") };
        let malformed: Vec<_> = items.iter().map(|i| i.malformed.is_some()).collect();
        assert_eq!(malformed, [false, true]);
        assert!(parse_page(two.as_bytes(), 1, None).is_err());
        assert!(parse_page(page("[{}]").as_bytes(), 5, None).is_err());
        let other = parse_page(two.as_bytes(), 2, Some("g")).expect("an answer");
        assert!(matches!(other, WorkAnswer::FeedChanged { feed_id, .. } if feed_id == "f"));
    }
}
