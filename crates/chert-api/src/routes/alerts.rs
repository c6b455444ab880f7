//! `GET /alerts` as a node has it (contract §8.19): what is wrong at the moment, from memory.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::answer::now_ms;
use crate::error::Problem;
use crate::snapshot::Snapshot;
use crate::state::ApiState;

/// Blocks behind the node from which on it is worth an alert.
const LAG_BLOCKS_MAX: i64 = 10;
const MS_PER_S: i64 = 1_000;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alerts {
    /// `chert-api`.
    #[schema(example = "chert-api")]
    pub node_id: &'static str,
    /// Unix seconds.
    #[schema(example = 1783073731)]
    pub timestamp: i64,
    /// Alerts that hold now.
    #[schema(example = 1)]
    pub alert_count: usize,
    /// They themselves.
    pub active_alerts: Vec<Alert>,
    /// Not kept: empty.
    #[schema(value_type = Vec<Object>)]
    pub alert_history: [u8; 0],
}

/// Something that is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alert {
    /// `database_unreachable`, `node_unreachable`, `indexer_stalled`, `index_behind`,
    /// `source_unhealthy`.
    #[schema(example = "index_behind")]
    pub code: &'static str,
    /// `critical` or `warning`.
    #[schema(example = "warning")]
    pub severity: &'static str,
    /// A sentence.
    #[schema(example = "The index is 12 blocks behind the node")]
    pub message: String,
    /// Unix seconds.
    #[schema(example = 1783073700)]
    pub timestamp: i64,
    /// Always false: what is over is not listed.
    pub resolved: bool,
    /// Figures.
    #[schema(value_type = Object)]
    pub details: Value,
}

fn alert(code: &'static str, severity: &'static str, message: String, details: Value) -> Alert {
    let timestamp = now_ms() / MS_PER_S;
    Alert { code, severity, message, timestamp, resolved: false, details }
}

fn alerts_of(snapshot: &Snapshot, now_ms: i64) -> Vec<Alert> {
    let mut alerts = Vec::new();
    if !snapshot.database_ok {
        let message = "The database does not answer".to_owned();
        alerts.push(alert("database_unreachable", "critical", message, json!({})));
    }
    let Some(status) = &snapshot.status else { return alerts };
    if !snapshot.node_ok(now_ms) {
        let message = "No node has answered lately".to_owned();
        let details = json!({ "seen_at_ms": status.progress.node_seen_at_ms });
        alerts.push(alert("node_unreachable", "critical", message, details));
    }
    if !snapshot.progress_ok(now_ms) {
        let message = "The indexer has not finished a round lately".to_owned();
        let details = json!({ "progressed_at_ms": status.progress.progressed_at_ms });
        alerts.push(alert("indexer_stalled", "critical", message, details));
    }
    let behind = status.checkpoint.lag_blocks();
    if behind > LAG_BLOCKS_MAX {
        let message = format!("The index is {behind} blocks behind the node");
        alerts.push(alert("index_behind", "warning", message, json!({ "blocks": behind })));
    }
    for source in &status.sources {
        if !matches!(source.state.as_str(), "healthy" | "unknown") {
            let message = format!("The {} {} is {}", source.kind, source.name, source.state);
            let details = json!({ "source": source.name, "last_error": source.last_error });
            alerts.push(alert("source_unhealthy", "warning", message, details));
        }
    }
    alerts
}

/// What is wrong at the moment.
///
/// In a node's own shape, from memory, always 200. Alerts that are over are not kept.
#[utoipa::path(
    get, path = "/alerts", tag = "node",
    responses((status = 200, description = "What is wrong", body = Alerts))
)]
pub async fn get_alerts(State(api): State<ApiState>) -> Result<Response, Problem> {
    let now_ms = now_ms();
    let active_alerts = alerts_of(&api.snapshot(), now_ms);
    let alerts = Alerts {
        node_id: "chert-api",
        timestamp: now_ms / MS_PER_S,
        alert_count: active_alerts.len(),
        active_alerts,
        alert_history: [],
    };
    let body = serde_json::to_vec(&alerts).map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, JSON)], body).into_response())
}
