//! What a node says about its network (§8.15, §8.16).

use serde_json::{Value, json};

use super::Node;
use crate::account::Account;

pub(super) const CHAIN_ID: u64 = 13371;

pub(super) fn network_info(node: &Node, lag: u64) -> Value {
    let book = &node.chain.recipe().book;
    let validators: Vec<Value> = (0..book.validators)
        .map(|number| {
            json!({
                "address": book.text(Account::Validator(number)),
                "stake_amount": "100000000",
                "is_active": true,
                "reputation_score": 0.98,
                "commission_rate": 5,
                "last_activity": "2026-07-03T10:15:30Z",
            })
        })
        .collect();
    json!({
        "network": {
            "current_height": node.chain.visible_tip(lag),
            "epoch": 0,
            "is_synced": lag == 0,
            "connected_peer_count": 0,
            "average_latency_ms": 0.0,
            "total_validators": validators.len(),
            "active_validators": validators.len(),
        },
        "peers": [],
        "validators": validators,
    })
}

pub(super) fn chain_parameters(node: &Node) -> Value {
    let recipe = node.chain.recipe();
    json!({
        "chain_id": CHAIN_ID,
        "block_time_ms": recipe.block_time_ms,
        "max_block_size": 1_048_576,
        "max_tx_per_block": crate::profile::TXS_PER_BLOCK_MAX,
        "gas_price_min": "1",
        "gas_price_max": "1000",
        "validator_count": recipe.book.validators,
        "committee_size": recipe.book.validators,
        "epoch_duration_blocks": 900,
        "min_stake": "1000000",
        "reward_rate": "8.5",
    })
}
