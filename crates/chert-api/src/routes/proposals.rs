//! Governance proposals: the list, and one by itself.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::governance::PROPOSAL_ID_BYTES_MAX;
use chert_store::entities::governance::query::{
    self, ProposalDetail, ProposalRow, TallyRow, TimelineRow, TransitionRow,
};
use serde::Serialize;
use serde_json::Value;
use silica_models::VoteChoice;
use utoipa::ToSchema;

use super::text::Hex;
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::Problem;
use crate::params::{Call, Page, PageParams, Params, Start};
use crate::state::ApiState;

/// What `status` may say, in the order of the scopes of their cursors.
const STATUSES: [&str; 6] = ["all", "pending", "active", "passed", "rejected", "executed"];
const HOUR_S: i64 = 3_600;

/// A proposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalItem<'a> {
    /// The node's id.
    #[schema(example = "7")]
    pub proposal_id: &'a str,
    /// Title; null where the node has none beside the description.
    #[schema(example = "Raise block gas limit")]
    pub title: Option<&'a str>,
    /// Who made it.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub proposer: Option<&'a str>,
    /// Identity that held the proposer's wallet then; null for none, or one that is not public.
    #[schema(value_type = Option<String>)]
    pub proposer_identity: Option<Hex<'a>>,
    /// Kind of proposal; null where the node does not say.
    #[schema(example = "parameter")]
    pub proposal_type: Option<&'a str>,
    /// Text.
    pub description: Option<&'a str>,
    /// `pending`, `active`, `passed`, `rejected` or `executed`.
    #[schema(example = "active")]
    pub status: &'a str,
    /// The node's state: `pending`, `active`, `succeeded`, `defeated`, `queued`, `executed`,
    /// `cancelled`, `expired`, `vetoed`, or a word that the node has come to use.
    #[schema(example = "active")]
    pub state: &'a str,
    /// Unix seconds.
    #[schema(example = 1782900000)]
    pub voting_starts_at: Option<i64>,
    /// Unix seconds.
    #[schema(example = 1784109600)]
    pub voting_ends_at: Option<i64>,
    /// Power for, by the node's count.
    #[schema(example = "150000")]
    pub votes_for: &'a str,
    /// Power against, by the node's count.
    #[schema(example = "25000")]
    pub votes_against: &'a str,
    /// Power abstaining, by the node's count.
    #[schema(example = "10000")]
    pub votes_abstain: &'a str,
    /// Unix seconds.
    #[schema(example = 1782800000)]
    pub created_at: i64,
}

impl<'a> ProposalItem<'a> {
    fn new(row: &'a ProposalRow) -> Self {
        Self {
            proposal_id: &row.proposal_id,
            title: row.title.as_deref(),
            proposer: row.proposer.as_deref(),
            proposer_identity: row.proposer_identity.as_deref().map(Hex),
            proposal_type: row.proposal_type.as_deref(),
            description: row.description.as_deref(),
            status: &row.status,
            state: &row.state,
            voting_starts_at: row.voting_starts_at,
            voting_ends_at: row.voting_ends_at,
            votes_for: &row.votes_for,
            votes_against: &row.votes_against,
            votes_abstain: &row.votes_abstain,
            created_at: row.created_at,
        }
    }
}

/// A page of proposals.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalList<'a> {
    /// Newest first.
    pub items: Vec<ProposalItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The votes for one choice.
#[derive(Debug, Serialize, ToSchema)]
pub struct Share<'a> {
    /// Who chose it.
    #[schema(example = 12)]
    pub voters: i64,
    /// Their power.
    #[schema(example = "150000")]
    pub power: &'a str,
    /// Ten-thousandths of the power of all votes, rounded down; 0 where there are none.
    #[schema(example = 8108)]
    pub share_bps: i64,
}

impl<'a> Share<'a> {
    fn new(tallies: &'a [TallyRow], choice: VoteChoice) -> Self {
        match tallies.iter().find(|tally| tally.vote_choice == choice.as_i16()) {
            Some(tally) => {
                Self { voters: tally.voters, power: &tally.power, share_bps: tally.share_bps }
            }
            None => Self { voters: 0, power: "0", share_bps: 0 },
        }
    }
}

/// The votes by choice.
#[derive(Debug, Serialize, ToSchema)]
pub struct Breakdown<'a> {
    /// For.
    #[serde(rename = "for")]
    pub in_favour: Share<'a>,
    /// Against, vetoes among them.
    pub against: Share<'a>,
    /// Neither.
    pub abstain: Share<'a>,
}

/// The votes cast by the end of an hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelinePoint<'a> {
    /// Start of the UTC hour, Unix seconds.
    #[schema(example = 1782950400)]
    pub at: i64,
    /// Power for since the start of voting.
    #[schema(example = "1000")]
    pub votes_for: &'a str,
    /// Power against since the start of voting.
    #[schema(example = "0")]
    pub votes_against: &'a str,
    /// Power abstaining since the start of voting.
    #[schema(example = "0")]
    pub votes_abstain: &'a str,
}

impl<'a> TimelinePoint<'a> {
    fn new(row: &'a TimelineRow) -> Self {
        Self {
            at: row.hour.saturating_mul(HOUR_S),
            votes_for: &row.votes_for,
            votes_against: &row.votes_against,
            votes_abstain: &row.votes_abstain,
        }
    }
}

/// A change of state as this service saw it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transition<'a> {
    /// Time of the block at which it was seen, Unix seconds.
    #[schema(example = 1782900002)]
    pub at: i64,
    /// Height of that block.
    #[schema(example = 18427)]
    pub height: i64,
    /// State before; null where the proposal was new.
    #[schema(example = "pending")]
    pub from_state: Option<&'a str>,
    /// State since.
    #[schema(example = "active")]
    pub state: &'a str,
}

impl<'a> Transition<'a> {
    fn new(row: &'a TransitionRow) -> Self {
        Self {
            at: row.at,
            height: row.height,
            from_state: row.from_state.as_deref(),
            state: &row.state,
        }
    }
}

/// A proposal with its votes summed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalView<'a> {
    /// As in lists.
    #[serde(flatten)]
    pub proposal: ProposalItem<'a>,
    /// Unix seconds.
    pub executed_at: Option<i64>,
    /// Unix seconds.
    pub updated_at: Option<i64>,
    /// Whom it calls, in order.
    #[schema(value_type = Vec<String>)]
    pub targets: &'a Value,
    /// With how much.
    #[schema(value_type = Vec<String>)]
    pub values: &'a Value,
    /// With which data.
    #[schema(value_type = Vec<String>)]
    pub calldatas: &'a Value,
    /// Who voted.
    #[schema(example = 14)]
    pub voter_count: i64,
    /// The votes by choice, summed from the votes themselves.
    pub breakdown: Breakdown<'a>,
    /// The votes by hour, oldest first: the hours in which somebody voted, the newest 1000.
    pub timeline: Vec<TimelinePoint<'a>>,
    /// What this service saw the proposal do, oldest first.
    pub transitions: Vec<Transition<'a>>,
}

impl<'a> ProposalView<'a> {
    fn new(detail: &'a ProposalDetail) -> Self {
        let share = |choice| Share::new(&detail.tallies, choice);
        Self {
            proposal: ProposalItem::new(&detail.proposal),
            executed_at: detail.executed_at,
            updated_at: detail.updated_at,
            targets: &detail.targets,
            values: &detail.values,
            calldatas: &detail.calldatas,
            voter_count: detail.tallies.iter().map(|tally| tally.voters).sum(),
            breakdown: Breakdown {
                in_favour: share(VoteChoice::For),
                against: share(VoteChoice::Against),
                abstain: share(VoteChoice::Abstain),
            },
            timeline: detail.timeline.iter().map(TimelinePoint::new).collect(),
            transitions: detail.transitions.iter().map(Transition::new).collect(),
        }
    }
}

/// Proposals.
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/governance/proposals", tag = "governance",
    params(("status" = Option<String>, Query,
            description = "`pending`, `active`, `passed`, `rejected`, `executed` or `all`",
            example = "active"), PageParams),
    responses((status = 200, description = "A page of proposals", body = ProposalList))
)]
pub async fn list_proposals(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let params = call.params(&["status", "limit", "cursor", "offset"])?;
    let (scope, status) = status_of(&params)?;
    let page = params.page(List::Proposals, scope)?;
    cache::pass_by(&call, load_proposals(&api, (scope, status), page)).await
}

/// The status asked for, absent for all, and what binds cursors to it.
fn status_of(params: &Params<'_>) -> Result<(u32, Option<&'static str>), Problem> {
    let all = STATUSES[0];
    let asked = params.choice("status", &STATUSES, |status| status, all)?;
    let scope = (0_u32..).zip(STATUSES).find(|(_, status)| *status == asked);
    Ok((scope.map_or(0, |(scope, _)| scope), (asked != all).then_some(asked)))
}

async fn load_proposals(
    api: &ApiState,
    (scope, status): (u32, Option<&'static str>),
    page: Page,
) -> Result<Answer, Problem> {
    let db = api.store().readers();
    let after = match &page.start {
        Start::Offset(0) => None,
        // The row before the first one shown; where there is none, nothing comes after it.
        Start::Offset(offset) => {
            let last = query::find_proposal_position(db, status, offset - 1).await?;
            Some(last.unwrap_or_default())
        }
        Start::After(cursor) => {
            let id = String::from_utf8(cursor.tail.clone());
            let id = id.map_err(|_| Problem::invalid("cursor is not one that this list gave"))?;
            Some((cursor.position, id))
        }
    };
    let after = after.as_ref().map(|(created_at, id)| (*created_at, id.as_str()));
    let (checkpoint, rows) = query::list_proposals(db, status, after, page.rows()).await?;
    let (rows, next_cursor) = page.cut(&rows, |row: &ProposalRow| Cursor {
        list: List::Proposals,
        scope,
        position: row.created_at,
        tail: row.proposal_id.as_bytes().to_vec(),
    });
    let list = ProposalList { items: rows.iter().map(ProposalItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}

/// The path's parameter as a proposal's id.
pub(super) fn proposal_id(call: &Call) -> Result<&str, Problem> {
    let id = call.segment();
    if id.is_empty() || id.len() > PROPOSAL_ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(Problem::invalid(format!(
            "a proposal's id has 1 to {PROPOSAL_ID_BYTES_MAX} bytes and no control characters"
        )));
    }
    Ok(id)
}

/// The answer for an id that no proposal has.
pub(super) fn no_proposal() -> Problem {
    Problem::not_found("No proposal has this id.")
}

/// A proposal.
///
/// With its votes by choice and by hour.
#[utoipa::path(
    get, path = "/v1/governance/proposals/{id}", tag = "governance",
    params(("id" = String, Path, description = "The proposal's id", max_length = 128,
            example = "7")),
    responses((status = 200, description = "The proposal", body = ProposalView),
              (status = 404, description = "No proposal has this id"))
)]
pub async fn get_proposal(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = proposal_id(&call)?;
    cache::pass_by(&call, load_proposal(&api, id)).await
}

async fn load_proposal(api: &ApiState, id: &str) -> Result<Answer, Problem> {
    let (checkpoint, detail) = query::find_proposal(api.store(), id).await?;
    let detail = detail.ok_or_else(no_proposal)?;
    Answer::json(&checkpoint, Freshness::Revalidate, &ProposalView::new(&detail))
}
