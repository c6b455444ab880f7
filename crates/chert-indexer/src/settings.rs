//! What an operator may set, with the limits of each.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most blocks in one commit.
pub const BATCH_BLOCKS_MAX: u64 = 1_000;
/// Transactions a batch aims at: batches of full blocks have fewer blocks.
pub const BATCH_TRANSACTIONS: u64 = 5_000;
/// Pages fetched ahead at most.
pub const PAGES_AT_ONCE_MAX: usize = 6;
/// Blocks of a commit during the bulk backfill, where a commit's fixed cost is what matters.
pub const BULK_BATCH_BLOCKS: u64 = 500;
/// Deepest reorganisation that is followed even with `allow_deep_reorg`.
pub const REORG_DEPTH_MAX: u64 = 10_000;

/// Settings of the indexer (`[chain]` and `[indexer]` of `config/api.toml`).
#[derive(Debug, Clone)]
pub struct IndexerSettings {
    /// First block to index into an empty store.
    pub sync_from_block: u64,
    /// Most blocks per commit.
    pub batch_blocks: u64,
    /// Pause between polls of the node when nothing is behind.
    pub sync_interval: Duration,
    /// Depth at which a block is final.
    pub finality_depth: u64,
    /// Follow a proven reorganisation below the finalized height.
    pub allow_deep_reorg: bool,
    /// An empty store this many blocks behind is filled in bulk; `None` never.
    pub bulk_threshold_blocks: Option<u64>,
    /// How long a proven branch that is shorter than the indexed one must persist, with no node
    /// vouching for the indexed one, before it is believed.
    pub shorter_branch_patience: Duration,
    /// How long events are kept.
    pub event_retention: Duration,
    /// Unix milliseconds now.
    pub now_ms: fn() -> i64,
}

impl Default for IndexerSettings {
    fn default() -> Self {
        Self {
            sync_from_block: 0,
            batch_blocks: 100,
            sync_interval: Duration::from_millis(1_000),
            finality_depth: 12,
            allow_deep_reorg: false,
            bulk_threshold_blocks: Some(50_000),
            shorter_branch_patience: Duration::from_secs(30),
            event_retention: Duration::from_secs(7 * 24 * 3_600),
            now_ms: wall_clock_ms,
        }
    }
}

/// The system's clock, Unix milliseconds.
pub fn wall_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
