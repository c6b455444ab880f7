//! From a request to the method that answers it.

use std::sync::Arc;

use chert_store::Checkpoint;
use tokio::time::Instant;

use super::envelope::Request;
use super::error::RpcError;
use super::names::{self, Method, NOT_HERE};
use super::params::Params;
use super::{
    Outcome, accounts, analytics, block_analytics, blocks, empties, fees, governance,
    governance_explorer, governance_sdk, network, registry, staking, transactions,
};
use crate::answer::Answer;
use crate::cache::{self, Scope};
use crate::error::Problem;
use crate::state::ApiState;

/// A call that is understood.
#[derive(Debug)]
pub(super) struct Rpc {
    pub method: Method,
    pub canonical: &'static str,
    pub params: Params,
    sdk_name: bool,
}

impl Rpc {
    /// Whether the name and the form of the parameters are the SDKs' (contract §11 row 31).
    pub fn in_sdk_shape(&self) -> bool {
        self.sdk_name && self.params.in_array
    }

    /// Whether its answers count for the bounds of kept proposals.
    fn is_of_proposals(&self) -> bool {
        matches!(
            self.method,
            Method::ListProposals
                | Method::Proposals
                | Method::Proposal
                | Method::ProposalVotes
                | Method::SdkProposals
                | Method::SdkProposalStatus
        )
    }

    /// Key of an answer: the method and what it was asked, normalised. A line end would be taken
    /// for the end of the key.
    pub fn key(&self, asked: &str) -> String {
        format!("rpc:{} {}", self.canonical, asked.replace('\n', "\\n"))
    }

    /// An answer that stays true until the tip moves.
    pub async fn at_tip(
        &self,
        api: &ApiState,
        asked: &str,
        load: impl Future<Output = Result<Answer, Problem>>,
    ) -> Outcome {
        let scope = if self.is_of_proposals() { Scope::Proposals } else { Scope::Tip };
        Ok(cache::find(api, self.key(asked), scope, load).await?)
    }

    /// An answer that may stay true for ever.
    pub async fn maybe_final(
        &self,
        api: &ApiState,
        asked: &str,
        load: impl Future<Output = Result<Answer, Problem>>,
    ) -> Outcome {
        Ok(cache::find(api, self.key(asked), Scope::MayBeFinal, load).await?)
    }
}

/// The checkpoint that is known in memory, for answers that read nothing.
pub(super) fn known(api: &ApiState) -> Result<Checkpoint, RpcError> {
    let unknown = || RpcError::failed("The database has not been read yet; try again shortly.");
    api.snapshot().checkpoint().cloned().ok_or_else(unknown)
}

/// Answers one call before the deadline.
pub(super) async fn run(api: &ApiState, request: &Request<'_>, deadline: Instant) -> Outcome {
    let Some(named) = names::find(&request.method) else {
        count("unknown");
        return Err(refusal(&request.method));
    };
    count(named.canonical);
    let rpc = Rpc {
        method: named.method,
        canonical: named.canonical,
        params: Params::parse(request.params)?,
        sdk_name: named.sdk,
    };
    // On the heap: the futures of all methods together are large.
    let answer = Box::pin(call(api, &rpc));
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Problem::timeout().into()),
    }
}

fn count(method: &'static str) {
    metrics::counter!("chert_jsonrpc_calls_total", "method" => method).increment(1);
}

fn refusal(name: &str) -> RpcError {
    if NOT_HERE.contains(&name) {
        return RpcError::not_here(format!(
            "{name} changes the chain or prepares a change; this server only reads. Send it to a \
             node."
        ));
    }
    RpcError::unknown_method(name)
}

async fn call(api: &ApiState, rpc: &Rpc) -> Result<Arc<Answer>, RpcError> {
    match rpc.method {
        Method::BlockNumber => blocks::block_number(api, rpc).await,
        Method::Blocks => blocks::blocks(api, rpc).await,
        Method::BlockByNumber => blocks::by_number(api, rpc).await,
        Method::BlockByHash => blocks::by_hash(api, rpc).await,
        Method::LatestBlock | Method::SdkBlock => blocks::sdk_block(api, rpc).await,
        Method::Transaction => transactions::transaction(api, rpc).await,
        Method::TransactionStatus => transactions::status(api, rpc).await,
        Method::History => accounts::history(api, rpc).await,
        Method::Balance => accounts::balance(api, rpc).await,
        Method::Nonce => accounts::nonce(api, rpc).await,
        Method::EstimateFee | Method::Congestion | Method::GasPrice => fees::levels(api, rpc).await,
        Method::Validators | Method::ValidatorInfo => staking::validators(api, rpc).await,
        Method::UserDelegations | Method::Delegations => staking::delegations_of(api, rpc).await,
        Method::StakingInfo => staking::info(api, rpc).await,
        Method::StakingDelegations => staking::top_delegations(api, rpc).await,
        Method::ListProposals => governance::list_proposals(api, rpc).await,
        Method::Proposals => governance_explorer::proposals(api, rpc).await,
        Method::Proposal if rpc.in_sdk_shape() => governance_sdk::proposal(api, rpc).await,
        Method::Proposal => governance::proposal(api, rpc).await,
        Method::ProposalVotes if rpc.in_sdk_shape() => governance_sdk::tally(api, rpc).await,
        Method::ProposalVotes => governance::votes(api, rpc).await,
        Method::VotingPower => governance::voting_power(api, rpc).await,
        Method::GovernanceInfo => governance_explorer::info(api, rpc).await,
        Method::Treasury => governance_explorer::treasury(api, rpc).await,
        Method::SdkProposals => governance_sdk::proposals(api, rpc).await,
        Method::SdkVoterVotes => governance_sdk::voter_votes(api, rpc).await,
        Method::SdkProposalStatus => governance_sdk::proposal_status(api, rpc).await,
        Method::Registry => registry::updates(api, rpc).await,
        Method::Analytics => analytics::analytics(api, rpc).await,
        Method::BlockAnalytics => block_analytics::block_analytics(api, rpc).await,
        Method::ChainId | Method::NetworkId | Method::Health | Method::NetworkStatus => {
            network::identity(api, rpc)
        }
        Method::ChainParameters => network::chain_parameters(api, rpc).await,
        Method::NetworkInfo => network::info(api, rpc).await,
        Method::Nodes => network::nodes(api),
        _ => empties::answer(api, rpc).await,
    }
}
