//! The gRPC port: the same connections as the HTTP port's, with the same bounds.

use std::future::Future;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use super::health;
use crate::server::{Acceptor, end};
use crate::state::ApiState;

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
    let settings = api.settings();
    let acceptor = Acceptor::new(
        settings.connections.clone(),
        settings.trusted_proxies.clone(),
        settings.tls.clone(),
    );
    let checks = tokio::spawn(health::keep(reporter, api.clone(), stop.clone()));
    let stopping = stop.clone();
    let signal = async move {
        shutdown.await;
        stopping.cancel();
    };
    acceptor.run(listener, router, signal).await;
    stop.cancel();
    end("gRPC health", checks).await;
    Ok(())
}
