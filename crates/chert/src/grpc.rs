//! The gRPC port: health checking (grpc.health.v1), tied to what `/health/ready` says.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use chert_api::ApiState;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Binds and serves until `stop`; returns the bound address.
pub async fn start(
    address: SocketAddr,
    state: ApiState,
    stop: CancellationToken,
) -> anyhow::Result<(SocketAddr, tokio::task::JoinHandle<anyhow::Result<()>>)> {
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen for gRPC on {address}; choose another with --grpc")
    })?;
    let bound = listener.local_addr()?;
    let (reporter, service) = tonic_health::server::health_reporter();
    let checks = stop.clone();
    tokio::spawn(async move {
        loop {
            let status = if state.is_ready().await {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            reporter.set_service_status("", status).await;
            tokio::select! {
                () = tokio::time::sleep(CHECK_EVERY) => {}
                () = checks.cancelled() => return,
            }
        }
    });
    let server = tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled_owned());
    Ok((bound, tokio::spawn(async move { server.await.context("the gRPC server failed") })))
}
