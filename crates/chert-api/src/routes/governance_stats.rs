//! What an identity did in governance.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::governance::query::{self, CastVote, GovernanceStats};
use chert_store::privacy::Viewer;
use serde::Serialize;
use silica_models::IdentityId;
use utoipa::ToSchema;

use super::text::Hex;
use super::votes::choice_word;
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::error::Problem;
use crate::params::Call;
use crate::state::ApiState;

/// A vote of the identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct CastVoteItem<'a> {
    /// The proposal.
    #[schema(example = "7")]
    pub proposal_id: &'a str,
    /// The wallet that voted.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub voter: &'a str,
    /// `for`, `against` or `abstain`.
    #[schema(example = "for")]
    pub choice: &'static str,
    /// With how much.
    #[schema(example = "1000")]
    pub power: &'a str,
    /// Why, in the voter's words.
    pub reason: Option<&'a str>,
    /// Unix seconds.
    #[schema(example = 1782950000)]
    pub cast_at: i64,
}

impl<'a> CastVoteItem<'a> {
    fn new(vote: &'a CastVote) -> Self {
        Self {
            proposal_id: &vote.proposal_id,
            voter: &vote.voter,
            choice: choice_word(vote.choice),
            power: &vote.power,
            reason: vote.reason.as_deref(),
            cast_at: vote.cast_at,
        }
    }
}

/// An identity's part in governance.
#[derive(Debug, Serialize, ToSchema)]
pub struct GovernanceStatsView<'a> {
    /// The identity.
    #[schema(value_type = String)]
    pub identity_id: Hex<'a>,
    /// Proposals made with a wallet it held then.
    #[schema(example = 1)]
    pub proposals_created: i64,
    /// Votes cast with a wallet it held then.
    #[schema(example = 3)]
    pub votes_cast: i64,
    /// Proposals whose voting started since the identity was made.
    #[schema(example = 4)]
    pub eligible_proposals: i64,
    /// Votes cast of those, at most 1; null where there was nothing to vote on.
    #[schema(example = 0.75)]
    pub participation_rate: Option<f64>,
    /// Power of its wallets.
    #[schema(example = "10000")]
    pub current_voting_power: &'a str,
    /// What others delegated to its wallets.
    #[schema(example = "0")]
    pub delegation_received: &'a str,
    /// What its wallets delegated.
    #[schema(example = "0")]
    pub delegated_out: &'a str,
    /// Unix seconds; null where it never voted.
    #[schema(example = 1782950000)]
    pub last_vote_at: Option<i64>,
    /// When one of these figures last changed, Unix seconds.
    #[schema(example = 1782950002)]
    pub updated_at: i64,
    /// The latest 100 votes.
    pub votes: Vec<CastVoteItem<'a>>,
}

impl<'a> GovernanceStatsView<'a> {
    /// The figures as clients read them.
    pub fn new(identity_id: &'a IdentityId, stats: &'a GovernanceStats) -> Self {
        Self {
            identity_id: Hex(identity_id.as_bytes()),
            proposals_created: stats.proposals_created,
            votes_cast: stats.votes_cast,
            eligible_proposals: stats.eligible_proposals,
            participation_rate: stats.participation_rate,
            current_voting_power: &stats.current_voting_power,
            delegation_received: &stats.delegation_received,
            delegated_out: &stats.delegated_out,
            last_vote_at: stats.last_vote_at,
            updated_at: stats.updated_at,
            votes: stats.votes.iter().map(CastVoteItem::new).collect(),
        }
    }
}

/// An identity's part in governance.
#[utoipa::path(
    get, path = "/v1/governance/stats/{identity_id}", tag = "governance",
    params(("identity_id" = String, Path, description = "The identity: 64 hex digits",
            example = "3f1c0f0e6b0b2a6f3b1f5f4f1f6b7e2d8c9a0b1c2d3e4f50617283949a0f6f3f")),
    responses((status = 200, description = "The figures", body = GovernanceStatsView))
)]
pub async fn get_stats(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.identity_id()?;
    cache::pass_by(&call, load_stats(&api, &id, call.viewer())).await
}

async fn load_stats(api: &ApiState, id: &IdentityId, viewer: Viewer) -> Result<Answer, Problem> {
    let (checkpoint, stats) = query::get_stats(api.store().readers(), id).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    let stats = stats.open(viewer)?;
    Answer::json(&checkpoint, Freshness::Revalidate, &GovernanceStatsView::new(id, &stats))
}
