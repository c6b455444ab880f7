//! The router, and serving it.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::auth::nonces;
use crate::middleware::{self, encoding};
use crate::state::ApiState;
use crate::{grpc, routes, snapshot, stream};

/// How long requests in flight may go on after the stop signal.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Every route under the whole middleware, and gRPC-Web under its own.
pub fn router(state: ApiState) -> Router {
    let edge = axum::middleware::from_fn_with_state(state.clone(), middleware::edge);
    routes::router()
        .layer(DefaultBodyLimit::max(middleware::BODY_BYTES_MAX))
        .layer(encoding::layer())
        .layer(edge)
        .with_state(state.clone())
        .merge(grpc::web_router(state))
}

/// Serves until `shutdown` ends, then lets requests in flight finish.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let stop = CancellationToken::new();
    let refresher = tokio::spawn(snapshot::keep_fresh(state.clone(), stop.clone()));
    let sweeper = tokio::spawn(nonces::keep_short(state.clone(), stop.clone()));
    let reader = tokio::spawn(stream::keep_reading(state.clone(), stop.clone()));
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    // Answers are written whole: waiting for more to send would only delay them.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
    });
    let stopping = stop.clone();
    let signal = async move {
        shutdown.await;
        stopping.cancel();
    };
    let serving = axum::serve(listener, service).with_graceful_shutdown(signal).into_future();
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    let outcome = tokio::select! {
        outcome = serving => outcome,
        () = deadline => {
            tracing::warn!("connections were still open after the drain time; closing them");
            Ok(())
        }
    };
    stop.cancel();
    if refresher.await.is_err() {
        tracing::error!("the snapshot task panicked");
    }
    if sweeper.await.is_err() {
        tracing::error!("the task that forgets nonces panicked");
    }
    if reader.await.is_err() {
        tracing::error!("the task that reads the event log panicked");
    }
    outcome
}
