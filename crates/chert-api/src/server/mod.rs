//! The router, and serving it.

mod accept;
mod activity;
mod clients;
mod connection;
mod limits;
mod tls;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use accept::Acceptor;
pub use limits::ConnectionLimits;
pub use tls::{Tls, TlsError};

use crate::auth::nonces;
use crate::body::BODY_BYTES_MAX;
use crate::middleware::{self, encoding};
use crate::state::ApiState;
use crate::{grpc, routes, snapshot, stream};

/// How long a task may take to end.
const TASK_END_MAX: Duration = Duration::from_secs(1);

/// Every route under the whole middleware, and gRPC-Web under its own.
pub fn router(state: ApiState) -> Router {
    let edge = axum::middleware::from_fn_with_state(state.clone(), middleware::edge);
    routes::router()
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(encoding::layer())
        .layer(edge)
        .with_state(state.clone())
        .merge(grpc::web_router(state))
}

/// Serves until `shutdown` ends, then lets requests in flight finish.
///
/// # Errors
/// None today: what goes wrong on one connection ends that connection.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let stop = CancellationToken::new();
    let refresher = tokio::spawn(snapshot::keep_fresh(state.clone(), stop.clone()));
    let sweeper = tokio::spawn(nonces::keep_short(state.clone(), stop.clone()));
    let reader = tokio::spawn(stream::keep_reading(state.clone(), stop.clone()));
    if let Some(valkey) = state.settings().valkey.clone() {
        tokio::spawn(valkey.keep(stop.clone()));
    }
    let settings = state.settings();
    let acceptor = Acceptor::new(
        settings.connections.clone(),
        settings.trusted_proxies.clone(),
        settings.tls.clone(),
    );
    let stopping = stop.clone();
    // Event streams end with the signal: they would hold up the drain.
    let signal = async move {
        shutdown.await;
        stopping.cancel();
    };
    acceptor.run(listener, router(state), signal).await;
    stop.cancel();
    tokio::join!(
        end("snapshot", refresher),
        end("forgetting of nonces", sweeper),
        end("reading of the event log", reader),
    );
    Ok(())
}

/// Waits for a task that was told to stop; one that waits for a database that does not answer is
/// ended, since none of them holds anything that matters.
pub(crate) async fn end(what: &'static str, mut task: JoinHandle<()>) {
    match tokio::time::timeout(TASK_END_MAX, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::error!(what, "a task panicked"),
        Err(_) => task.abort(),
    }
}
