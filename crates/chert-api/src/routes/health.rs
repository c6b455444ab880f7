//! Whether the process lives, whether it should get traffic, and its metrics.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::now_ms;
use crate::error::Problem;
use crate::middleware::Verbatim;
use crate::snapshot::{NODE_SEEN_MS_MAX, PROGRESS_MS_MAX};
use crate::state::ApiState;

/// The database must answer within this time.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
const READY: &str = "ready";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

/// Health in the node's own shape, so that what reads a node's health can read ours.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy` or `degraded`.
    #[schema(example = "healthy")]
    pub status: &'static str,
    /// Version of this server.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
    /// `api`.
    #[schema(example = "api")]
    pub node_type: &'static str,
    /// Seconds since the start.
    #[schema(example = 86400)]
    pub uptime_seconds: u64,
    /// Unix seconds.
    #[schema(example = 1783073731)]
    pub timestamp: i64,
    /// Progress.
    pub consensus_status: ConsensusHealth,
    /// Sources.
    pub network_status: NetworkHealth,
}

/// Progress in the node's shape; what only a consensus node knows is 0.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ConsensusHealth {
    /// Whether the index is at the node's tip.
    pub is_synced: bool,
    /// Last indexed block.
    #[schema(example = 18427)]
    pub current_height: i64,
    /// Not known here: 0.
    pub dag_tip_commit_index: i64,
    /// Not known here: 0.
    pub finalized_commit_index: i64,
    /// Not known here: 0.
    pub dag_finality_gap: i64,
    /// Not known here: 0.
    pub tx_queue_size: i64,
    /// Not known here: 0.
    pub pending_finality_certs: i64,
    /// Not known here: 0.
    pub tephra_gossip_sync_rounds: i64,
    /// Not known here: 0.
    pub tephra_events_ingested: i64,
    /// Not known here: 0.
    pub tephra_events_sent: i64,
    /// Not known here: 0.
    pub tephra_event_store_size: i64,
    /// Not known here: 0.
    pub validator_count: i64,
    /// Not known here: 0.
    pub committee_size: i64,
    /// Not known here: 0.
    pub epoch: i64,
    /// Not known here: 0.
    pub epoch_duration_ms: i64,
    /// Not known here: 0.
    pub epoch_elapsed_ms: i64,
    /// Not known here: 0.
    pub time_to_next_epoch_ms: i64,
    /// Never.
    pub startup_gate_active: bool,
    /// Not known here: 0.
    pub startup_ready_peers: i64,
    /// Not known here: 0.
    pub startup_expected_ready_peers: i64,
    /// Not known here: 0.
    pub startup_vrf_ready_peers: i64,
    /// Not known here: 0.
    pub startup_expected_vrf_ready_peers: i64,
    /// Not known here: 0.
    pub startup_wait_ms: i64,
    /// Not known here: none.
    #[schema(value_type = Vec<Object>)]
    pub startup_peer_readiness: [u8; 0],
}

/// Sources in the node's shape.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct NetworkHealth {
    /// Sources known.
    pub peer_count: usize,
    /// Sources that are healthy.
    pub connected_peer_count: usize,
    /// Sources known.
    pub total_peers: usize,
    /// Names of healthy sources.
    pub connected_peers: Vec<String>,
    /// Sources known.
    pub bootstrap_peers: usize,
    /// Share of sources that are healthy, 0 to 1.
    pub message_success_rate: f64,
    /// Not known here: 0.
    pub average_latency_ms: f64,
    /// Share of sources that are healthy, 0 to 1.
    pub connection_quality: f64,
}

/// Whether the process lives.
///
/// Always 200, from memory, without asking the database. `degraded` when the database or the node
/// does not answer or the index is behind.
#[utoipa::path(
    get, path = "/health", tag = "operations",
    responses((status = 200, description = "The process lives", body = Health))
)]
pub async fn get_health(State(api): State<ApiState>) -> Result<Response, Problem> {
    let snapshot = api.snapshot();
    let now_ms = now_ms();
    let consensus_status = snapshot.checkpoint().map(|checkpoint| ConsensusHealth {
        is_synced: snapshot.healthy(now_ms) && checkpoint.lag_blocks() <= 1,
        current_height: checkpoint.height.max(0),
        ..ConsensusHealth::default()
    });
    let health = Health {
        status: if snapshot.healthy(now_ms) { "healthy" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        node_type: "api",
        uptime_seconds: api.uptime().as_secs(),
        timestamp: now_ms / 1000,
        consensus_status: consensus_status.unwrap_or_default(),
        network_status: network_health(&api),
    };
    json(StatusCode::OK, &health)
}

fn network_health(api: &ApiState) -> NetworkHealth {
    let snapshot = api.snapshot();
    let sources = snapshot.status.as_ref().map(|s| s.sources.as_slice()).unwrap_or_default();
    let healthy = sources.iter().filter(|s| s.state == "healthy");
    let connected_peers: Vec<String> = healthy.map(|s| s.name.clone()).collect();
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand sources")]
    let share = connected_peers.len() as f64 / sources.len().max(1) as f64;
    NetworkHealth {
        peer_count: sources.len(),
        connected_peer_count: connected_peers.len(),
        total_peers: sources.len(),
        bootstrap_peers: sources.len(),
        message_success_rate: share,
        average_latency_ms: 0.0,
        connection_quality: share,
        connected_peers,
    }
}

/// One thing that must be so before traffic makes sense.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// `database`, `node` or `progress`.
    #[schema(example = "database")]
    pub name: &'static str,
    /// Whether it is so.
    pub ok: bool,
    /// What was looked at.
    #[schema(example = "answered within 1 s")]
    pub detail: String,
}

/// Whether the process should get traffic.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    pub status: &'static str,
    /// Each check.
    pub checks: [Check; 3],
}

/// Whether the process should get traffic.
///
/// 200 only with the database reachable, a node reached within the last 30 s and the indexer's
/// progress within 45 s.
#[utoipa::path(
    get, path = "/health/ready", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready; the checks say why", body = Readiness),
    )
)]
pub async fn get_readiness(State(api): State<ApiState>) -> Result<Response, Problem> {
    let readiness = readiness(&api).await;
    let ready = readiness.is_ready();
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &readiness)
}

impl Readiness {
    /// Whether every check holds.
    pub(crate) fn is_ready(&self) -> bool {
        self.status == READY
    }
}

/// Makes the checks.
pub(crate) async fn readiness(api: &ApiState) -> Readiness {
    let ping = tokio::time::timeout(PING_TIMEOUT, api.store().ping()).await;
    let database = matches!(ping, Ok(Ok(())));
    let snapshot = api.snapshot();
    let now_ms = now_ms();
    let progress = snapshot.status.as_ref().map(|s| &s.progress);
    let age = |at_ms: Option<i64>| match at_ms.filter(|at| *at > 0) {
        Some(at) => format!("{} ms ago", now_ms.saturating_sub(at).max(0)),
        None => "never".to_owned(),
    };
    let node_age = age(progress.map(|p| p.node_seen_at_ms));
    let progress_age = age(progress.map(|p| p.progressed_at_ms));
    let database_detail = if database { "answered within 1 s" } else { "no answer within 1 s" };
    let checks = [
        Check { name: "database", ok: database, detail: database_detail.to_owned() },
        Check {
            name: "node",
            ok: snapshot.node_ok(now_ms),
            detail: format!("last answer {node_age}; at most {NODE_SEEN_MS_MAX} ms allowed"),
        },
        Check {
            name: "progress",
            ok: snapshot.progress_ok(now_ms),
            detail: format!("last round {progress_age}; at most {PROGRESS_MS_MAX} ms allowed"),
        },
    ];
    let ready = checks.iter().all(|check| check.ok);
    Readiness { status: if ready { READY } else { "not_ready" }, checks }
}

/// Metrics.
///
/// In Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "All metrics", body = String,
               content_type = "text/plain"))
)]
pub async fn get_metrics(State(api): State<ApiState>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TEXT)], api.render_metrics()).into_response()
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(Problem::internal)?;
    let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
    response.extensions_mut().insert(Verbatim);
    Ok(response)
}
