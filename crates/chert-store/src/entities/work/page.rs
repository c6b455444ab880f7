//! A page of an oracle's feed as it is handed to the store, and what becomes of it.

use silica_models::{FeedItem, ReportRecord, SignatureStatus, SlashRecord, WorkRecord};

/// Consecutive items of a feed, verified, with what was understood of them.
#[derive(Debug, Clone)]
pub struct WorkPage {
    /// Whose feed.
    pub oracle_id: String,
    /// Which feed.
    pub feed_id: String,
    /// Its number, from [`crate::Store::open_feed`].
    pub feed_epoch: i32,
    /// The items follow this one; compared with the stored cursor.
    pub after: i64,
    /// In order, without holes. None: only what the oracle says of its feed is stored.
    pub items: Vec<WorkItem>,
    /// Newest item the oracle has.
    pub head_seq: i64,
    /// Oldest item the oracle has.
    pub oldest_seq: i64,
    /// Wall clock, Unix seconds.
    pub now_s: i64,
}

/// One item of a page.
#[derive(Debug, Clone)]
pub struct WorkItem {
    /// Its place in the feed.
    pub seq: i64,
    /// As the oracle names it.
    pub kind: String,
    /// As the oracle states it, and as it was checked.
    pub hash: Option<[u8; 32]>,
    /// How far it is proven.
    pub signature: SignatureStatus,
    /// The item's text, for keeping.
    pub body: Vec<u8>,
    /// What it says.
    pub parsed: Parsed,
}

/// What an item says.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// The state of a submission.
    Work(Box<WorkRecord>),
    /// A penalty.
    Slash(SlashRecord),
    /// The oracle's figures of itself.
    Report(ReportRecord),
    /// A kind that this version does not know: kept, and nothing else.
    Unknown,
    /// It breaks a rule of the contract, for this reason: kept apart, and the feed goes on.
    Malformed(String),
}

impl Parsed {
    /// Reads an item of the oracle `oracle_id`. Pure.
    pub fn of(item: &FeedItem, oracle_id: &str) -> Self {
        if let Some(reason) = &item.malformed {
            return Self::Malformed(reason.clone());
        }
        let record = item.record.get();
        let parsed = match item.kind.as_str() {
            "work" => WorkRecord::parse(record, oracle_id).map(|r| Self::Work(Box::new(r))),
            "slash" => SlashRecord::parse(record).map(Self::Slash),
            "performance" => ReportRecord::parse(record).map(Self::Report),
            _ => return Self::Unknown,
        };
        parsed.unwrap_or_else(|error| Self::Malformed(error.to_string()))
    }
}

impl WorkItem {
    /// Reads an item whose proof has been checked. Pure.
    pub fn of(item: FeedItem, signature: SignatureStatus, oracle_id: &str) -> Self {
        let parsed = Parsed::of(&item, oracle_id);
        let FeedItem { seq, kind, hash, raw, .. } = item;
        Self { seq, kind, hash, signature, body: raw.into_bytes(), parsed }
    }
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageOutcome {
    /// It is stored and the cursor has moved to its end.
    Stored(PageCounts),
    /// The feed's cursor is not where the page begins, or the feed was replaced: nothing was
    /// stored; open the feed again.
    CursorMoved,
    /// An item is stored already with other contents: the oracle has rewritten its feed. Nothing of
    /// the page was stored.
    Diverged {
        /// The first such item.
        seq: i64,
    },
}

/// What was in a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// All items.
    pub items: usize,
    /// Revisions that became the state of their submission.
    pub applied: usize,
    /// Revisions that were known.
    pub repeated: usize,
    /// Revisions older than the one that is known: kept for the timeline only.
    pub stale: usize,
    /// Revisions that break the life cycle, or differ from the same revision seen before.
    pub anomalies: usize,
    /// Penalties.
    pub slashes: usize,
    /// The oracle's reports of itself.
    pub reports: usize,
    /// Items of kinds not known.
    pub unknown: usize,
    /// Items kept apart because they break a rule.
    pub malformed: usize,
    /// Submissions whose claim lost or won against another oracle's.
    pub claims_turned: usize,
}
