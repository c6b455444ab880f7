//! What a node says beside its blocks: the registry of identities, governance and staking.
//!
//! None of it is bound to a block by a proof, so callers check before and after a reading that the
//! node stands where they do. Here every answer is bounded and every record read on its own: one
//! that cannot be understood is handed on as [`Rejected`] and does not hold up the others.

use async_trait::async_trait;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use silica_models::{
    Address, Delegation, Height, IdentityRecord, Proposal, Validator, Vote, VotingPower,
};

use crate::node::NodeClient;
use crate::state_answers::{
    id_param, list_of, not_found, parse_delegations, parse_proposal, parse_proposals,
    parse_registry, parse_validators, parse_votes,
};
use crate::{Fault, SourceError};

/// Most updates asked for in one request (contract §2.11).
pub const REGISTRY_PAGE_MAX: u32 = 1_024;
/// Most proposals or votes asked for in one request.
pub const GOVERNANCE_PAGE_MAX: u32 = 500;
/// Addresses in one batch: two calls each, within the calls of a batch.
const POWERS_PER_BATCH: usize = 50;

/// A record that could not be understood, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What distinguishes it inside its feed: its id where it has one, else a digest of its text.
    pub key: String,
    /// Block it belongs to, where it names one.
    pub height: Option<u64>,
    /// Why.
    pub reason: String,
    /// The node's JSON text, cut at 64 KiB.
    pub raw: Vec<u8>,
}

/// One element of a page of the registry.
pub type RegistryUpdate = Result<IdentityRecord, Rejected>;

/// A page of the registry's updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryPage {
    /// Up to where the node says the page goes; what it is worth is the caller's to judge
    /// (contract §11 row 35).
    pub latest_block: Height,
    /// At most as many as were asked for.
    pub updates: Vec<RegistryUpdate>,
}

/// Voting power of an address and whom it delegated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerAnswer {
    /// As asked.
    pub address: Address,
    /// Its figures; zero where the node knows nothing of the address.
    pub power: VotingPower,
    /// Its own delegations.
    pub delegations: Vec<Delegation>,
}

/// The reads of a node beside its chain. A node without one of them answers with the JSON-RPC
/// error for unknown methods ([`SourceError::is_unknown_method`]), as do the default bodies.
#[async_trait]
pub trait StateSource: Send + Sync {
    /// Updates of the registry from block `from` on, in the node's order; at most `limit`, which
    /// is at most [`REGISTRY_PAGE_MAX`].
    async fn registry_updates(
        &self,
        from: Height,
        limit: u32,
    ) -> Result<RegistryPage, SourceError> {
        let _ = (from, limit);
        Err(unknown_method())
    }

    /// Proposals from `offset` on, in the node's order, at most `limit` where the node heeds it. A
    /// node that does not page answers with all of them, whatever was asked: a caller has seen
    /// everything when a page brings nothing new.
    async fn proposals(
        &self,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<Result<Proposal, Rejected>>, SourceError> {
        let _ = (offset, limit);
        Err(unknown_method())
    }

    /// One proposal with its calls; `None` where the node does not have it.
    async fn proposal(&self, id: &str) -> Result<Option<Proposal>, SourceError> {
        let _ = id;
        Err(unknown_method())
    }

    /// Votes on a proposal; paging as for [`Self::proposals`].
    async fn votes(
        &self,
        id: &str,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<Result<Vote, Rejected>>, SourceError> {
        let _ = (id, offset, limit);
        Err(unknown_method())
    }

    /// Voting power and delegations of each address, in the order asked.
    async fn powers(&self, addresses: &[Address]) -> Result<Vec<PowerAnswer>, SourceError> {
        let _ = addresses;
        Err(unknown_method())
    }

    /// All validators; elements that cannot be understood are left out.
    async fn validators(&self) -> Result<Vec<Validator>, SourceError> {
        Err(unknown_method())
    }
}

fn unknown_method() -> SourceError {
    SourceError::new(Fault::RpcError, "-32601 not offered by this source")
}

impl NodeClient {
    /// The result of the first method the node has: the two wallets use different names for the
    /// same read (contract §2.10).
    async fn first_of(&self, calls: [(&str, Value); 2]) -> Result<Box<RawValue>, SourceError> {
        let [(first, first_params), (second, second_params)] = calls;
        match self.rpc().call(first, first_params).await {
            Err(error) if error.is_unknown_method() => {
                // Both missing means that the node has no such thing: the first name says it best.
                let answer = self.rpc().call(second, second_params).await;
                answer.map_err(|e| if e.is_unknown_method() { error } else { e })
            }
            other => other,
        }
    }

    async fn powers_of(&self, addresses: &[Address]) -> Result<Vec<PowerAnswer>, SourceError> {
        let calls: Vec<(&str, Value)> = addresses
            .iter()
            .flat_map(|a| {
                let params = json!({"address": a.as_str()});
                [
                    ("governance_get_voting_power", params.clone()),
                    ("governance_get_delegations", params),
                ]
            })
            .collect();
        let mut answers = self.call_each(&calls).await?.into_iter();
        let mut powers = Vec::with_capacity(addresses.len());
        for address in addresses {
            let (Some(power), Some(delegations)) = (answers.next(), answers.next()) else {
                return Err(SourceError::new(Fault::Malformed, "answers are missing"));
            };
            let power = match power {
                Ok(raw) => VotingPower::parse(raw.get())
                    .map_err(|e| SourceError::new(Fault::Malformed, e.to_string()))?,
                Err(error) if not_found(&error) => VotingPower::default(),
                Err(error) => return Err(error),
            };
            let delegations = match delegations {
                Ok(raw) => parse_delegations(&raw, address)?,
                Err(error) if not_found(&error) || error.is_unknown_method() => Vec::new(),
                Err(error) => return Err(error),
            };
            powers.push(PowerAnswer { address: address.clone(), power, delegations });
        }
        Ok(powers)
    }
}

#[async_trait]
impl StateSource for NodeClient {
    async fn registry_updates(
        &self,
        from: Height,
        limit: u32,
    ) -> Result<RegistryPage, SourceError> {
        let limit = limit.clamp(1, REGISTRY_PAGE_MAX);
        // Positional is the only form that a client of the node is known to send (§11 row 3).
        let raw = self.rpc().call("identity_registryUpdates", json!([from, limit])).await?;
        parse_registry(&raw, limit)
    }

    async fn proposals(
        &self,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<Result<Proposal, Rejected>>, SourceError> {
        // `offset` is always sent: without it the node would take us for an explorer (§11 row 27).
        let limit = limit.clamp(1, GOVERNANCE_PAGE_MAX);
        let params = json!({"limit": limit, "offset": offset});
        let calls = [("governance_list_proposals", params.clone()), ("get_proposals", params)];
        parse_proposals(&self.first_of(calls).await?)
    }

    async fn proposal(&self, id: &str) -> Result<Option<Proposal>, SourceError> {
        let params = json!({"proposal_id": id_param(id), "proposalId": id_param(id)});
        let calls = [("governance_get_proposal", params.clone()), ("get_proposal", params)];
        match self.first_of(calls).await {
            Ok(raw) => parse_proposal(&raw, id),
            Err(error) if not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn votes(
        &self,
        id: &str,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<Result<Vote, Rejected>>, SourceError> {
        let limit = limit.clamp(1, GOVERNANCE_PAGE_MAX);
        let (number, page) = (id_param(id), (limit, offset));
        let params = json!({"proposal_id": number, "proposalId": number, "limit": page.0,
            "offset": page.1});
        let calls =
            [("governance_get_proposal_votes", params.clone()), ("get_proposal_votes", params)];
        match self.first_of(calls).await {
            Ok(raw) => parse_votes(&raw, id),
            Err(error) if not_found(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn powers(&self, addresses: &[Address]) -> Result<Vec<PowerAnswer>, SourceError> {
        let mut powers = Vec::with_capacity(addresses.len());
        for part in addresses.chunks(POWERS_PER_BATCH) {
            powers.extend(self.powers_of(part).await?);
        }
        Ok(powers)
    }

    async fn validators(&self) -> Result<Vec<Validator>, SourceError> {
        let calls = [("staking_get_validators", Value::Null), ("get_validators", json!({}))];
        let raw = self.first_of(calls).await?;
        Ok(parse_validators(&list_of(&raw, "validators")?))
    }
}
