//! From a commit to the event at every listener of the stream.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use chert_store::Writer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::LiveStore;
use crate::bench::Bench;
use crate::blocks::{append, block_at, open_writer, rows_of};
use crate::child::{self, Cache};
use crate::http::get;
use crate::report::{Goal, Outcome};
use crate::scale::CONNECTIONS;
use crate::statistics::{Random, median, ms, percentile};

/// What the push may take.
const ALLOWED: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Bytes of a chunk of the stream that are read at a time.
const READ_BYTES: usize = 16 << 10;
/// Bytes that are kept to find an event which two reads share.
const OVERLAP_BYTES: usize = 64;

pub(super) async fn run(bench: &mut Bench, store: &LiveStore) -> anyhow::Result<()> {
    bench.step("stream.push: blocks committed one by one, 16 listeners");
    let mut writer = open_writer(&store.url).await?;
    let (api, address) = child::serve(&store.url, Cache::Default).await?;
    let (arrived, mut arrivals) = mpsc::channel(CONNECTIONS);
    let mut listeners = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let stream = open(address).await?;
        listeners.spawn(listen(stream, arrived.clone()));
    }
    let mut random = Random::new(11);
    // Until everything is connected and warm.
    series(&mut writer, store, 3, &mut random, &mut arrivals).await?;
    let (mut rounds, mut halves, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.scale.rounds {
        let count = bench.scale.fresh_blocks;
        let (pushes, durations) =
            series(&mut writer, store, count, &mut random, &mut arrivals).await?;
        rounds.push((ms(percentile(&pushes, 95)), ms(ALLOWED)));
        halves.push(ms(percentile(&pushes, 50)));
        commits.push(ms(percentile(&durations, 95)));
    }
    listeners.shutdown().await;
    api.stop().await?;
    drop(writer);
    let note = format!(
        "p95 from the end of a durable commit of one block x 10 tx, as its writer sees it, to its \
         event at each of {CONNECTIONS} listeners of /v1/events/stream, median of {} rounds of {} \
         blocks at random moments; p50 {:.1} ms; the commits themselves took {:.1} ms at p95; \
         anchor: {} ms",
        bench.scale.rounds,
        bench.scale.fresh_blocks,
        median(&halves),
        median(&commits),
        ALLOWED.as_millis()
    );
    bench.add(Outcome::new(
        "stream.push",
        "ms",
        &rounds,
        Goal::AtMost(1.0),
        store.dataset.clone(),
        note,
    ));
    Ok(())
}

/// Opens a stream of blocks; returns when the server has said where it begins.
async fn open(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&get("/v1/events/stream?type=block.applied")).await?;
    let (mut seen, mut chunk) = (Vec::new(), vec![0; READ_BYTES]);
    while !seen.windows(7).any(|window| window == b"retry: ") {
        let count = tokio::time::timeout(WAIT_MAX, stream.read(&mut chunk)).await??;
        anyhow::ensure!(count > 0, "no stream: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
    Ok(stream)
}

/// Tells when each block arrives.
async fn listen(mut stream: TcpStream, arrived: mpsc::Sender<Instant>) -> anyhow::Result<()> {
    const NAME: &[u8] = b"event: block.applied\n";
    let (mut text, mut chunk) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        let count = stream.read(&mut chunk).await?;
        anyhow::ensure!(count > 0, "the stream ended");
        let now = Instant::now();
        text.extend_from_slice(chunk.get(..count).unwrap_or_default());
        while let Some(at) = text.windows(NAME.len()).position(|window| window == NAME) {
            text.drain(..at + NAME.len());
            arrived.send(now).await?;
        }
        let kept = text.len().saturating_sub(OVERLAP_BYTES);
        text.drain(..kept);
    }
}

/// Commits blocks one by one: the times from each commit to each listener, and of the commits.
async fn series(
    writer: &mut Writer,
    store: &LiveStore,
    count: usize,
    random: &mut Random,
    arrivals: &mut mpsc::Receiver<Instant>,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let mut pushes = Vec::with_capacity(count * CONNECTIONS);
    let mut commits = Vec::with_capacity(count);
    for _ in 0..count {
        tokio::time::sleep(Duration::from_millis(50 + random.below(150))).await;
        let rows = rows_of(&[block_at(&store.chain, store.chain.mine(1))?])?;
        let started = Instant::now();
        writer.commit(&append(&rows, true)).await?;
        let committed = Instant::now();
        commits.push(committed.saturating_duration_since(started));
        for _ in 0..CONNECTIONS {
            let arrival = tokio::time::timeout(WAIT_MAX, arrivals.recv()).await;
            let arrival = arrival.context("a listener never had the block")?;
            let arrival = arrival.context("the listeners are gone")?;
            pushes.push(arrival.saturating_duration_since(committed));
        }
    }
    Ok((pushes, commits))
}
