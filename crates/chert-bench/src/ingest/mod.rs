//! Writing: live batches, bulk backfill, backfill from a node, reorganisations, freshness, and how
//! soon the streams tell of it.

mod bulk;
mod freshness;
mod live;
mod node;
mod push;
mod reorg;

use chert_devnet::{Chain, Profile};

use crate::bench::Bench;
use crate::blocks;
use crate::scale::{LIVE_BATCH_BLOCKS, TXS_PER_BLOCK, transactions_text};

/// Names of the results.
pub(crate) const NAMES: [&str; 6] = [
    "ingest.live",
    "ingest.bulk",
    "ingest.node",
    "ingest.reorg",
    "ingest.freshness",
    "stream.push",
];

/// A live store and the chain that it follows; each measurement leaves it at the chain's tip.
pub(crate) struct LiveStore {
    url: String,
    chain: Chain,
    dataset: String,
}

impl LiveStore {
    /// Loads the store, and has the chain go on for the live batches.
    async fn load(bench: &Bench) -> anyhow::Result<Self> {
        let blocks = bench.scale.live_blocks;
        let dataset = format!("{} in a live store, warm", transactions_text(blocks));
        bench.step(format_args!("loading {}", transactions_text(blocks)));
        let more = live::batches_total(&bench.scale) * LIVE_BATCH_BLOCKS;
        let chain = blocks::chain(Profile::fixed(TXS_PER_BLOCK), blocks + more);
        let url = bench.postgres.create(DATABASE).await?;
        blocks::load(&url, &chain, blocks, |text| bench.step(text)).await?;
        Ok(Self { url, chain, dataset })
    }

    /// Brings the store to the tip of the chain.
    async fn catch_up(&self) -> anyhow::Result<()> {
        let mut writer = blocks::open_writer(&self.url).await?;
        blocks::extend(&mut writer, &self.chain, self.chain.tip().0, LIVE_BATCH_BLOCKS, |_| {})
            .await
    }
}

/// Name of the live store's database.
const DATABASE: &str = "live";

/// Measures what is asked for.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    if bench.wants_any(&["ingest.live", "ingest.reorg", "ingest.freshness", "stream.push"]) {
        let store = LiveStore::load(bench).await?;
        if bench.wants("ingest.live") {
            live::run(bench, &store).await?;
        }
        store.catch_up().await?;
        if bench.wants("ingest.reorg") {
            reorg::run(bench, &store).await?;
        }
        if bench.wants("ingest.freshness") {
            freshness::run(bench, &store).await?;
        }
        if bench.wants("stream.push") {
            store.catch_up().await?;
            push::run(bench, &store).await?;
        }
        bench.postgres.drop(DATABASE).await?;
    }
    if bench.wants("ingest.bulk") {
        bulk::run(bench).await?;
    }
    if bench.wants("ingest.node") {
        node::run(bench).await?;
    }
    Ok(())
}
