//! The two plain HTTP documents of a node (§8.17, §8.19).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Node;
use crate::miner::now_ms;

const EPOCH_MS: u64 = 1_800_000;

pub(super) async fn get_health(State(node): State<Arc<Node>>) -> Json<Value> {
    Json(health(&node, node.lag(0)))
}

pub(super) async fn get_alerts() -> Json<Value> {
    Json(json!({
        "node_id": "PEERdevnet",
        "timestamp": now_ms() / 1000,
        "alert_count": 0,
        "active_alerts": [],
        "alert_history": [],
    }))
}

pub(super) fn health(node: &Node, lag: u64) -> Value {
    let height = node.chain.visible_tip(lag);
    let validators = node.chain.recipe().book.validators;
    let uptime = node.started.elapsed();
    let elapsed_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
    json!({
        "status": "healthy",
        "version": env!("CARGO_PKG_VERSION"),
        "node_type": "devnet",
        "uptime_seconds": uptime.as_secs(),
        "timestamp": now_ms() / 1000,
        "consensus_status": {
            // A lagging replica does not know that it lags.
            "is_synced": true,
            "current_height": height,
            "dag_tip_commit_index": height.saturating_mul(3).saturating_add(2),
            "finalized_commit_index": height.saturating_mul(3),
            "dag_finality_gap": 2,
            "tx_queue_size": 0,
            "pending_finality_certs": 0,
            "tephra_gossip_sync_rounds": height,
            "tephra_events_ingested": height,
            "tephra_events_sent": height,
            "tephra_event_store_size": 4096,
            "validator_count": validators,
            "committee_size": validators,
            "epoch": elapsed_ms / EPOCH_MS,
            "epoch_duration_ms": EPOCH_MS,
            "epoch_elapsed_ms": elapsed_ms % EPOCH_MS,
            "time_to_next_epoch_ms": EPOCH_MS - elapsed_ms % EPOCH_MS,
            "startup_gate_active": false,
            "startup_ready_peers": 0,
            "startup_expected_ready_peers": 0,
            "startup_vrf_ready_peers": 0,
            "startup_expected_vrf_ready_peers": 0,
            "startup_wait_ms": 0,
            "startup_peer_readiness": [],
        },
        "network_status": {
            "peer_count": 0,
            "connected_peer_count": 0,
            "total_peers": 0,
            "connected_peers": [],
            "bootstrap_peers": 0,
            "message_success_rate": 1.0,
            "average_latency_ms": 0.0,
            "connection_quality": 1.0,
        },
    })
}
