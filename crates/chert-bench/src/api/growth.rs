//! What ten times the data costs: latency and memory.

use std::sync::Arc;

use super::addresses::compare;
use super::data::Data;
use crate::bench::Bench;
use crate::child::{self, Cache};
use crate::http::open_loop;
use crate::report::{Goal, Outcome};
use crate::statistics::Random;

/// Different heights asked for.
const HEIGHTS: usize = 4_096;

pub(super) async fn run(bench: &mut Bench, small: &Data, large: &Data) -> anyhow::Result<()> {
    let dataset = format!("{} against {}, warm", large.text, small.text);
    for data in [large, small] {
        bench.postgres.warm(&data.name).await?;
    }
    let (large_server, large_address) = child::serve(&large.url, Cache::Off).await?;
    let (small_server, small_address) = child::serve(&small.url, Cache::Off).await?;
    let blocks = [large, small].map(|data| data.blocks(HEIGHTS, &mut Random::new(1)));
    for (name, requests) in [
        ("api.growth_block", blocks),
        ("api.growth_transaction", [large, small].map(Data::transactions)),
        ("api.growth_history", [large, small].map(Data::histories)),
    ] {
        if !bench.wants(name) {
            continue;
        }
        bench.step(format_args!("{name}: {dataset}"));
        let (rounds, errors) = compare(bench, [large_address, small_address], requests).await?;
        let note = format!(
            "p95, uncached, open loop at {} req/s, large store against small one",
            bench.scale.compare_per_s
        );
        let goal = Goal::AtMost(1.2);
        let outcome = Outcome::new(name, "ms", &rounds, goal, dataset.clone(), note);
        bench.add(outcome.with_errors(errors));
    }
    large_server.stop().await?;
    small_server.stop().await?;
    if bench.wants("api.growth_memory") {
        memory(bench, small, large, dataset).await?;
    }
    Ok(())
}

async fn memory(
    bench: &mut Bench,
    small: &Data,
    large: &Data,
    dataset: String,
) -> anyhow::Result<()> {
    bench.step("api.growth_memory: after the same number of requests");
    let (per_s, length) = (bench.scale.mixed_per_s, bench.scale.load);
    let count = usize::try_from(u64::from(per_s) * length.as_secs().max(1))?;
    let (mut rounds, mut errors) = (Vec::new(), 0);
    for round in 0..bench.scale.rounds {
        let mut resident = Vec::new();
        for data in [large, small] {
            let (server, address) = child::serve(&data.url, Cache::Default).await?;
            let requests = data.mix(count, &mut Random::new(round as u64))?;
            errors += open_loop(address, Arc::new(requests), per_s, length).await?.errors;
            resident.push(server.resident_mb()?);
            server.stop().await?;
        }
        if let [large, small] = resident[..] {
            rounds.push((large, small));
        }
    }
    let note = format!(
        "resident memory of a fresh server, default cache, after {count} requests of the mixed \
         load in open loop"
    );
    let goal = Goal::AtMost(1.1);
    let outcome = Outcome::new("api.growth_memory", "MiB", &rounds, goal, dataset, note);
    bench.add(outcome.with_errors(errors));
    Ok(())
}
