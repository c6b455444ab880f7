//! Seeded simulations, each compared with ground truth.
//!
//! `CHERT_SIM_SEEDS` says how many (default 40), `CHERT_SIM_FROM` the first seed (default 100).
//! Known to fail since lives have people and oracles, and open on issue 3: seed 9 (a proposal differs
//! from the clean run) and seed 15 (an oracle's feed is not read to its end). A failure names
//! its seed; `./chert check simulate --from SEED --seeds 1` plays it again.

use e2e::simulation::Coverage;
use futures::StreamExt;

/// Lives played at the same time.
const AT_ONCE: usize = 4;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn simulation_equals_a_clean_run() {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let (from, seeds) = (variable("CHERT_SIM_FROM", 100), variable("CHERT_SIM_SEEDS", 40));
    let outcomes: Vec<(u64, anyhow::Result<Coverage>)> = futures::stream::iter(from..from + seeds)
        .map(|seed| async move {
            // A task of its own, so that a panic is that seed's failure.
            let outcome = tokio::spawn(e2e::simulation::play(seed)).await;
            let outcome = outcome.unwrap_or_else(|panic| Err(anyhow::anyhow!("panic: {panic}")));
            match &outcome {
                Ok(coverage) => println!("seed {seed}: ok, {coverage:?}"),
                Err(error) => println!("seed {seed}: FAILED {error:#}"),
            }
            (seed, outcome)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|(seed, outcome)| outcome.as_ref().err().map(|e| format!("seed {seed}: {e:#}")))
        .collect();
    assert!(failed.is_empty(), "{} of {seeds} failed:\n{}", failed.len(), failed.join("\n"));
    let lived: Vec<Coverage> =
        outcomes.iter().filter_map(|(_, o)| o.as_ref().ok()).copied().collect();
    let retracted: usize = lived.iter().map(|c| c.retracted).sum();
    let faults: u64 = lived.iter().map(|c| c.faults).sum();
    let kills: u64 = lived.iter().map(|c| c.kills).sum();
    let disconnects: u64 = lived.iter().map(|c| c.disconnects).sum();
    let told: usize = lived.iter().map(|c| c.told).sum();
    println!(
        "{retracted} blocks retracted, {faults} faults, {kills} kills, {disconnects} disconnects, \
         {told} events of people"
    );
    // A simulation in which nothing happens proves nothing.
    assert!(seeds < 20 || (retracted > 50 && faults > 50 && kills > 5 && disconnects > 5));
    assert!(seeds < 20 || told > 1_000, "the log tells too little");
}
