//! What is not indexed: from the node where the operator lets us ask it, else an answer that is
//! empty but well-formed, so that clients show an empty page rather than an error (contract §8.21).

use std::sync::Arc;

use serde_json::{Value, json};

use super::dispatch::{Rpc, known};
use super::error::RpcError;
use super::names::Method;
use super::{Outcome, passthrough};
use crate::answer::{Answer, Freshness};
use crate::state::ApiState;

/// Names under which clients send an address.
const ADDRESS: [&str; 4] = ["address", "account", "userAddress", "user_address"];

/// Answers a method of which nothing is indexed.
pub(super) async fn answer(api: &ApiState, rpc: &Rpc) -> Outcome {
    check(rpc)?;
    if let Some(answer) = passthrough::ask(api, rpc).await {
        return Ok(answer);
    }
    let body = empty(rpc)?;
    Ok(Arc::new(Answer::json(&known(api)?, Freshness::Tip, &body)?))
}

/// Refuses parameters that no node could answer.
fn check(rpc: &Rpc) -> Result<(), RpcError> {
    match rpc.method {
        Method::Rewards | Method::Lockbox | Method::AutoStake => {
            rpc.params.address(&ADDRESS, 0).map(drop)
        }
        Method::Token
        | Method::TokenHolders
        | Method::TokenTransfers
        | Method::ContractCode
        | Method::ContractAbi => rpc.params.address(&["address"], 0).map(drop),
        // The limit may be text: it comes from a list to select from (contract §11 row 51).
        Method::Events => rpc.params.whole(&["limit"], 0).map(drop),
        _ => Ok(()),
    }
}

fn empty(rpc: &Rpc) -> Result<Value, RpcError> {
    let sdk = rpc.in_sdk_shape();
    Ok(match rpc.method {
        Method::Rewards if sdk => json!({ "total": "0", "available": "0", "pending": "0" }),
        Method::Rewards => json!({ "rewards": {
            "totalEarned": 0, "pendingRewards": 0, "currentApy": 0.0, "currentAPY": 0.0,
        } }),
        Method::Lockbox => json!({ "records": [] }),
        Method::AutoStake => json!({ "status": {
            "account": rpc.params.address(&ADDRESS, 0)?.as_str(),
            "balance": 0,
            "maturityTimestamp": "1970-01-01T00:00:00Z",
            "isActive": false,
        } }),
        Method::PrivacyInfo => json!({
            "total_shielded": "0", "total_unshielded": "0", "active_shielded_accounts": 0,
            "pending_operations": 0, "homomorphic_accounts": 0, "homomorphic_transfers": 0,
            "stealth_transfers": 0, "scanned_blocks": 0, "latest_block": 0,
        }),
        Method::BridgeStats => json!({
            "total_deposits": "0", "total_withdraws": "0", "active_transfers": 0,
            "supported_chains": [],
        }),
        Method::PrivacyOperations
        | Method::Tokens
        | Method::TokenHolders
        | Method::TokenTransfers
        | Method::Events
        | Method::BridgeHistory => json!([]),
        Method::Token => return Err(RpcError::not_found("Token not found.")),
        Method::ContractCode | Method::ContractAbi => {
            return Err(RpcError::not_found("Contract not found."));
        }
        _ => {
            let name = rpc.canonical;
            let message = format!("{name} is not indexed here; ask a node.");
            return Err(RpcError::not_here(message));
        }
    })
}
