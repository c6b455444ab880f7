//! Tabs of the ecosystem's explorer, each doing what the page does (contract §8.2): blocks and health
//! every four seconds, the analytics after each refresh, and the calls of a page when it is opened;
//! while blocks come.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chert_devnet::Profile;
use serde_json::{Value, json};

use super::data::Data;
use crate::bench::Bench;
use crate::blocks::{append, blocks_of, chain, open_writer, rows_of};
use crate::child::{self, Cache};
use crate::http::{Connection, browser_post, get, post};
use crate::report::{Goal, Outcome};
use crate::scale::TXS_PER_BLOCK;
use crate::statistics::{Random, ms, percentile};

const TABS: u32 = 200;
/// The page asks for the blocks this often.
const REFRESH: Duration = Duration::from_secs(4);
/// A reader stays on a page for so many refreshes.
const STAY_REFRESHES: u64 = 8;
/// Refreshes between two polls of the network page (10 s).
const NETWORK_REFRESHES: u64 = 3;
/// A new block comes this often.
const BLOCK_TIME: Duration = Duration::from_secs(2);
/// What 95 of 100 calls must stay below, in milliseconds.
const LIMIT_MS: f64 = 10.0;

/// A request and what it is called in the report.
#[derive(Debug, Clone)]
struct Ask {
    name: &'static str,
    bytes: Vec<u8>,
}

/// Calls that the report names.
const SLOWEST: usize = 4;

/// A page of the explorer: what it asks when it is opened, and after every refresh.
struct Page {
    opened: Vec<Ask>,
    refreshed: Option<Ask>,
    every: u64,
}

/// All that tabs ask.
struct Explorer {
    blocks: Ask,
    health: Ask,
    pages: Vec<Page>,
}

/// How long each answer took, by what was asked.
type Latencies = Vec<(&'static str, Duration)>;

pub(super) async fn run(bench: &mut Bench, data: &Data) -> anyhow::Result<()> {
    let length = bench.scale.tabs;
    bench.step(format_args!("api.explorer_tabs: {TABS} tabs for {} s", length.as_secs()));
    let (server, address) = child::serve(&data.url, Cache::Default).await?;
    check(address, data).await?;
    let explorer = Arc::new(explorer(data, call_of));
    let begin = Instant::now() + Duration::from_millis(100);
    let end = begin + length;
    let tabs = (0..TABS).map(|number| {
        let explorer = Arc::clone(&explorer);
        // Not on the thread of the others, and with a random number of its own.
        tokio::spawn(async move {
            let first = begin + REFRESH * number / TABS;
            tab(address, &explorer, first, end, Random::new(u64::from(number))).await
        })
    });
    let tabs: Vec<_> = tabs.collect();
    let blocks = extend(data, end).await?;
    let (mut asked, mut errors) = (Latencies::new(), 0);
    for tab in tabs {
        let (some, bad) = tab.await??;
        asked.extend(some);
        errors += bad;
    }
    server.stop().await?;
    let latencies: Vec<_> = asked.iter().map(|(_, latency)| *latency).collect();
    let at = |per_cent| ms(percentile(&latencies, per_cent));
    let note = format!(
        "p95 of all calls of {TABS} tabs for {} s, {} calls, {blocks} new blocks meanwhile; answers \
         compressed as for a browser; p50 {:.2} ms, p99 {:.2} ms; slowest by p95: {}; anchor: the \
         goal",
        length.as_secs(),
        latencies.len(),
        at(50),
        at(99),
        slowest(&asked)
    );
    let dataset = format!("{}, warm", data.text);
    let goal = Goal::AtMost(1.0);
    let outcome =
        Outcome::new("api.explorer_tabs", "ms", &[(at(95), LIMIT_MS)], goal, dataset, note);
    bench.add(outcome.with_errors(errors));
    Ok(())
}

/// The calls whose p95 is highest, with it.
fn slowest(asked: &Latencies) -> String {
    let mut by_name: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for (name, latency) in asked {
        by_name.entry(name).or_default().push(*latency);
    }
    let mut names: Vec<_> =
        by_name.iter().map(|(name, all)| (percentile(all, 95), *name, all.len())).collect();
    names.sort_by(|one, other| other.cmp(one));
    let text = names
        .iter()
        .take(SLOWEST)
        .map(|(p95, name, count)| format!("{name} {:.1} ms ({count} calls)", ms(*p95)));
    text.collect::<Vec<_>>().join(", ")
}

/// What a browser sends.
fn call_of(method: &'static str, params: &Value) -> Ask {
    Ask { name: method, bytes: browser_post("/jsonrpc", &body_of(method, params)) }
}

fn body_of(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

/// The table of §8.2; `call` makes a request of a method and its parameters.
fn explorer(data: &Data, call: fn(&'static str, &Value) -> Ask) -> Explorer {
    let analytics = |range_ms: u64, bucket_ms: u64, label: &str| {
        let params = json!({"range_ms": range_ms, "bucket_ms": bucket_ms,
                            "requested_range_label": label});
        call("get_block_analytics", &params)
    };
    let none = json!({});
    let at = |index: usize| data.ordinary.get(index % data.ordinary.len().max(1));
    let address = at(0).map_or("", |known| known.address.as_str());
    let id = data.ids.first().map(hex::encode).unwrap_or_default();
    let once = |opened: Vec<Ask>| Page { opened, refreshed: None, every: 1 };
    let hour = || analytics(3_600_000, 60_000, "1h");
    let three_hours = || analytics(10_800_000, 300_000, "3h");
    let pages = vec![
        Page { opened: vec![hour(), hour()], refreshed: Some(hour()), every: 1 },
        Page {
            opened: vec![three_hours(), three_hours()],
            refreshed: Some(three_hours()),
            every: 1,
        },
        Page {
            opened: vec![call("get_network_info", &none)],
            refreshed: Some(call("get_network_info", &none)),
            every: NETWORK_REFRESHES,
        },
        once(vec![Ask { name: "/alerts", bytes: get("/alerts") }]),
        once(vec![
            call("get_staking_info", &none),
            call("get_staking_delegations", &json!({"limit": 10})),
        ]),
        once(vec![
            call("get_governance_info", &none),
            call("get_proposals", &json!({"limit": 20})),
            call("get_treasury", &none),
        ]),
        once(vec![call("get_tokens", &json!({"limit": 100}))]),
        once(vec![call("get_analytics", &none)]),
        once(vec![call("get_chain_parameters", &none)]),
        once(vec![
            call("get_bridge_history", &json!({"limit": 50})),
            call("get_bridge_stats", &none),
            call("get_privacy_info", &none),
            call("get_privacy_operations", &json!({"limit": 20})),
        ]),
        once(vec![call(
            "eth_getBlockByNumber",
            &json!({"block_number": data.tip / 2, "include_txs": true}),
        )]),
        once(vec![call("get_transaction", &json!({"tx_id": id}))]),
        once(vec![
            call("get_balance", &json!({"address": address})),
            call("get_transaction_history", &json!({"limit": 25, "address": address})),
        ]),
    ];
    let blocks = call("get_blocks", &json!({"limit": 100, "include_txs": true}));
    Explorer { blocks, health: Ask { name: "/health", bytes: get("/health") }, pages }
}

/// Asks for everything once, uncompressed: an error would hide in a 200.
async fn check(address: SocketAddr, data: &Data) -> anyhow::Result<()> {
    let plain = |method: &'static str, params: &Value| Ask {
        name: method,
        bytes: post("/jsonrpc", &body_of(method, params)),
    };
    let explorer = explorer(data, plain);
    let mut connection = Connection::open(address).await?;
    let all = explorer.pages.iter().flat_map(|page| page.opened.iter().chain(&page.refreshed));
    for request in all.chain([&explorer.blocks, &explorer.health]) {
        let body: Value = serde_json::from_slice(connection.body(&request.bytes).await?)?;
        anyhow::ensure!(body.get("error").is_none(), "{}: {body}", request.name);
    }
    Ok(())
}

/// Latencies of one tab's calls, and how many were not answered 200.
async fn tab(
    address: SocketAddr,
    explorer: &Explorer,
    first: Instant,
    end: Instant,
    mut random: Random,
) -> anyhow::Result<(Latencies, u64)> {
    let mut connections = (Connection::open(address).await?, Connection::open(address).await?);
    let (mut latencies, mut errors) = (Vec::new(), 0);
    let mut due = first;
    let mut page = random.pick(&explorer.pages).context("no pages")?;
    for refresh in 0_u64.. {
        tokio::time::sleep_until(due.into()).await;
        if Instant::now() >= end {
            break;
        }
        let pair = futures::future::try_join(
            timed(&mut connections.0, &explorer.blocks),
            timed(&mut connections.1, &explorer.health),
        );
        let (blocks, health) = pair.await?;
        let mut count = |(name, latency, good): (&'static str, Duration, bool)| {
            latencies.push((name, latency));
            errors += u64::from(!good);
        };
        count(blocks);
        count(health);
        if refresh % STAY_REFRESHES == 0 {
            page = random.pick(&explorer.pages).context("no pages")?;
            for request in &page.opened {
                count(timed(&mut connections.0, request).await?);
            }
        } else if let Some(request) = page.refreshed.as_ref().filter(|_| refresh % page.every == 0)
        {
            count(timed(&mut connections.0, request).await?);
        }
        due += REFRESH;
    }
    Ok((latencies, errors))
}

async fn timed(
    connection: &mut Connection,
    ask: &Ask,
) -> anyhow::Result<(&'static str, Duration, bool)> {
    let started = Instant::now();
    let head = connection.send(&ask.bytes).await?;
    Ok((ask.name, started.elapsed(), head.status == 200))
}

/// Commits a block every two seconds; how many.
async fn extend(data: &Data, end: Instant) -> anyhow::Result<u64> {
    let mut writer = open_writer(&data.url).await?;
    let mut height = writer.checkpoint().tip().unwrap_or(data.tip);
    let first = height;
    let all = u64::try_from(end.saturating_duration_since(Instant::now()).as_millis())?;
    let count = all / u64::try_from(BLOCK_TIME.as_millis())?;
    let chain = chain(Profile::whale(TXS_PER_BLOCK), height + count);
    while height < first + count {
        height += 1;
        let rows = rows_of(&blocks_of(&chain, height..=height)?)?;
        tokio::time::sleep(BLOCK_TIME).await;
        writer.commit(&append(&rows, true)).await?;
    }
    Ok(height - first)
}
