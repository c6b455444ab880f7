//! The operational routes alone, for a process that indexes and serves nothing else.

use std::future::Future;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::routes::health::{get_health, get_metrics, get_readiness};
use crate::server::{Acceptor, ConnectionLimits};
use crate::snapshot;
use crate::state::ApiState;

/// Serves `/health`, `/health/ready` and `/metrics` until `shutdown` ends.
pub async fn serve_operations(
    listener: TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let stop = CancellationToken::new();
    let refresher = tokio::spawn(snapshot::keep_fresh(state.clone(), stop.clone()));
    let router = Router::new()
        .route("/health", get(get_health))
        .route("/health/ready", get(get_readiness))
        .route("/metrics", get(get_metrics))
        .with_state(state);
    // Loopback or an inside network: every client is the operator's.
    let limits = ConnectionLimits { per_client_max: 0, ..ConnectionLimits::default() };
    Acceptor::new(limits, Vec::new(), None).run(listener, router, shutdown).await;
    stop.cancel();
    if refresher.await.is_err() {
        tracing::error!("the snapshot task panicked");
    }
    Ok(())
}
