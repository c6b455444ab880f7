//! Governance in the SDKs' shapes (contract §6.5): they send positional arrays.

use chert_store::entities::governance::query::find_proposal;
use chert_store::entities::governance::query::node::{
    NodeProposal, ProposalFilter, list_node_proposals,
};
use chert_store::entities::governance::query::node_sums::list_votes_of;
use serde::Serialize;
use silica_models::{Timestamp, VoteChoice};

use super::Outcome;
use super::dispatch::Rpc;
use super::governance::proposal_id;
use crate::answer::{Answer, Freshness};
use crate::error::Problem;
use crate::state::ApiState;

const ROWS_MAX: u16 = 100;
const MS_PER_S: i64 = 1_000;

#[derive(Serialize)]
struct SdkProposal<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    proposer: &'a str,
    status: &'static str,
    voting_start_time: Option<String>,
    voting_end_time: Option<String>,
    tally: Tally<'a>,
}

#[derive(Serialize)]
struct Tally<'a> {
    yes: &'a str,
    no: &'a str,
    abstain: &'a str,
    no_with_veto: &'static str,
}

#[derive(Serialize)]
struct StatusJson<'a> {
    proposal_id: &'a str,
    status: &'static str,
}

#[derive(Serialize)]
struct VoteJson<'a> {
    proposal_id: &'a str,
    option: &'static str,
    weight: &'a str,
    reason: Option<&'a str>,
    voted_at: i64,
}

impl<'a> SdkProposal<'a> {
    fn new(row: &'a NodeProposal) -> Self {
        Self {
            id: &row.proposal_id,
            title: row.title.as_deref().unwrap_or_default(),
            description: row.description.as_deref().unwrap_or_default(),
            proposer: row.proposer.as_deref().unwrap_or_default(),
            status: status_of(&row.state),
            voting_start_time: row.voting_starts_at.and_then(time_text),
            voting_end_time: row.voting_ends_at.and_then(time_text),
            tally: Tally {
                yes: &row.votes_for,
                no: &row.votes_against,
                abstain: &row.votes_abstain,
                no_with_veto: "0",
            },
        }
    }
}

/// The SDKs' word for a state (contract §6.1).
fn status_of(state: &str) -> &'static str {
    match state {
        "succeeded" | "queued" => "passed",
        "defeated" | "vetoed" => "rejected",
        "executed" => "executed",
        "cancelled" | "expired" => "failed",
        _ => "voting",
    }
}

fn time_text(seconds: i64) -> Option<String> {
    Some(Timestamp::from_unix_ms(seconds.saturating_mul(MS_PER_S)).ok()?.text)
}

/// `governance_getProposals [{limit, …}]`.
pub(super) async fn proposals(api: &ApiState, rpc: &Rpc) -> Outcome {
    let limit = rpc.params.limit(0, ROWS_MAX, ROWS_MAX)?;
    rpc.at_tip(api, &limit.to_string(), async {
        let db = api.store().readers();
        let filter = ProposalFilter::default();
        let (checkpoint, rows) = list_node_proposals(db, filter, 0, limit.into()).await?;
        let rows: Vec<_> = rows.iter().map(SdkProposal::new).collect();
        Answer::json(&checkpoint, Freshness::Tip, &rows)
    })
    .await
}

/// What `view` makes of one proposal.
async fn of_one(
    api: &ApiState,
    rpc: &Rpc,
    view: impl Fn(&chert_store::Checkpoint, &NodeProposal) -> Result<Answer, Problem>,
) -> Outcome {
    let id = proposal_id(&rpc.params)?;
    rpc.at_tip(api, &format!("sdk {id}"), async {
        let (checkpoint, detail) = find_proposal(api.store(), &id).await?;
        let detail = detail.ok_or_else(|| Problem::not_found("No proposal has this id."))?;
        let row = NodeProposal::from(detail.proposal);
        view(&checkpoint, &row)
    })
    .await
}

/// `governance_getProposal [id]`.
pub(super) async fn proposal(api: &ApiState, rpc: &Rpc) -> Outcome {
    of_one(api, rpc, |checkpoint, row| {
        Answer::json(checkpoint, Freshness::Tip, &SdkProposal::new(row))
    })
    .await
}

/// `governance_getProposalVotes [id]`: a tally, not a list.
pub(super) async fn tally(api: &ApiState, rpc: &Rpc) -> Outcome {
    of_one(api, rpc, |checkpoint, row| {
        Answer::json(checkpoint, Freshness::Tip, &SdkProposal::new(row).tally)
    })
    .await
}

/// `governance_getProposalStatus [id]`.
pub(super) async fn proposal_status(api: &ApiState, rpc: &Rpc) -> Outcome {
    of_one(api, rpc, |checkpoint, row| {
        let (proposal_id, status) = (row.proposal_id.as_str(), status_of(&row.state));
        Answer::json(checkpoint, Freshness::Tip, &StatusJson { proposal_id, status })
    })
    .await
}

/// `governance_getVoterVotes [voter]`.
pub(super) async fn voter_votes(api: &ApiState, rpc: &Rpc) -> Outcome {
    let voter = rpc.params.address(&["voter", "address"], 0)?;
    rpc.at_tip(api, voter.as_str(), async {
        let db = api.store().readers();
        let (checkpoint, rows) = list_votes_of(db, voter.key(), ROWS_MAX.into()).await?;
        let votes = rows.iter().map(|row| VoteJson {
            proposal_id: &row.proposal_id,
            option: match VoteChoice::from_i16(row.choice) {
                Some(VoteChoice::For) => "yes",
                Some(VoteChoice::Against) => "no",
                _ => "abstain",
            },
            weight: &row.power,
            reason: row.reason.as_deref(),
            voted_at: row.cast_at,
        });
        Answer::json(&checkpoint, Freshness::Tip, &votes.collect::<Vec<_>>())
    })
    .await
}
