//! Governance as the wallet reads it (contract §2.10, §9): both spellings of every member. Answers
//! name addresses, never identities.

use std::time::Duration;

use chert_store::Checkpoint;
use chert_store::entities::governance::PROPOSAL_ID_BYTES_MAX;
use chert_store::entities::governance::query::node::{
    AddressPower, NodeProposal, ProposalFilter, get_address_power, list_node_proposals,
};
use chert_store::entities::governance::query::{
    POWER_AGE_MAX_S, ProposalDetail, VoteRow, ask_powers, find_proposal, list_votes,
};
use serde::Serialize;
use serde_json::Value;
use silica_models::Address;
use tokio::time::Instant;

use super::Outcome;
use super::dispatch::Rpc;
use super::error::RpcError;
use super::params::Params;
use crate::answer::{Answer, Freshness, now_ms};
use crate::error::Problem;
use crate::params::OFFSET_MAX;
use crate::routes::text::Count;
use crate::state::ApiState;

const ROWS_DEFAULT: u16 = 100;
const ROWS_MAX: u16 = 100;
/// First pause between two looks for figures that were asked for.
const POWER_POLL_MIN: Duration = Duration::from_millis(25);
/// Longest pause between two looks.
const POWER_POLL_MAX: Duration = Duration::from_millis(100);
const MS_PER_S: i64 = 1_000;

/// A proposal's id: a number where the node has one, because the wallet reads nothing else.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub(super) enum ProposalId<'a> {
    Number(u64),
    Text(&'a str),
}

impl<'a> ProposalId<'a> {
    pub fn new(id: &'a str) -> Self {
        match id.parse::<u64>() {
            Ok(number) if number.to_string() == id => Self::Number(number),
            _ => Self::Text(id),
        }
    }
}

/// A proposal as the wallet lists it.
#[derive(Serialize)]
struct Summary<'a> {
    proposal_id: ProposalId<'a>,
    #[serde(rename = "proposalId")]
    proposal_id_camel: ProposalId<'a>,
    proposer: &'a str,
    description: &'a str,
    vote_start: i64,
    #[serde(rename = "voteStart")]
    vote_start_camel: i64,
    vote_end: i64,
    #[serde(rename = "voteEnd")]
    vote_end_camel: i64,
    votes_for: Count<'a>,
    #[serde(rename = "votesFor")]
    votes_for_camel: Count<'a>,
    votes_against: Count<'a>,
    #[serde(rename = "votesAgainst")]
    votes_against_camel: Count<'a>,
    votes_abstain: Count<'a>,
    #[serde(rename = "votesAbstain")]
    votes_abstain_camel: Count<'a>,
    state: &'a str,
    created_at: i64,
    #[serde(rename = "createdAt")]
    created_at_camel: i64,
}

impl<'a> Summary<'a> {
    fn new(row: &'a NodeProposal) -> Self {
        let id = ProposalId::new(&row.proposal_id);
        let start = row.voting_starts_at.unwrap_or(0);
        let end = row.voting_ends_at.unwrap_or(0);
        let votes_for = Count(&row.votes_for);
        let votes_against = Count(&row.votes_against);
        let votes_abstain = Count(&row.votes_abstain);
        Self {
            proposal_id: id,
            proposal_id_camel: id,
            proposer: row.proposer.as_deref().unwrap_or_default(),
            description: text_of(row.description.as_deref(), row.title.as_deref()),
            vote_start: start,
            vote_start_camel: start,
            vote_end: end,
            vote_end_camel: end,
            votes_for,
            votes_for_camel: votes_for,
            votes_against,
            votes_against_camel: votes_against,
            votes_abstain,
            votes_abstain_camel: votes_abstain,
            // The wallet's button needs exactly this spelling (contract §11 row 28).
            state: if row.state == "active" { "Active" } else { &row.state },
            created_at: row.created_at,
            created_at_camel: row.created_at,
        }
    }
}

/// The wallet knows no title: it stands in for a description that is missing.
pub(super) fn text_of<'a>(description: Option<&'a str>, title: Option<&'a str>) -> &'a str {
    description.filter(|text| !text.is_empty()).or(title).unwrap_or_default()
}

#[derive(Serialize)]
struct ProposalsJson<'a> {
    proposals: Vec<Summary<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    targets: &'a Value,
    values: &'a Value,
    calldatas: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed_at: Option<i64>,
    #[serde(rename = "executedAt", skip_serializing_if = "Option::is_none")]
    executed_at_camel: Option<i64>,
    updated_at: i64,
    #[serde(rename = "updatedAt")]
    updated_at_camel: i64,
}

#[derive(Serialize)]
struct ProposalJson<'a> {
    proposal: Option<Detail<'a>>,
}

impl<'a> Detail<'a> {
    fn new(row: &'a NodeProposal, detail: &'a ProposalDetail) -> Self {
        let updated_at = detail.updated_at.unwrap_or(row.created_at);
        Self {
            summary: Summary::new(row),
            targets: &detail.targets,
            values: &detail.values,
            calldatas: &detail.calldatas,
            executed_at: detail.executed_at,
            executed_at_camel: detail.executed_at,
            updated_at,
            updated_at_camel: updated_at,
        }
    }
}

#[derive(Serialize)]
struct VoteJson<'a> {
    proposal_id: ProposalId<'a>,
    #[serde(rename = "proposalId")]
    proposal_id_camel: ProposalId<'a>,
    voter: &'a str,
    /// 0 against, 1 for, 2 abstain.
    support: i16,
    weight: Count<'a>,
    reason: Option<&'a str>,
    voted_at: i64,
    #[serde(rename = "votedAt")]
    voted_at_camel: i64,
}

impl<'a> VoteJson<'a> {
    fn new(id: ProposalId<'a>, row: &'a VoteRow) -> Self {
        Self {
            proposal_id: id,
            proposal_id_camel: id,
            voter: &row.voter,
            support: row.choice,
            weight: Count(&row.power),
            reason: row.reason.as_deref(),
            voted_at: row.cast_at,
            voted_at_camel: row.cast_at,
        }
    }
}

#[derive(Serialize)]
struct VotesJson<'a> {
    votes: Vec<VoteJson<'a>>,
}

#[derive(Serialize)]
struct PowerJson<'a> {
    address: &'a str,
    voting_power: Count<'a>,
    delegated_power: Count<'a>,
    total_power: Count<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PowerCamel<'a> {
    address: &'a str,
    voting_power: Count<'a>,
    delegated_power: Count<'a>,
    total_power: Count<'a>,
}

#[derive(Serialize)]
struct VotingPowerJson<'a> {
    voting_power: PowerJson<'a>,
    #[serde(rename = "votingPower")]
    voting_power_camel: PowerCamel<'a>,
}

/// The id of a proposal, which may come as a number.
pub(super) fn proposal_id(params: &Params) -> Result<String, RpcError> {
    let id = params.required(&["proposal_id", "proposalId", "id"], 0)?;
    if id.len() > PROPOSAL_ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(RpcError::params(format!(
            "proposal_id has 1 to {PROPOSAL_ID_BYTES_MAX} bytes and no control characters"
        )));
    }
    Ok(id)
}

/// `governance_list_proposals`, and `get_proposals` as the wallet calls it.
pub(super) async fn list_proposals(api: &ApiState, rpc: &Rpc) -> Outcome {
    let state = rpc.params.text(&["state"], 0)?.map(|state| state.to_lowercase());
    let state = state.filter(|state| !state.is_empty());
    let proposer = rpc.params.maybe_address(&["proposer"], 1)?;
    let limit = rpc.params.limit(2, ROWS_DEFAULT, ROWS_MAX)?;
    let offset = rpc.params.offset(3, OFFSET_MAX)?;
    let asked = format!("wallet {state:?} {proposer:?} {limit} {offset}");
    rpc.at_tip(api, &asked, async {
        let proposer = proposer.as_ref().map(Address::key);
        let filter = ProposalFilter { state: state.as_deref(), status: None, proposer };
        let db = api.store().readers();
        let (checkpoint, rows) = list_node_proposals(db, filter, offset, limit.into()).await?;
        let proposals = rows.iter().map(Summary::new).collect();
        Answer::json(&checkpoint, Freshness::Tip, &ProposalsJson { proposals })
    })
    .await
}

/// `governance_get_proposal`: a `proposal` of null where there is none.
pub(super) async fn proposal(api: &ApiState, rpc: &Rpc) -> Outcome {
    let id = proposal_id(&rpc.params)?;
    rpc.at_tip(api, &id, async {
        let (checkpoint, detail) = find_proposal(api.store(), &id).await?;
        let row = detail.as_ref().map(|detail| NodeProposal::from(detail.proposal.clone()));
        let proposal = row.as_ref().zip(detail.as_ref());
        let proposal = proposal.map(|(row, detail)| Detail::new(row, detail));
        Answer::json(&checkpoint, Freshness::Tip, &ProposalJson { proposal })
    })
    .await
}

/// `governance_get_proposal_votes`: none for a proposal that does not exist.
pub(super) async fn votes(api: &ApiState, rpc: &Rpc) -> Outcome {
    let id = proposal_id(&rpc.params)?;
    let limit = rpc.params.limit(1, ROWS_DEFAULT, ROWS_MAX)?;
    let offset = rpc.params.offset(2, OFFSET_MAX)?;
    rpc.at_tip(api, &format!("{limit} {offset} {id}"), async {
        let read = list_votes(api.store(), &id, None, offset, limit.into());
        let (checkpoint, rows) = read.await?;
        let rows = rows.unwrap_or_default();
        let id = ProposalId::new(&id);
        let votes = rows.iter().map(|row| VoteJson::new(id, row)).collect();
        Answer::json(&checkpoint, Freshness::Tip, &VotesJson { votes })
    })
    .await
}

/// `governance_get_voting_power`: zeros for an address of which the node said nothing.
pub(super) async fn voting_power(api: &ApiState, rpc: &Rpc) -> Outcome {
    let address = rpc.params.address(&["address", "voter", "userAddress"], 0)?;
    rpc.at_tip(api, address.as_str(), async {
        let (checkpoint, power, freshness) = recent_power(api, &address).await?;
        let figures = power.figures.as_ref();
        let address = address.as_str();
        let voting_power = Count(figures.map_or("0", |f| &f.own));
        let delegated_power = Count(figures.map_or("0", |f| &f.delegated_in));
        let total_power = Count(figures.map_or("0", |f| &f.total));
        let view = VotingPowerJson {
            voting_power: PowerJson { address, voting_power, delegated_power, total_power },
            voting_power_camel: PowerCamel { address, voting_power, delegated_power, total_power },
        };
        Answer::json(&checkpoint, freshness, &view)
    })
    .await
}

/// The node's figures for an address; where those of an address that the chain knows are old or were
/// never read, after asking the indexer for them. Unknown addresses are not asked for: anybody may
/// name any text.
pub(super) async fn recent_power(
    api: &ApiState,
    address: &Address,
) -> Result<(Checkpoint, AddressPower, Freshness), Problem> {
    let db = api.store().readers();
    let before_s = now_ms() / MS_PER_S - POWER_AGE_MAX_S;
    let (mut checkpoint, mut power) = get_address_power(db, address.key()).await?;
    if !power.stale(before_s) {
        return Ok((checkpoint, power, Freshness::Tip));
    }
    // Nothing is held while waiting but this permit; without one the answer is what is known.
    let Ok(_waiting) = api.balance_waits().try_acquire() else {
        return Ok((checkpoint, power, Freshness::Never));
    };
    if let Err(error) = ask_powers(api.store().pool(), std::slice::from_ref(address)).await {
        tracing::debug!(code = error.code(), "a power could not be asked for");
        return Ok((checkpoint, power, Freshness::Never));
    }
    let deadline = Instant::now() + api.settings().balance_wait;
    let mut pause = POWER_POLL_MIN;
    while power.stale(before_s) && Instant::now() < deadline {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POWER_POLL_MAX);
        (checkpoint, power) = get_address_power(db, address.key()).await?;
    }
    Ok((checkpoint, power, Freshness::Never))
}
