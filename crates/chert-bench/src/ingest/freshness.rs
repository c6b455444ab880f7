//! From a block on the node to the block in REST.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use chert_devnet::{Chain, Server, ServerConfig};
use chert_indexer::Indexer;
use chert_store::{PoolSettings, TIP_CHANNEL};
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::LiveStore;
use super::node::{settings, sources};
use crate::bench::Bench;
use crate::child::{self, Cache};
use crate::http::{Connection, get};
use crate::report::{Goal, Outcome};
use crate::statistics::{Random, median, ms, percentile};

/// How often the indexer asks the node.
const POLL: Duration = Duration::from_millis(100);
/// What may come on top.
const ALLOWANCE: Duration = Duration::from_millis(50);
/// How often we ask REST; its half is the error of a sample.
const LOOK: Duration = Duration::from_millis(2);
const DRAIN_MAX: Duration = Duration::from_secs(300);
const WAIT_MAX: Duration = Duration::from_secs(30);

pub(super) async fn run(bench: &mut Bench, store: &LiveStore) -> anyhow::Result<()> {
    bench.step("ingest.freshness: blocks mined one by one");
    let server = Server::start(store.chain.clone(), ServerConfig::default()).await?;
    let settings = settings(POLL);
    let indexer = Indexer::new(sources(&server.url())?, PoolSettings::new(&store.url), settings)?;
    let stop = CancellationToken::new();
    let _stop_on_drop = stop.clone().drop_guard();
    let task = tokio::spawn(indexer.run(stop.clone()));
    let (api, address) = child::serve(&store.url, Cache::Default).await?;
    drain_balances(bench).await?;
    let commits = Commits::watch(&store.url).await?;
    let mut random = Random::new(4);
    // Until everything is connected and warm.
    series(&store.chain, address, 3, &mut random, &commits).await?;
    let (mut rounds, mut half, mut half_committed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.scale.rounds {
        let count = bench.scale.fresh_blocks;
        let samples = series(&store.chain, address, count, &mut random, &commits).await?;
        let (shown, committed): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        rounds.push((ms(percentile(&shown, 95)), ms(POLL + ALLOWANCE)));
        half.push(ms(percentile(&shown, 50)));
        half_committed.push(ms(percentile(&committed, 50)));
    }
    stop.cancel();
    task.await??;
    api.stop().await?;
    server.shutdown().await;
    let note = format!(
        "p95 from the node having a block to /v1/explorer/blocks showing it, median of {} rounds \
         of {} blocks at random moments; p50 {:.0} ms, of which {:.0} ms until the commit; the node is polled every {} ms, REST every \
         {} ms; anchor: poll + {} ms",
        bench.scale.rounds,
        bench.scale.fresh_blocks,
        median(&half),
        median(&half_committed),
        POLL.as_millis(),
        LOOK.as_millis(),
        ALLOWANCE.as_millis()
    );
    bench.add(Outcome::new(
        "ingest.freshness",
        "ms",
        &rounds,
        Goal::AtMost(1.0),
        store.dataset.clone(),
        note,
    ));
    Ok(())
}

/// Waits until the indexer has read the balances that earlier measurements left to be read.
async fn drain_balances(bench: &Bench) -> anyhow::Result<()> {
    let mut db = bench.postgres.connect(super::DATABASE).await?;
    let started = Instant::now();
    loop {
        let open: i64 =
            sqlx::query_scalar("SELECT count(*) FROM balance_queue").fetch_one(&mut db).await?;
        if open == 0 {
            return Ok(());
        }
        anyhow::ensure!(started.elapsed() < DRAIN_MAX, "{open} balances are still to be read");
        tokio::time::sleep(POLL).await;
    }
}

/// When the store last said that its tip moved.
struct Commits {
    last: watch::Receiver<Instant>,
    /// Ends with this value.
    _listening: JoinSet<()>,
}

impl Commits {
    async fn watch(url: &str) -> anyhow::Result<Self> {
        let mut tips = PgListener::connect(url).await?;
        tips.listen(TIP_CHANNEL).await?;
        let (sender, last) = watch::channel(Instant::now());
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            while tips.recv().await.is_ok() {
                sender.send_replace(Instant::now());
            }
        });
        Ok(Self { last, _listening: listening })
    }
}

/// Mines blocks one by one: the time of each until REST shows it, and until its commit.
async fn series(
    chain: &Chain,
    address: SocketAddr,
    count: usize,
    random: &mut Random,
    commits: &Commits,
) -> anyhow::Result<Vec<(Duration, Duration)>> {
    let mut connection = Connection::open(address).await?;
    let request = get("/v1/explorer/blocks?limit=1");
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        // So that mining is not in step with polling.
        tokio::time::sleep(POLL + Duration::from_millis(random.below(150))).await;
        let started = Instant::now();
        let height = chain.mine(1);
        let shown = format!("\"height\":{height},");
        loop {
            let body = connection.body(&request).await?;
            let text = std::str::from_utf8(body).context("the answer is not UTF-8")?;
            if text.contains(&shown) {
                break;
            }
            anyhow::ensure!(started.elapsed() < WAIT_MAX, "block {height} does not show: {text}");
            tokio::time::sleep(LOOK).await;
        }
        let committed = commits.last.borrow().saturating_duration_since(started);
        samples.push((started.elapsed(), committed));
    }
    Ok(samples)
}
