//! The network as far as it is known here: who it is, its validators, its nodes (contract §2.12,
//! §8.15, §8.16, §8.20).

use std::sync::Arc;

use chert_store::entities::counter::node_query::get_fee_levels;
use chert_store::entities::governance::query::node_sums::{ValidatorRow, list_validators};
use serde::Serialize;
use serde_json::{Value, json};
use silica_models::Timestamp;

use super::dispatch::{Rpc, known};
use super::names::Method;
use super::staking::activity;
use super::{Outcome, passthrough};
use crate::answer::{Answer, Freshness, now_ms};
use crate::state::ApiState;

/// Blocks behind the node at which the index still counts as being at the tip.
const SYNCED_BLOCKS_MAX: i64 = 1;
const PER_CENT: f64 = 100.0;

#[derive(Serialize)]
struct NetworkJson<'a> {
    validators: Vec<ValidatorJson<'a>>,
    /// Peers are the node's business.
    peers: [u8; 0],
    network: Value,
}

#[derive(Serialize)]
struct ValidatorJson<'a> {
    address: &'a str,
    stake_amount: &'a str,
    is_active: bool,
    /// 0 to 1.
    reputation_score: f64,
    commission_rate: i32,
    last_activity: &'a str,
}

impl<'a> ValidatorJson<'a> {
    fn new(row: &'a ValidatorRow) -> Self {
        Self {
            address: &row.address,
            stake_amount: &row.stake,
            is_active: row.is_active,
            reputation_score: f64::from(row.reputation_score.unwrap_or(0)) / PER_CENT,
            commission_rate: row.commission_rate.unwrap_or(0),
            last_activity: activity(row),
        }
    }
}

/// A chain id as clients show it: a number where it is one.
fn chain_id(api: &ApiState) -> Value {
    let id = api.network().and_then(|(_, chain_id)| chain_id);
    match id.as_ref().map(|id| id.parse::<u64>()) {
        Some(Ok(number)) => number.into(),
        _ => id.into(),
    }
}

/// What is known from memory: `get_chain_id`, `get_network_id`, `health`, `getNetworkStatus`.
pub(super) fn identity(api: &ApiState, rpc: &Rpc) -> Outcome {
    let checkpoint = known(api)?;
    let snapshot = api.snapshot();
    let healthy = snapshot.healthy(now_ms());
    let network = api.network().map(|(network, _)| network);
    let body = match rpc.method {
        Method::ChainId => json!({ "chain_id": chain_id(api) }),
        Method::NetworkId => json!({ "network_id": network }),
        Method::Health => json!({ "status": if healthy { "healthy" } else { "degraded" } }),
        _ => json!({
            "block_height": checkpoint.height.max(0),
            "network_id": network,
            "consensus_version": "unknown",
            "peer_count": nodes_ok(api),
            "syncing": checkpoint.lag_blocks() > SYNCED_BLOCKS_MAX,
            "latest_block_time": tip_time(checkpoint.tip_time_ms),
        }),
    };
    Ok(Arc::new(Answer::json(&checkpoint, Freshness::Tip, &body)?))
}

fn tip_time(unix_ms: i64) -> String {
    Timestamp::from_unix_ms(unix_ms).map(|time| time.text).unwrap_or_default()
}

/// Nodes that are well.
fn nodes_ok(api: &ApiState) -> usize {
    let snapshot = api.snapshot();
    let sources = snapshot.status.iter().flat_map(|status| &status.sources);
    sources.filter(|source| source.kind == "node" && source.state == "healthy").count()
}

/// `get_network_info`.
pub(super) async fn info(api: &ApiState, rpc: &Rpc) -> Outcome {
    rpc.at_tip(api, "", async {
        let (checkpoint, rows) = list_validators(api.store().readers(), None).await?;
        let synced = api.snapshot().healthy(now_ms());
        let view = NetworkJson {
            validators: rows.iter().map(ValidatorJson::new).collect(),
            peers: [],
            network: json!({
                "current_height": checkpoint.height.max(0),
                "epoch": 0,
                "is_synced": synced && checkpoint.lag_blocks() <= SYNCED_BLOCKS_MAX,
                "connected_peer_count": nodes_ok(api),
                "average_latency_ms": 0.0,
                "total_validators": rows.len(),
                "active_validators": rows.iter().filter(|row| row.is_active).count(),
            }),
        };
        Answer::json(&checkpoint, Freshness::Tip, &view)
    })
    .await
}

/// `get_chain_parameters`: from the node where it may be asked; else what can be measured, and 0
/// for what only the node knows.
pub(super) async fn chain_parameters(api: &ApiState, rpc: &Rpc) -> Outcome {
    if let Some(answer) = passthrough::ask(api, rpc).await {
        return Ok(answer);
    }
    rpc.at_tip(api, "", async {
        let db = api.store().readers();
        let (_, levels) = get_fee_levels(db).await?;
        let (checkpoint, rows) = list_validators(db, None).await?;
        let parameters = json!({
            "chain_id": chain_id(api),
            "block_time_ms": levels.block_ms,
            "max_block_size": 0,
            "max_tx_per_block": 0,
            "gas_price_min": "0",
            "gas_price_max": levels.gas_price,
            "validator_count": rows.len(),
            "committee_size": rows.iter().filter(|row| row.is_active).count(),
            "epoch_duration_blocks": 0,
            "min_stake": "0",
            "reward_rate": "0",
        });
        Answer::json(&checkpoint, Freshness::Tip, &parameters)
    })
    .await
}

/// `get_nodes`: the nodes that are read from, as `/v1/status` shows them.
pub(super) fn nodes(api: &ApiState) -> Outcome {
    let checkpoint = known(api)?;
    let snapshot = api.snapshot();
    let sources = snapshot.status.iter().flat_map(|status| &status.sources);
    let nodes = sources.filter(|source| source.kind == "node").map(|source| {
        json!({
            "node_id": source.name,
            "address": source.name,
            "status": match source.state.as_str() {
                "healthy" => "online",
                "lagging" => "syncing",
                _ => "offline",
            },
            "height": source.height.unwrap_or(0),
            "latency_ms": 0,
            "last_block_time": tip_time(checkpoint.tip_time_ms),
            "version": "unknown",
            "uptime_seconds": 0,
        })
    });
    let body = json!({ "nodes": nodes.collect::<Vec<_>>() });
    Ok(Arc::new(Answer::json(&checkpoint, Freshness::Tip, &body)?))
}
