//! Clients that do not mean well, over real sockets. Limits are short here, and outcomes are looked
//! at, never times: whatever must end is waited for with a patience that no machine needs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod http2;
mod overload;
mod shapes;
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use chert_api::{ApiSettings, ApiState, ConnectionLimits};
use chert_store::{PoolSettings, Store};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Beyond this a test fails rather than waits.
const PATIENCE: Duration = Duration::from_secs(30);

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Limits that a test need not wait long for; those it does not look at are out of reach.
fn limits() -> ConnectionLimits {
    ConnectionLimits {
        per_client_max: 0,
        head_time_max: PATIENCE * 10,
        idle_time_max: PATIENCE * 10,
        stall_time_max: PATIENCE * 10,
        body_time_max: PATIENCE * 10,
        ..ConnectionLimits::default()
    }
}

/// A server without a database: what is tested here comes before it.
async fn serve(connections: ConnectionLimits) -> SocketAddr {
    serve_with(ApiSettings { connections, ..support::settings() }).await
}

async fn serve_with(settings: ApiSettings) -> SocketAddr {
    let nowhere = PoolSettings::new("postgres://x@127.0.0.1:1/x");
    serve_store(Store::connect_lazy(&nowhere).unwrap(), settings).await
}

async fn serve_store(store: Store, settings: ApiSettings) -> SocketAddr {
    let metrics = METRICS.get_or_init(|| chert_api::metrics::install().unwrap()).clone();
    let state = ApiState::new(store, settings, metrics);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(chert_api::serve(listener, state, std::future::pending()));
    address
}

/// Sends bytes, and reads until the server closes.
async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has heard enough may close before all is sent.
    let _ = stream.write_all(bytes.as_ref()).await;
    rest_of(&mut stream).await
}

/// What comes until the server closes, or breaks off.
async fn rest_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let reading = stream.read_to_end(&mut received);
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("the server must close");
    received
}

/// The answers in what a server sent, as text.
async fn answer(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(&exchange(address, request).await).into_owned()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The value of a metric, with its labels as `/metrics` writes them.
async fn metric(address: SocketAddr, name: &str) -> f64 {
    metric_over(TcpStream::connect(address).await.unwrap(), name).await
}

/// The same over a connection that stands already.
async fn metric_over(mut stream: impl AsyncRead + AsyncWrite + Unpin, name: &str) -> f64 {
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = Vec::new();
    // A TLS connection may end without its last word.
    let _ = stream.read_to_end(&mut text).await;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

/// Whether the server answers an ordinary client.
async fn assert_well(address: SocketAddr) {
    let request = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(status_of(&answer(address, request).await), 200);
}
