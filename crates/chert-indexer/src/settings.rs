//! What an operator or a test may set, with the limits of each.

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
    /// Reading the identity registry and governance of the node.
    pub feeds: FeedSettings,
    /// Reading oracles.
    pub oracles: OracleSettings,
    /// Pause between two looks whether leaderboards are out of date.
    pub leaderboard_interval: Duration,
    /// Pause between two computations of the oracles' performance.
    pub performance_interval: Duration,
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
            feeds: FeedSettings::default(),
            oracles: OracleSettings::default(),
            leaderboard_interval: Duration::from_secs(1),
            performance_interval: Duration::from_secs(30),
            now_ms: wall_clock_ms,
        }
    }
}

/// How the node is read beside its blocks. Tests set these to milliseconds.
#[derive(Debug, Clone)]
pub struct FeedSettings {
    /// Shortest pause between two rounds of a feed; a round follows when the index has moved.
    pub round_min: Duration,
    /// A feed looks at the node at least this often.
    pub round_max: Duration,
    /// Pause after a round that failed, doubled up to `round_max`.
    pub retry: Duration,
    /// Records asked for in one page of the registry, 1 to 1024.
    pub registry_limit: u32,
    /// The last `finality_depth` blocks of the registry are read again this often.
    pub registry_recheck: Duration,
    /// Validators are read this often.
    pub validators: Duration,
    /// A node without a feed's methods is asked for them again after this time.
    pub absent_retry: Duration,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            round_min: Duration::from_secs(1),
            round_max: Duration::from_secs(10),
            retry: Duration::from_millis(500),
            registry_limit: 128,
            registry_recheck: Duration::from_secs(600),
            validators: Duration::from_secs(60),
            absent_retry: Duration::from_secs(60),
        }
    }
}

/// How oracles are read (contract oracle-feed §4.1 and §4.3). Tests set these to milliseconds.
#[derive(Debug, Clone)]
pub struct OracleSettings {
    /// How long an oracle is asked to hold a request while it has nothing new, at most 30 s.
    pub long_poll: Duration,
    /// Shortest pause between two requests of a feed that has nothing new: an oracle that does
    /// not hold requests is asked this often.
    pub poll_min: Duration,
    /// Items asked for in one page, 1 to 1000.
    pub page_limit: u32,
    /// Pause between two probes of an oracle; each is up to a quarter longer or shorter.
    pub probe: Duration,
    /// Pause after a failed request, doubled up to `backoff_max`.
    pub backoff: Duration,
    /// Longest pause between requests to an oracle that does not answer.
    pub backoff_max: Duration,
    /// An oracle that refuses us, or that we refuse, is asked again after this time.
    pub refused_retry: Duration,
    /// An oracle without a feed, or that rejects our requests as wrong, is asked again after this
    /// time.
    pub absent_retry: Duration,
    /// Another process reads this oracle: when to ask again whether it still does.
    pub standby: Duration,
}

impl Default for OracleSettings {
    fn default() -> Self {
        Self {
            long_poll: Duration::from_secs(20),
            poll_min: Duration::from_secs(5),
            page_limit: 500,
            probe: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            refused_retry: Duration::from_secs(300),
            absent_retry: Duration::from_secs(3_600),
            standby: Duration::from_secs(10),
        }
    }
}

/// The system's clock, Unix milliseconds.
pub fn wall_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
