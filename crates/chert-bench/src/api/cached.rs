//! A cached endpoint with all middleware, against a bare axum handler.

use std::sync::Arc;

use super::data::Data;
use crate::bench::Bench;
use crate::child::{self, Cache};
use crate::http::{Connection, closed_loop, get};
use crate::report::{Goal, Outcome};
use crate::scale::CONNECTIONS;

pub(super) async fn run(bench: &mut Bench, data: &Data) -> anyhow::Result<()> {
    bench.step("api.cached: one block from the cache, against a bare handler");
    let (server, address) = child::serve(&data.url, Cache::Default).await?;
    let request = get(&format!("/v1/explorer/block/{}", data.tip / 2));
    let body_bytes = Connection::open(address).await?.body(&request).await?.len();
    let (bare, bare_address) = child::bare(body_bytes).await?;
    let requests = Arc::new(vec![request]);
    let (mut rounds, mut errors) = (Vec::new(), 0);
    for round in 0..bench.scale.rounds {
        let mut reached = [0.0; 2];
        for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let target = if side == 0 { address } else { bare_address };
            let load =
                closed_loop(target, Arc::clone(&requests), CONNECTIONS, bench.scale.load).await?;
            errors += load.errors;
            if let Some(slot) = reached.get_mut(side) {
                *slot = load.per_second;
            }
        }
        rounds.push((reached[0], reached[1]));
    }
    server.stop().await?;
    bare.stop().await?;
    let note = format!(
        "GET one finalized block ({body_bytes} bytes) from the cache of `chert serve`, rate limit \
         on, against an axum handler with a static body of that size and no middleware; \
         {CONNECTIONS} keep-alive connections, closed loop, each server in a process of its own"
    );
    let dataset = format!("{}, warm", data.text);
    let goal = Goal::AtLeast(0.6);
    bench
        .add(Outcome::new("api.cached", "req/s", &rounds, goal, dataset, note).with_errors(errors));
    Ok(())
}
