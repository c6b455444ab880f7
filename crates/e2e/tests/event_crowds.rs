//! Many listeners, and one who does not listen.
#![expect(clippy::expect_used, reason = "a failure is the test's failure")]

use std::time::Duration;

use anyhow::{Context, ensure};
use chert_api::stream::StreamSettings;
use chert_devnet::{Chain, ChainConfig, Profile};
use e2e::api::Api;
use e2e::events::EventStream;
use e2e::stage::Stage;
use e2e::{fast_settings, wait_until};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const LISTENERS: usize = 1_000;
const BLOCKS: u64 = 10;
/// What one listener may take in this process, its own end of the socket included, in bytes.
const LISTENER_BYTES_MAX: f64 = 100_000.0;
/// Statements about the log that all listeners together may cost: a few per commit and per second
/// of the one reader, whatever their number.
const STATEMENTS_MAX: f64 = 200.0;
/// Blocks mined past the listener that does not listen, and at a time: fewer events than the window.
const MINED: u64 = 120;
const STEP: u64 = 10;
/// Receive buffer of the listener that does not listen, in bytes.
const SMALL_BUFFER: u32 = 4_096;

fn chain(seed: u64, history: u64, txs: u64) -> Chain {
    let (profile, block_time) = (Profile::fixed(txs), Duration::from_secs(600));
    Chain::new(ChainConfig { seed, history, block_time, profile, ..ChainConfig::default() })
}

/// Statements about the event log so far, of this process.
async fn statements(api: &Api) -> anyhow::Result<f64> {
    let (_, text) = api.ask_text("/metrics").await?;
    let ours = text.lines().filter(|line| {
        line.starts_with("chert_store_query_seconds_count")
            && ["event", "block_rows", "list_public", "guard_identity"]
                .iter()
                .any(|name| line.contains(name))
    });
    ours.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()?)).sum()
}

/// A bare connection: a thousand of another kind would measure the client.
async fn listen(api: &Api) -> anyhow::Result<TcpStream> {
    let address = api.base().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    let request = "GET /v1/events/stream?type=block.applied HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    read_until(&mut stream, &mut Vec::new(), 1, "retry: ").await?;
    Ok(stream)
}

async fn read_until(
    stream: &mut TcpStream,
    text: &mut Vec<u8>,
    times: u64,
    part: &str,
) -> anyhow::Result<()> {
    let mut chunk = vec![0; 4_096];
    while (String::from_utf8_lossy(text).matches(part).count() as u64) < times {
        let count = stream.read(&mut chunk).await?;
        ensure!(count > 0, "the stream ended: {}", String::from_utf8_lossy(text));
        text.extend_from_slice(chunk.get(..count).context("a part of the chunk")?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_listeners_cost_no_statement_each_and_little_memory() {
    let stage = Stage::indexed(chain(21, 5, 2), fast_settings()).await.expect("a stage");
    let bounds =
        StreamSettings { max_subscribers_per_ip: LISTENERS + 1, ..StreamSettings::default() };
    let api = Api::start_with(&stage.database.url, bounds).await.expect("a server");
    let mut marker = EventStream::open(&api, "?type=block.applied", None).await.expect("a stream");
    let memory = api.metric("chert_process_resident_bytes").await.expect("a metric");
    let before = statements(&api).await.expect("metrics");
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        listeners.push(listen(&api).await.expect("a listener"));
    }
    let open = api.metric("chert_stream_subscribers").await.expect("a metric");
    assert!(open > 1_000.0, "{open} streams are open");
    for _ in 0..BLOCKS {
        stage.chain.mine(1);
        marker.event().await.expect("a block");
    }
    for (place, listener) in listeners.iter_mut().enumerate() {
        let every = read_until(listener, &mut Vec::new(), BLOCKS, "event: block.applied").await;
        every.unwrap_or_else(|error| panic!("listener {place}: {error:#}"));
    }
    let cost = statements(&api).await.expect("metrics") - before;
    assert!(cost < STATEMENTS_MAX, "{cost} statements for {LISTENERS} listeners");
    let grown = api.metric("chert_process_resident_bytes").await.expect("a metric") - memory;
    let most = LISTENER_BYTES_MAX * 1_000.0;
    assert!(grown < most, "{grown} bytes for {LISTENERS} listeners");
    drop(listeners);
    wait_until("the places are free", async || {
        Ok(api.metric("chert_stream_subscribers").await? < 10.0)
    })
    .await
    .expect("free places");
    drop(marker);
    api.finish().await.expect("the server ends in order");
}

/// The frames in what a chunked answer carries, as (id, event).
fn frames(text: &str) -> Vec<(i64, String)> {
    let mut frames = Vec::new();
    let mut id = -1;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("id: ") {
            id = number.trim().parse().expect("a number");
        } else if let Some(event) = line.strip_prefix("event: ") {
            frames.push((id, event.trim().to_owned()));
        }
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_does_not_listen_is_cut_off_and_can_resume() {
    let mut stage = Stage::indexed(chain(22, 2, 120), fast_settings()).await.expect("a stage");
    let bounds = StreamSettings {
        window_events: 2_000,
        behind_max: Duration::ZERO,
        ..StreamSettings::default()
    };
    let api = Api::start_with(&stage.database.url, bounds).await.expect("a server");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(SMALL_BUFFER).expect("a small buffer");
    let address = api.base().trim_start_matches("http://").parse().expect("an address");
    let mut deaf = socket.connect(address).await.expect("a connection");
    let request = "GET /v1/events/stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    deaf.write_all(request.as_bytes()).await.expect("a request");
    let mut text = Vec::new();
    read_until(&mut deaf, &mut text, 1, "retry: ").await.expect("an opening");
    // More than the buffers on both sides take; the server must keep none of it. Another listener
    // tells that the server has read the log so far.
    let mut marker = EventStream::open(&api, "?type=block.applied", None).await.expect("a stream");
    for _ in 0..MINED / STEP {
        stage.chain.mine(STEP);
        for _ in 0..STEP {
            marker.event().await.expect("a block");
        }
    }
    stage.stop().await.expect("the indexer stops");
    let page = api.get("/v1/events?limit=1").await.expect("a page");
    let last = page["last_seq"].as_i64().expect("last_seq");
    let mut rest = Vec::new();
    deaf.read_to_end(&mut rest).await.expect("the end of the stream");
    text.extend(rest);
    let frames = frames(&String::from_utf8_lossy(&text));
    let (cut, told) = frames.split_last().expect("frames");
    assert_eq!(cut.1, "cut", "the last frames are {:?}", &frames[frames.len() - 3..]);
    let numbers: Vec<i64> = told.iter().map(|(id, _)| *id).collect();
    let first = numbers.first().copied().expect("an event");
    assert_eq!(numbers, Vec::from_iter(first..=cut.0), "gaps before the cut");
    assert!(cut.0 < last, "everything fitted into the buffers");
    assert!(String::from_utf8_lossy(&text).contains("\"reason\":\"slow\""));
    let mut again = EventStream::open(&api, "", Some(cut.0)).await.expect("a stream");
    for seq in cut.0 + 1..=last {
        let event: Value = again.event().await.expect("an event");
        assert_eq!(event["seq"], seq);
    }
    api.finish().await.expect("the server ends in order");
}
