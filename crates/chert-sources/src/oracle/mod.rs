//! Oracles: their work feed, how it is proven, and the small probe of those without one.

mod answers;
mod client;
mod page;
mod probe;

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;
use silica_models::FeedItem;

use crate::{Fault, SourceError};

pub use client::OracleClient;
pub use page::{FeedPlace, PageFault, PageFaultKind, Trust, VerifiedItem, verify_page};

/// Most items asked for in one request (contract §4.3.2).
pub const FEED_PAGE_MAX: u32 = 1_000;
/// Longest wait that may be asked of an oracle, in milliseconds.
pub const FEED_WAIT_MS_MAX: u32 = 30_000;

/// How to talk to an oracle, and what it has to prove.
#[derive(Clone)]
pub struct OracleOptions {
    /// Where it is; `/oracle/v1` is appended.
    pub url: url::Url,
    /// Sent as `X-Api-Key`; never logged.
    pub api_key: Option<String>,
    /// The id it must state, where one is configured.
    pub oracle_id: Option<String>,
    /// Keys of which one must have signed every item. Empty: nothing is pinned.
    pub public_keys: Vec<[u8; 32]>,
    /// Without a pinned key, take items on trust.
    pub allow_unsigned: bool,
}

impl fmt::Debug for OracleOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OracleOptions")
            .field("url", &crate::http::name_of(&self.url))
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("oracle_id", &self.oracle_id)
            .field("public_keys", &self.public_keys.len())
            .field("allow_unsigned", &self.allow_unsigned)
            .finish()
    }
}

/// What an oracle says of itself and of its feed (contract §4.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedInfo {
    /// 40 hex digits.
    pub oracle_id: String,
    /// Its key; its id follows from it.
    pub public_key: Option<[u8; 32]>,
    /// The network it works for.
    pub network_id: Option<String>,
    /// Its version.
    pub software_version: Option<String>,
    /// Names the log; a new one means that the log was lost or rewritten.
    pub feed_id: String,
    /// First item it still has.
    pub oldest_seq: i64,
    /// Its newest item; 0 for an empty log.
    pub head_seq: i64,
    /// Most items it puts on a page.
    pub max_limit: u32,
}

/// Answer to `GET /oracle/v1/info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InfoAnswer {
    /// It has a feed.
    Feed(FeedInfo),
    /// It has none (404): only the probe is left.
    NoFeed,
    /// 401 or 403: the API key is missing or wrong.
    Refused {
        /// The status.
        status: u16,
    },
}

/// Answer to `GET /oracle/v1/work`.
#[derive(Debug, Clone)]
pub enum WorkAnswer {
    /// Items after the cursor, none where nothing is new. Not verified yet: see [`verify_page`].
    Page {
        /// First item it still has.
        oldest_seq: i64,
        /// Its newest item.
        head_seq: i64,
        /// In the oracle's order.
        items: Vec<FeedItem>,
        /// The cursor after this page, as the oracle states it.
        next: i64,
        /// More can be had at once.
        has_more: bool,
        /// The feed.
        feed_id: String,
        /// The oracle.
        oracle_id: String,
    },
    /// The feed is another than the one asked for.
    FeedChanged {
        /// The new one.
        feed_id: String,
        /// First item it has.
        oldest_seq: i64,
        /// Its newest item.
        head_seq: i64,
    },
    /// What follows the cursor is gone.
    CursorExpired {
        /// First item it still has.
        oldest_seq: i64,
    },
    /// There is no feed (404).
    NoFeed,
    /// 401 or 403.
    Refused {
        /// The status.
        status: u16,
    },
    /// 400: the oracle does not understand us.
    BadRequest,
}

/// What the small probe found (contract §4.1).
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReading {
    /// `GET /health` was answered with success.
    pub reachable: bool,
    /// The status of that answer, where there was one.
    pub http_status: Option<u16>,
    /// How long it took, in milliseconds.
    pub rtt_ms: i64,
    /// Why it was not reachable.
    pub fault: Option<Fault>,
    /// Numbers that only grow while the oracle runs, by name: a smaller one means a restart.
    pub counters: Value,
    /// Numbers that go up and down, by name.
    pub gauges: Value,
}

/// What the indexer needs of an oracle.
#[async_trait]
pub trait OracleSource: Send + Sync {
    /// URL without credentials.
    fn name(&self) -> String;

    /// What it says of itself.
    async fn info(&self) -> Result<InfoAnswer, SourceError>;

    /// Items after `after`, at most `limit`; waits up to `wait_ms` for new ones. With a `feed_id`
    /// the answer is about that feed or says that it changed.
    async fn work(
        &self,
        after: i64,
        limit: u32,
        wait_ms: u32,
        feed_id: Option<&str>,
    ) -> Result<WorkAnswer, SourceError>;

    /// Whether it answers, and its counters.
    async fn probe(&self) -> ProbeReading;
}
