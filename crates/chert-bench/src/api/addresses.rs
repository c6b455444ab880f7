//! Latency of the busiest address against ordinary ones, and of a deep page against the first.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use chert_api::cursor::{Cursor, List};

use super::data::Data;
use crate::bench::Bench;
use crate::child::{self, Cache};
use crate::http::{Connection, get, open_loop};
use crate::report::{Goal, Outcome};
use crate::scale::PAGE_ROWS;

pub(super) async fn run(bench: &mut Bench, data: &Data) -> anyhow::Result<()> {
    let (server, address) = child::serve(&data.url, Cache::Off).await?;
    let first_page = vec![data.busiest.history()];
    let how = format!(
        "p95 of {PAGE_ROWS} rows of history, uncached, open loop at {} req/s, latency from the \
         moment a request was due",
        bench.scale.compare_per_s
    );
    if bench.wants("api.busiest") {
        bench.step("api.busiest: the busiest address, against ordinary ones");
        let requests = [first_page.clone(), data.histories()];
        let (rounds, errors) = compare(bench, [address, address], requests).await?;
        let note = format!(
            "{how}; an address with {} rows against addresses with at most 1000",
            data.busiest_rows
        );
        let goal = Goal::AtMost(2.0);
        let dataset = format!("{}, warm", data.text);
        let outcome = Outcome::new("api.busiest", "ms", &rounds, goal, dataset, note);
        bench.add(outcome.with_errors(errors));
    }
    if bench.wants("api.deep_page") {
        let page = bench.scale.deep_page;
        bench.step(format_args!("api.deep_page: page {page} of the busiest address"));
        let deep = deep_page(bench, data, page).await?;
        let body = Connection::open(address).await?.body(&deep).await?.len();
        anyhow::ensure!(body > 1_000, "page {page} is empty");
        let (rounds, errors) = compare(bench, [address, address], [vec![deep], first_page]).await?;
        let note = format!("{how}; page {page} by cursor against page 1 of the busiest address");
        let goal = Goal::AtMost(1.5);
        let dataset = format!("{}, warm", data.text);
        let outcome = Outcome::new("api.deep_page", "ms", &rounds, goal, dataset, note);
        bench.add(outcome.with_errors(errors));
    }
    server.stop().await
}

/// The p95 of two loads in turns, in milliseconds, per round; and failed requests.
pub(super) async fn compare(
    bench: &Bench,
    targets: [SocketAddr; 2],
    requests: [Vec<Vec<u8>>; 2],
) -> anyhow::Result<(Vec<(f64, f64)>, u64)> {
    let [ours, anchor] = requests.map(Arc::new);
    let [our_target, anchor_target] = targets;
    let (per_s, length) = (bench.scale.compare_per_s, bench.scale.load);
    // Once each, unmeasured: connections, prepared statements, buffers.
    for (target, requests) in [(our_target, &ours), (anchor_target, &anchor)] {
        open_loop(target, Arc::clone(requests), per_s, length / 2).await?;
    }
    let (mut rounds, mut errors) = (Vec::new(), 0);
    for round in 0..bench.scale.rounds {
        let first = open_loop(our_target, Arc::clone(&ours), per_s, length);
        let second = open_loop(anchor_target, Arc::clone(&anchor), per_s, length);
        let (first, second) = if round % 2 == 0 {
            let first = first.await?;
            (first, second.await?)
        } else {
            let second = second.await?;
            (first.await?, second)
        };
        errors += first.errors + second.errors;
        rounds.push((first.percentile_ms(95), second.percentile_ms(95)));
    }
    Ok((rounds, errors))
}

/// A request for a page of the busiest address, by the cursor that paging there would give.
async fn deep_page(bench: &Bench, data: &Data, page: u64) -> anyhow::Result<Vec<u8>> {
    let mut db = bench.postgres.connect(&data.name).await?;
    let last_before: Option<i64> = sqlx::query_scalar(
        "SELECT pos FROM address_txs WHERE address_key = $1 ORDER BY pos DESC OFFSET $2 LIMIT 1",
    )
    .bind(uuid::Uuid::from_bytes(data.busiest.key))
    .bind(i64::try_from((page - 1) * PAGE_ROWS - 1)?)
    .fetch_optional(&mut db)
    .await?;
    let last_before = last_before.with_context(|| {
        format!("the busiest address has {} rows, not {page} pages", data.busiest_rows)
    })?;
    let [a, b, c, d, ..] = data.busiest.key;
    let cursor = Cursor::at(List::History, u32::from_be_bytes([a, b, c, d]), last_before).encode();
    Ok(get(&format!(
        "/v1/explorer/address/{}/history?limit={PAGE_ROWS}&cursor={cursor}",
        data.busiest.address
    )))
}
