//! The gRPC port: `chert.api.v1`, health tied to the readiness checks, reflection.

use std::net::SocketAddr;

use anyhow::Context;
use chert_api::ApiState;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Binds and serves until `stop`; returns the bound address.
pub async fn start(
    address: SocketAddr,
    state: ApiState,
    stop: CancellationToken,
) -> anyhow::Result<(SocketAddr, JoinHandle<anyhow::Result<()>>)> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen for gRPC on {address}; choose another with --grpc")
    })?;
    let bound = listener.local_addr()?;
    let server = chert_api::grpc::serve(listener, state, stop.cancelled_owned());
    Ok((bound, tokio::spawn(async move { server.await.context("the gRPC server failed") })))
}
