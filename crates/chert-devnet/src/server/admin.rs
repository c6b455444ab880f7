//! Levers for tests against the running binary: mine, reorganise, fail.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Node;
use crate::faults::FaultPlan;

/// One request mines at most this many blocks, so that it ends in seconds.
const MINE_COUNT_MAX: u64 = 100_000;

pub(super) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/admin/mine", post(mine))
        .route("/admin/reorg", post(reorg))
        .route("/admin/faults", post(set_faults).delete(clear_faults))
}

#[derive(Debug, Deserialize)]
struct MineQuery {
    count: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ReorgQuery {
    depth: u64,
    /// One more than the depth unless given.
    length: Option<u64>,
}

async fn mine(
    State(node): State<Arc<Node>>,
    Query(query): Query<MineQuery>,
) -> Result<Json<Value>, StatusCode> {
    change(node, 0, query.count.unwrap_or(1)).await
}

async fn reorg(
    State(node): State<Arc<Node>>,
    Query(query): Query<ReorgQuery>,
) -> Result<Json<Value>, StatusCode> {
    let length = query.length.unwrap_or(query.depth.saturating_add(1));
    change(node, query.depth, length).await
}

async fn change(node: Arc<Node>, depth: u64, length: u64) -> Result<Json<Value>, StatusCode> {
    if length > MINE_COUNT_MAX {
        return Err(StatusCode::BAD_REQUEST);
    }
    let work = tokio::task::spawn_blocking(move || {
        node.chain.reorg(depth, length);
        let (height, hash) = node.chain.tip();
        json!({ "block_number": height, "block_hash": hash })
    });
    work.await.map(Json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn set_faults(State(node): State<Arc<Node>>, Json(plan): Json<FaultPlan>) -> StatusCode {
    node.faults.set(plan);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(node): State<Arc<Node>>) -> StatusCode {
    node.faults.clear();
    StatusCode::NO_CONTENT
}
