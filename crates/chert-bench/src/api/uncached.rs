//! Endpoints without a cache, against pgbench of the same statements.

use std::net::SocketAddr;
use std::sync::Arc;

use super::data::Data;
use crate::bench::Bench;
use crate::child::{self, Cache};
use crate::http::closed_loop;
use crate::pgbench::{self, Script};
use crate::report::{Goal, Outcome};
use crate::scale::{CONNECTIONS, PAGE_ROWS};
use crate::statistics::Random;

/// Different heights asked for.
const HEIGHTS: usize = 4_096;

struct Endpoint {
    name: &'static str,
    what: String,
    requests: Vec<Vec<u8>>,
    script: Script,
}

pub(super) async fn run(bench: &mut Bench, data: &Data) -> anyhow::Result<()> {
    let (server, address) = child::serve(&data.url, Cache::Off).await?;
    for endpoint in endpoints(data)? {
        if bench.wants(endpoint.name) {
            measure(bench, data, address, endpoint).await?;
        }
    }
    server.stop().await
}

fn endpoints(data: &Data) -> anyhow::Result<[Endpoint; 3]> {
    let keys: Vec<[u8; 16]> = data.point_addresses().iter().map(|known| known.key).collect();
    Ok([
        Endpoint {
            name: "api.block",
            what: "a block with its 10 transactions by a random height".to_owned(),
            requests: data.blocks(HEIGHTS, &mut Random::new(1)),
            script: pgbench::block_script(data.tip)?.into(),
        },
        Endpoint {
            name: "api.transaction",
            what: format!("a transaction by one of {} ids", data.point_ids().len()),
            requests: data.transactions(),
            script: pgbench::transaction_script(data.point_ids())?.into(),
        },
        Endpoint {
            name: "api.history",
            what: format!("{PAGE_ROWS} rows of the history of one of {} addresses", keys.len()),
            requests: data.histories(),
            script: pgbench::history_script(&keys, PAGE_ROWS)?.into(),
        },
    ])
}

async fn measure(
    bench: &mut Bench,
    data: &Data,
    address: SocketAddr,
    endpoint: Endpoint,
) -> anyhow::Result<()> {
    let Endpoint { name, what, requests, script } = endpoint;
    bench.step(format_args!("{name}: uncached, against pgbench"));
    let (rounds, errors) = compare(bench, &data.name, address, requests, &[script]).await?;
    let note = format!(
        "{what}, cache and rate limit off, against pgbench -M prepared -j 1 of the statement that \
         the endpoint runs, with the same keys; {CONNECTIONS} connections each, closed loop"
    );
    let dataset = format!("{}, warm", data.text);
    let goal = Goal::AtLeast(0.45);
    bench.add(Outcome::new(name, "req/s", &rounds, goal, dataset, note).with_errors(errors));
    Ok(())
}

/// Requests per second of the server and of pgbench in turns, per round; and failed requests.
pub(crate) async fn compare(
    bench: &Bench,
    database: &str,
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    scripts: &[Script],
) -> anyhow::Result<(Vec<(f64, f64)>, u64)> {
    let (requests, length) = (Arc::new(requests), bench.scale.load);
    let (mut rounds, mut errors) = (Vec::new(), 0);
    for round in 0..bench.scale.rounds {
        let ours = closed_loop(address, Arc::clone(&requests), CONNECTIONS, length);
        let anchor = pgbench::run(bench.postgres.port(), database, scripts, length);
        // Futures do nothing until they are awaited: one after the other, in turns.
        let (ours, anchor) = if round % 2 == 0 {
            let ours = ours.await?;
            (ours, anchor.await?)
        } else {
            let anchor = anchor.await?;
            (ours.await?, anchor)
        };
        errors += ours.errors;
        rounds.push((ours.per_second, anchor));
    }
    Ok((rounds, errors))
}
