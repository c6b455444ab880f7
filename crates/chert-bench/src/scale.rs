//! How much is measured, and for how long. Everything is bounded by these numbers.

use std::time::Duration;

/// Transactions in every block of the generated chains.
pub(crate) const TXS_PER_BLOCK: u64 = 10;
/// Blocks of a live batch: `indexer.batch_size`.
pub(crate) const LIVE_BATCH_BLOCKS: u64 = 100;
/// Blocks of a commit in bulk mode: the indexer's own number.
pub(crate) const BULK_BATCH_BLOCKS: u64 = 500;
/// Depth of the reorganisations.
pub(crate) const REORG_BLOCKS: u64 = 100;
/// Finality depth of the stores, above the depth of the reorganisations.
pub(crate) const FINALITY_DEPTH: u64 = 128;
/// Connections of the closed-loop load, and clients of pgbench.
pub(crate) const CONNECTIONS: usize = 16;
/// Rows of a page.
pub(crate) const PAGE_ROWS: u64 = 25;

const _: () = assert!(FINALITY_DEPTH > REORG_BLOCKS);

/// Sizes and times of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Rounds of every measurement; medians are reported.
    pub(crate) rounds: usize,
    /// Blocks in the store before live ingest is measured.
    pub(crate) live_blocks: u64,
    /// Live batches per side and round.
    pub(crate) live_batches: u64,
    /// Blocks of one bulk backfill.
    pub(crate) bulk_blocks: u64,
    /// Blocks of one backfill from the node.
    pub(crate) node_blocks: u64,
    /// Blocks mined per round of the freshness measurement.
    pub(crate) fresh_blocks: usize,
    /// Blocks in the store that the API serves.
    pub(crate) api_blocks: u64,
    /// Blocks in the large store; `None` leaves out growth.
    pub(crate) large_blocks: Option<u64>,
    /// Length of a load.
    pub(crate) load: Duration,
    /// How long the explorer's tabs are open.
    pub(crate) tabs: Duration,
    /// Requests per second of the mixed load.
    pub(crate) mixed_per_s: u32,
    /// Requests per second of the latency comparisons.
    pub(crate) compare_per_s: u32,
    /// The page of the deep-page comparison.
    pub(crate) deep_page: u64,
    /// Reorganisations measured.
    pub(crate) reorgs: usize,
    /// Identities, votes and work.
    pub(crate) people: PeopleScale,
}

/// How many people, and what they did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeopleScale {
    /// Identities in the registry.
    pub(crate) identities: i64,
    /// Those that contributed work.
    pub(crate) contributors: i64,
    /// Their submissions.
    pub(crate) submissions: i64,
    /// Votes.
    pub(crate) votes: i64,
    /// Proposals that these were cast on.
    pub(crate) proposals: i64,
    /// Pages of fresh submissions, and as many of revisions, per round of feed ingest.
    pub(crate) feed_pages: i64,
    /// Searches per second in open loop.
    pub(crate) searches_per_s: u32,
}

/// Below five minutes with loading.
pub(crate) const QUICK: Scale = Scale {
    rounds: 3,
    live_blocks: 20_000,
    live_batches: 6,
    bulk_blocks: 8_000,
    node_blocks: 8_000,
    fresh_blocks: 15,
    api_blocks: 20_000,
    large_blocks: None,
    load: Duration::from_secs(2),
    tabs: Duration::from_secs(40),
    mixed_per_s: 300,
    compare_per_s: 200,
    deep_page: 5_000,
    reorgs: 5,
    people: PeopleScale {
        identities: 50_000,
        contributors: 5_000,
        submissions: 100_000,
        votes: 20_000,
        proposals: 200,
        feed_pages: 3,
        searches_per_s: 50,
    },
};

/// What `docs/performance.md` reports: 1 M and 10 M transactions.
pub(crate) const FULL: Scale = Scale {
    rounds: 5,
    live_blocks: 100_000,
    live_batches: 20,
    bulk_blocks: 50_000,
    node_blocks: 50_000,
    fresh_blocks: 60,
    api_blocks: 110_000,
    large_blocks: Some(1_000_000),
    load: Duration::from_secs(5),
    tabs: Duration::from_secs(600),
    mixed_per_s: 1_000,
    compare_per_s: 500,
    deep_page: 10_000,
    reorgs: 11,
    people: PeopleScale {
        identities: 1_000_000,
        contributors: 100_000,
        submissions: 5_000_000,
        votes: 1_000_000,
        proposals: 1_000,
        feed_pages: 10,
        searches_per_s: 50,
    },
};

/// `200 k tx`, for the description of a data set.
pub(crate) fn transactions_text(blocks: u64) -> String {
    let transactions = blocks * TXS_PER_BLOCK;
    match transactions {
        1_000_000.. => format!("{:.1} M tx", thousandths(transactions / 1_000)),
        _ => format!("{} k tx", transactions / 1_000),
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn thousandths(value: u64) -> f64 {
    value as f64 / 1_000.0
}
