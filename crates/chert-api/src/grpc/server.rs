//! The gRPC port: HTTP/2 without TLS, every limit of a connection named here.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;
use tower::ServiceExt;

use super::health;
use crate::state::ApiState;

/// Connections at the same time at most.
const CONNECTIONS_MAX: usize = 1024;
/// Calls and streams of one connection at the same time at most.
const STREAMS_MAX: u32 = 100;
/// Headers of a call at most, in bytes; ML-DSA signatures with their keys take 10 KiB of it.
const HEADER_BYTES_MAX: u32 = 32 << 10;
/// Streams that a client may reset before they were looked at (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
/// What one stream may have waiting to be sent, in bytes.
const SEND_BUFFER_BYTES_MAX: usize = 256 << 10;
/// A connection that says nothing is asked after this, and closed if it does not answer in time.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long calls in flight may go on after the stop signal.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept: no file is left, mostly, and asking at once finds none either.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves gRPC until `shutdown` ends, then lets calls in flight finish. Streams end with it.
///
/// # Errors
/// Where the services cannot be described, which a test would have seen.
pub async fn serve(
    listener: TcpListener,
    api: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let reporter = HealthReporter::new();
    let router = super::router(api.clone(), reporter.clone()).map_err(std::io::Error::other)?;
    let stop = CancellationToken::new();
    let checks = tokio::spawn(health::keep(reporter, api, stop.clone()));
    let connections = Connections::new(router);
    tokio::select! {
        () = accept(&listener, &connections) => {}
        () = shutdown => {}
    }
    drop(listener);
    stop.cancel();
    tokio::select! {
        () = connections.graceful.shutdown() => {}
        () = tokio::time::sleep(DRAIN_MAX) => {
            tracing::warn!("gRPC calls were still open after the drain time; closing them");
        }
    }
    if checks.await.is_err() {
        tracing::error!("the task that keeps gRPC health panicked");
    }
    Ok(())
}

struct Connections {
    http: http2::Builder<TokioExecutor>,
    router: Router,
    permits: Arc<Semaphore>,
    graceful: GracefulShutdown,
}

impl Connections {
    fn new(router: Router) -> Self {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_BYTES_MAX)
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { http, router, permits, graceful: GracefulShutdown::new() }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            metrics::counter!("chert_grpc_connections_refused_total").increment(1);
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let router = self.router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a gRPC connection ended");
            }
            drop(permit);
        });
    }
}

async fn accept(listener: &TcpListener, connections: &Connections) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => connections.serve(stream, peer),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a gRPC connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
