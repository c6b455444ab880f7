//! Bulk backfill by the real indexer from a node, against what the node can serve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use chert_indexer::{Indexer, IndexerSettings, Mode};
use chert_sources::{NodeClient, NodeOptions, NodeSource, SourceSet};
use chert_store::PoolSettings;
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;
use crate::child;
use crate::http::{Connection, post};
use crate::report::{Goal, Outcome};
use crate::scale::{BULK_BATCH_BLOCKS, FINALITY_DEPTH, TXS_PER_BLOCK, transactions_text};
use crate::statistics::per_second;

const DATABASE: &str = "node";
/// Requests at once: as many as the indexer has under way at most.
const FETCHES: usize = 6;
/// What a block with its transactions takes at least.
const BLOCK_BYTES_MIN: u64 = 2_000;
/// Where the blocks begin in an answer, at most.
const HEAD_BYTES_MAX: usize = 100;
const REQUEST_WAIT: Duration = Duration::from_secs(30);
const BACKFILL_WAIT: Duration = Duration::from_secs(3_600);

pub(super) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let blocks = bench.scale.node_blocks;
    let (node, address) = child::node(blocks).await?;
    let (mut rounds, mut fetching) = (Vec::new(), Vec::new());
    for round in 0..bench.scale.rounds {
        bench.step(format_args!("ingest.node: round {}", round + 1));
        let bare = fetch(address, blocks).await?;
        let (fetched, ready) = index(bench, address, blocks).await?;
        let rate = |elapsed| per_second(blocks * TXS_PER_BLOCK, elapsed);
        rounds.push((rate(ready), rate(bare)));
        fetching.push((rate(fetched), rate(bare)));
    }
    node.stop().await?;
    let dataset = format!("{} from a node on this machine", transactions_text(blocks));
    let note = "the indexer from start to the node's tip with indexes and totals built, against a \
                client that fetches the same pages of 500 blocks, 6 at once, and drops them \
                unread; node, indexer and PostgreSQL share the cores, and the node generates \
                every page";
    bench.add(Outcome::new(
        "ingest.node",
        "tx/s",
        &rounds,
        Goal::AtLeast(0.8),
        dataset.clone(),
        note.to_owned(),
    ));
    let note = "the same, up to the moment when the building of indexes begins";
    let name = "ingest.node_fetching";
    bench.add(Outcome::new(name, "tx/s", &fetching, Goal::None, dataset, note.to_owned()));
    Ok(())
}

/// Fetches every block and drops it.
async fn fetch(address: SocketAddr, blocks: u64) -> anyhow::Result<Duration> {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..FETCHES)
        .map(|_| tokio::spawn(fetch_pages(address, Arc::clone(&next), blocks)))
        .collect();
    for task in tasks {
        task.await?.context("fetching pages")?;
    }
    Ok(started.elapsed())
}

async fn fetch_pages(address: SocketAddr, next: Arc<AtomicU64>, last: u64) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    loop {
        let first = next.fetch_add(BULK_BATCH_BLOCKS, Ordering::Relaxed);
        if first > last {
            return Ok(());
        }
        let top = last.min(first + BULK_BATCH_BLOCKS - 1);
        let limit = top - first + 1;
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"get_blocks\",\"params\":\
             {{\"from_height\":{top},\"limit\":{limit},\"include_txs\":true}}}}"
        );
        let page = connection.body(&post("/jsonrpc", &body)).await?;
        // All blocks with their transactions: one is above 2000 bytes, genesis aside.
        let start = format!("{{\"blocks\":[{{\"block_number\":{top},");
        let head = page.get(..start.len() + HEAD_BYTES_MAX).unwrap_or(page);
        let complete = String::from_utf8_lossy(head).contains(&start)
            && page.len() >= usize::try_from((limit - 1) * BLOCK_BYTES_MIN)?;
        anyhow::ensure!(complete, "not the page asked for: {}", String::from_utf8_lossy(head));
    }
}

/// Runs the indexer into an empty store: until the base rows are there, and until it follows.
async fn index(
    bench: &Bench,
    node: SocketAddr,
    blocks: u64,
) -> anyhow::Result<(Duration, Duration)> {
    let url = bench.postgres.create(DATABASE).await?;
    bench.postgres.settle().await?;
    let settings =
        IndexerSettings { bulk_threshold_blocks: Some(1_000), ..settings(Duration::from_secs(1)) };
    let indexer =
        Indexer::new(sources(&format!("http://{node}"))?, PoolSettings::new(url), settings)?;
    let mut progress = indexer.progress();
    let tip = i64::try_from(blocks)?;
    let stop = CancellationToken::new();
    let _stop_on_drop = stop.clone().drop_guard();
    let started = Instant::now();
    let task = tokio::spawn(indexer.run(stop.clone()));
    let mut fetched = None;
    let following = async {
        loop {
            progress.changed().await?;
            let now = *progress.borrow_and_update();
            if now.mode == Mode::BuildingIndexes {
                fetched.get_or_insert_with(|| started.elapsed());
            }
            if now.mode == Mode::Follow && now.height == tip {
                return anyhow::Ok(started.elapsed());
            }
        }
    };
    let ready = tokio::time::timeout(BACKFILL_WAIT, following).await.context("the backfill")??;
    stop.cancel();
    task.await??;
    bench.postgres.drop(DATABASE).await?;
    Ok((fetched.context("the indexer did not go through bulk mode")?, ready))
}

/// The node at a URL.
pub(super) fn sources(url: &str) -> anyhow::Result<SourceSet> {
    let client = NodeClient::new(url.parse()?, NodeOptions { request_timeout: REQUEST_WAIT })?;
    let client: Arc<dyn NodeSource> = Arc::new(client);
    Ok(SourceSet::new(vec![client], chert_indexer::wall_clock_ms))
}

/// Default settings but for the poll interval and the finality depth of our stores.
pub(super) fn settings(sync_interval: Duration) -> IndexerSettings {
    IndexerSettings { sync_interval, finality_depth: FINALITY_DEPTH, ..IndexerSettings::default() }
}
