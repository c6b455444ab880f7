//! A mix of requests at a constant rate: alone, beside a backfill, during reorganisations.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chert_devnet::{Chain, Profile};
use chert_store::{BatchRows, Change, Writer};

use super::data::Data;
use crate::bench::Bench;
use crate::blocks::{self, blocks_of, now_s, open_writer, rows_of};
use crate::child::{self, Cache};
use crate::http::{Series, open_loop};
use crate::report::{Goal, Outcome};
use crate::scale::{REORG_BLOCKS, TXS_PER_BLOCK};
use crate::statistics::{Random, median, per_second};

/// Reorganisations per round, evenly over its length.
const REORGS_PER_ROUND: u32 = 3;

pub(super) async fn run(bench: &mut Bench, data: &Data) -> anyhow::Result<()> {
    let (server, address) = child::serve(&data.url, Cache::Default).await?;
    let mut random = Random::new(6);
    bench.postgres.warm(&data.name).await?;
    // Connections, prepared statements.
    load(bench, data, address, &mut random).await?;
    if bench.wants("api.mixed_idle") {
        bench.step("api.mixed_idle");
        let mut rounds = Vec::new();
        for _ in 0..bench.scale.rounds {
            rounds.push(load(bench, data, address, &mut random).await?);
        }
        add(bench, data, "api.mixed_idle", 5.0, &rounds, "nothing else runs");
    }
    if bench.wants("api.mixed_backfill") {
        bench.step("api.mixed_backfill");
        during_backfill(bench, data, address, &mut random).await?;
    }
    if bench.wants("api.mixed_reorg") {
        bench.step("api.mixed_reorg");
        during_reorgs(bench, data, address, &mut random).await?;
    }
    server.stop().await
}

/// One round of the mix.
async fn load(
    bench: &Bench,
    data: &Data,
    address: SocketAddr,
    random: &mut Random,
) -> anyhow::Result<Series> {
    let (per_s, length) = (bench.scale.mixed_per_s, bench.scale.load);
    let count = usize::try_from(u64::from(per_s) * length.as_secs().max(1))?;
    open_loop(address, Arc::new(data.mix(count, random)?), per_s, length).await
}

fn add(bench: &mut Bench, data: &Data, name: &str, limit_ms: f64, all: &[Series], what: &str) {
    let at = |per_cent| Vec::from_iter(all.iter().map(|series| series.percentile_ms(per_cent)));
    let rounds: Vec<_> = at(95).into_iter().map(|p95| (p95, limit_ms)).collect();
    let samples: usize = all.iter().map(|series| series.samples.len()).sum();
    let note = format!(
        "p95 of block, transaction, history, latest transactions and balance over random keys, \
         default cache, open loop at {} req/s, {samples} samples; p50 {:.2} ms, p99 {:.2} ms; \
         {what}; anchor: the goal",
        bench.scale.mixed_per_s,
        median(&at(50)),
        median(&at(99))
    );
    let dataset = format!("{}, warm", data.text);
    let outcome = Outcome::new(name, "ms", &rounds, Goal::AtMost(1.0), dataset, note);
    bench.add(outcome.with_errors(all.iter().map(|series| series.errors).sum()));
}

async fn during_backfill(
    bench: &mut Bench,
    data: &Data,
    address: SocketAddr,
    random: &mut Random,
) -> anyhow::Result<()> {
    let writer = child::backfill(&data.url).await?;
    let before = height(bench, data).await?;
    let started = Instant::now();
    let mut rounds = Vec::new();
    for _ in 0..bench.scale.rounds {
        rounds.push(load(bench, data, address, random).await?);
    }
    let blocks = height(bench, data).await? - before;
    let rate = per_second(blocks * TXS_PER_BLOCK, started.elapsed());
    writer.stop().await?;
    anyhow::ensure!(blocks > 0, "the backfill did not move");
    let what = format!(
        "beside a writer at full speed into the same tables (batches of 100 blocks, {rate:.0} \
         tx/s, making its blocks itself on the same cores)"
    );
    add(bench, data, "api.mixed_backfill", 10.0, &rounds, &what);
    Ok(())
}

async fn height(bench: &Bench, data: &Data) -> anyhow::Result<u64> {
    let mut db = bench.postgres.connect(&data.name).await?;
    let height: i64 = sqlx::query_scalar("SELECT height FROM checkpoints WHERE pipeline = 'chain'")
        .fetch_one(&mut db)
        .await?;
    Ok(u64::try_from(height)?)
}

async fn during_reorgs(
    bench: &mut Bench,
    data: &Data,
    address: SocketAddr,
    random: &mut Random,
) -> anyhow::Result<()> {
    let mut writer = open_writer(&data.url).await?;
    let tip = writer.checkpoint().tip().unwrap_or(data.tip);
    // The chain that the store holds: blocks of the history do not depend on its length.
    let chain = blocks::chain(Profile::whale(TXS_PER_BLOCK), tip);
    let mut rounds = Vec::new();
    let mut times = Vec::new();
    for _ in 0..bench.scale.rounds {
        let branches = branches(&chain)?;
        let pause = bench.scale.load / (REORGS_PER_ROUND + 1);
        let reorgs = reorganise(&mut writer, &branches, pause);
        let (series, spans) = futures::try_join!(load(bench, data, address, random), reorgs)?;
        times.extend(spans.iter().map(|(from, to)| crate::statistics::ms(*to - *from)));
        rounds.push(series.during(&spans));
    }
    let what = format!(
        "only requests due while a reorganisation of 100 blocks was being committed ({} of them, \
         median {:.0} ms)",
        times.len(),
        median(&times)
    );
    add(bench, data, "api.mixed_reorg", 25.0, &rounds, &what);
    Ok(())
}

/// The branches of a round, decoded beforehand; each with its ancestor.
fn branches(chain: &Chain) -> anyhow::Result<Vec<(u64, BatchRows)>> {
    let mut branches = Vec::new();
    for _ in 0..REORGS_PER_ROUND {
        let ancestor = chain.tip().0 - REORG_BLOCKS;
        chain.reorg(REORG_BLOCKS, REORG_BLOCKS + 1);
        let blocks = blocks_of(chain, ancestor + 1..=chain.tip().0)?;
        branches.push((ancestor, rows_of(&blocks)?));
    }
    Ok(branches)
}

/// Follows the branches one after the other; when each commit began and ended.
async fn reorganise(
    writer: &mut Writer,
    branches: &[(u64, BatchRows)],
    pause: Duration,
) -> anyhow::Result<Vec<(Instant, Instant)>> {
    let mut spans = Vec::new();
    for (ancestor, rows) in branches {
        tokio::time::sleep(pause).await;
        let change = Change {
            unwind_to: Some(*ancestor),
            rows,
            follow: true,
            allow_deep: false,
            now_s: now_s(),
        };
        let started = Instant::now();
        writer.commit(&change).await?;
        spans.push((started, Instant::now()));
    }
    Ok(spans)
}
