//! Twice as much as can be done, against as much as can be done: what is accepted must stay fast.

use std::sync::Arc;

use super::data::Data;
use crate::bench::Bench;
use crate::child::{self, Cache};
use crate::http::{Flooded, closed_loop, flood};
use crate::report::{Goal, Outcome};
use crate::scale::CONNECTIONS;
use crate::statistics::{Random, median};

/// Different requests.
const REQUESTS: usize = 4_096;
/// What the latency under overload may be of the ordinary one.
const TIMES_MAX: f64 = 3.0;

pub(super) async fn run(bench: &mut Bench, data: &Data) -> anyhow::Result<()> {
    bench.step("api.overload: twice the capacity, against the capacity");
    let (server, address) = child::serve(&data.url, Cache::Off).await?;
    let requests = Arc::new(data.mix(REQUESTS, &mut Random::new(9))?);
    let length = bench.scale.load;
    let ask = async |per_s: u32| flood(address, Arc::clone(&requests), per_s, length).await;
    let (mut rounds, mut capacities) = (Vec::new(), Vec::new());
    let (mut lost, mut unsent) = (0, 0);
    let (mut halves, mut shares) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..bench.scale.rounds {
        let reached = closed_loop(address, Arc::clone(&requests), CONNECTIONS, length).await?;
        capacities.push(reached.per_second);
        let capacity = whole(reached.per_second);
        let half = ask(capacity / 2).await?;
        let once = ask(capacity).await?;
        let twice = ask(capacity * 2).await?;
        rounds.push((twice.percentile_ms(95), once.percentile_ms(95)));
        halves.push(half.percentile_ms(95));
        for (shares, flooded) in shares.iter_mut().zip([&once, &twice]) {
            shares.push(Flooded::shed_share(flooded) * 100.0);
        }
        for flooded in [&half, &once, &twice] {
            lost += flooded.lost;
            unsent += flooded.unsent;
        }
        anyhow::ensure!(!twice.accepted.is_empty(), "nothing was accepted under overload");
    }
    server.stop().await?;
    let note = format!(
        "p95 of the accepted at 2 x the capacity against 1 x, open loop, cache and rate limit off, \
         the mix of api.mixed; capacity {:.0} req/s (closed loop, {CONNECTIONS} connections); \
         answered 503: {:.0} % at 2 x, {:.0} % at 1 x; p95 at 0.5 x: {:.2} ms; {unsent} requests \
         were not sent, because the generator had as many under way as it can",
        median(&capacities),
        median(&shares[1]),
        median(&shares[0]),
        median(&halves)
    );
    let dataset = format!("{}, warm", data.text);
    let goal = Goal::AtMost(TIMES_MAX);
    bench.add(Outcome::new("api.overload", "ms", &rounds, goal, dataset, note).with_errors(lost));
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate of some thousands"
)]
fn whole(per_second: f64) -> u32 {
    per_second.clamp(1.0, 1_000_000.0) as u32
}
