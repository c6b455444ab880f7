//! Handing a read on to a node, for what is not indexed and where the operator wants it.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use serde_json::value::RawValue;

use super::dispatch::Rpc;
use super::names::Method;
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::error::Problem;
use crate::state::ApiState;

/// Calls to the node at the same time; further ones are answered with what is known here.
pub(crate) const CALLS_AT_ONCE: usize = 16;
/// A node that takes longer is not waited for.
const CALL_TIME_MAX: Duration = Duration::from_secs(2);
/// Longest answer that is handed on.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Why a node did not answer a call.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PassthroughError(pub String);

/// Something that can ask a node; the binary provides it, so that this crate need not know how.
pub trait NodePassthrough: Send + Sync {
    /// Calls a read of the node by its canonical name; the result as raw JSON.
    fn call(
        &self,
        method: &'static str,
        params: Value,
    ) -> BoxFuture<'_, Result<Box<RawValue>, PassthroughError>>;
}

/// The reads that may be handed on: those that are not indexed and change nothing.
fn is_allowed(method: Method) -> bool {
    matches!(
        method,
        Method::Rewards
            | Method::Lockbox
            | Method::AutoStake
            | Method::Treasury
            | Method::ChainParameters
            | Method::PrivacyInfo
            | Method::PrivacyOperations
            | Method::Tokens
            | Method::Token
            | Method::TokenHolders
            | Method::TokenTransfers
            | Method::ContractCode
            | Method::ContractAbi
            | Method::Events
            | Method::BridgeHistory
            | Method::BridgeStats
            | Method::NullifierSpent
            | Method::PrivateCommitments
            | Method::BridgeTransaction
            | Method::FaucetStatus
    )
}

/// The node's answer; `None` where it is not to be asked, does not answer, or says nothing.
pub(super) async fn ask(api: &ApiState, rpc: &Rpc) -> Option<std::sync::Arc<Answer>> {
    let node = api.passthrough().filter(|_| is_allowed(rpc.method) && !rpc.in_sdk_shape())?;
    let checkpoint = api.snapshot().checkpoint()?.clone();
    let params = rpc.params.to_value();
    let key = rpc.key(&format!("node {params}"));
    let load = async {
        let Ok(_permit) = api.passthrough_calls().try_acquire() else {
            return Err(Problem::timeout());
        };
        let call = tokio::time::timeout(CALL_TIME_MAX, node.call(rpc.canonical, params)).await;
        let result = call.map_err(|_| Problem::timeout())?;
        let result = result.map_err(|error| Problem::not_found(error.to_string()))?;
        if result.get().len() > ANSWER_BYTES_MAX || result.get() == "null" {
            return Err(Problem::not_found("the node's answer is empty or too large"));
        }
        Answer::json(&checkpoint, Freshness::Tip, &result)
    };
    match cache::find_here(api, key, load).await {
        Ok(answer) => Some(answer),
        Err(problem) => {
            tracing::debug!(method = rpc.canonical, detail = %problem.detail, "node not asked");
            None
        }
    }
}
