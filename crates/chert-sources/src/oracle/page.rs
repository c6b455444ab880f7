//! Proving a page of a work feed: sequence, chain of hashes, signatures (contract §4.3.4).

use std::fmt;

use silica_models::{FIRST_PREV_HASH, FeedItem, SignatureStatus, item_hash, verify};

/// Where in which feed a page has to fit.
#[derive(Debug, Clone, Copy)]
pub struct FeedPlace<'a> {
    /// The oracle.
    pub oracle_id: &'a str,
    /// The feed.
    pub feed_id: &'a str,
    /// The last item taken in; the page begins with the next.
    pub after: i64,
    /// Its hash; `None` where it is not known: at the start, after a gap, and after an item
    /// without a hash.
    pub last_hash: Option<[u8; 32]>,
}

/// What an oracle has to prove.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Pinned keys. Where there are any, every item must be signed by one of them: otherwise
    /// leaving out the signatures would be enough to be believed.
    pub public_keys: &'a [[u8; 32]],
    /// Without pinned keys, take items as they come.
    pub allow_unsigned: bool,
}

/// An item that fits and is proven as far as its oracle has to.
#[derive(Debug, Clone)]
pub struct VerifiedItem {
    /// The item; it may still be [`FeedItem::malformed`].
    pub item: FeedItem,
    /// `Verified` or `Unsigned`.
    pub signature_status: SignatureStatus,
}

/// What is wrong with the first item that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFaultKind {
    /// Not the number that comes next.
    Gap,
    /// Its `prev_hash` is not the hash of the item before.
    BrokenChain,
    /// Its hash is missing, or is not that of its contents.
    WrongHash,
    /// Signed by none of the pinned keys.
    BadSignature,
    /// Not signed, or no key to check it with, and nothing is taken on trust.
    Unsigned,
}

impl PageFaultKind {
    /// Stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::BrokenChain => "broken_chain",
            Self::WrongHash => "wrong_hash",
            Self::BadSignature => "bad_signature",
            Self::Unsigned => "unsigned",
        }
    }
}

/// Why a page ends before its end.
#[derive(Debug, Clone)]
pub struct PageFault {
    /// What is wrong.
    pub kind: PageFaultKind,
    /// Index of the item in the page.
    pub index: usize,
    /// The number that was due.
    pub expected_seq: i64,
    /// The item.
    pub item: FeedItem,
    /// The items before it, which are good.
    pub good: Vec<VerifiedItem>,
}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at item {}", self.kind.code(), self.item.seq)?;
        if self.kind == PageFaultKind::Gap {
            write!(f, " where {} was due", self.expected_seq)?;
        }
        Ok(())
    }
}

impl std::error::Error for PageFault {}

/// Checks a page against its place. Up to the first item that does not fit everything may be
/// taken in; from there on nothing.
pub fn verify_page(
    items: Vec<FeedItem>,
    place: FeedPlace<'_>,
    trust: Trust<'_>,
) -> Result<Vec<VerifiedItem>, Box<PageFault>> {
    let mut good = Vec::with_capacity(items.len());
    let mut place = place;
    for (index, mut item) in items.into_iter().enumerate() {
        let expected_seq = place.after.saturating_add(1);
        match check_item(&mut item, place, trust) {
            Ok(signature_status) => {
                place.after = item.seq;
                place.last_hash = item.hash;
                good.push(VerifiedItem { item, signature_status });
            }
            Err(kind) => return Err(Box::new(PageFault { kind, index, expected_seq, item, good })),
        }
    }
    Ok(good)
}

fn check_item(
    item: &mut FeedItem,
    place: FeedPlace<'_>,
    trust: Trust<'_>,
) -> Result<SignatureStatus, PageFaultKind> {
    let pinned = !trust.public_keys.is_empty();
    if item.seq != place.after.saturating_add(1) {
        return Err(PageFaultKind::Gap);
    }
    if !pinned && !trust.allow_unsigned {
        return Err(PageFaultKind::Unsigned);
    }
    let Some(hash) = item.hash else {
        return if pinned { Err(PageFaultKind::Unsigned) } else { Ok(SignatureStatus::Unsigned) };
    };
    check_chain(item, place)?;
    let prev_hash = item.prev_hash.unwrap_or(FIRST_PREV_HASH);
    let computed =
        item_hash(place.feed_id, &item.kind, place.oracle_id, &prev_hash, &item.record, item.seq);
    match computed {
        Ok(computed) if computed != hash => return Err(PageFaultKind::WrongHash),
        Ok(_) => {}
        Err(_) if pinned => return Err(PageFaultKind::WrongHash),
        // A record that nobody can hash: taken for what it is, one that cannot be understood.
        Err(error) => item.malformed = item.malformed.take().or(Some(error.to_string())),
    }
    if !pinned {
        return Ok(SignatureStatus::Unsigned);
    }
    let signature = item.signature.as_deref().ok_or(PageFaultKind::Unsigned)?;
    if trust.public_keys.iter().any(|key| verify(key, &hash, signature)) {
        return Ok(SignatureStatus::Verified);
    }
    Err(PageFaultKind::BadSignature)
}

/// The link to the item before, where that one's hash is known.
fn check_chain(item: &FeedItem, place: FeedPlace<'_>) -> Result<(), PageFaultKind> {
    let expected = match place.last_hash {
        Some(hash) => hash,
        None if place.after == 0 => FIRST_PREV_HASH,
        None => return Ok(()),
    };
    if item.prev_hash == Some(expected) { Ok(()) } else { Err(PageFaultKind::BrokenChain) }
}

#[cfg(test)]
mod tests;
