//! The votes of a proposal.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::governance::query::{self, VoteRow};
use serde::Serialize;
use sha2::{Digest, Sha256};
use silica_models::VoteChoice;
use utoipa::ToSchema;
use uuid::Uuid;

use super::proposals::{no_proposal, proposal_id};
use super::text::Hex;
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::Problem;
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// A vote on a proposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoteItem<'a> {
    /// Who voted.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub voter: &'a str,
    /// Identity that held the voter's wallet then; null for none, or one that is not public.
    #[schema(value_type = Option<String>)]
    pub voter_identity: Option<Hex<'a>>,
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

impl<'a> VoteItem<'a> {
    fn new(row: &'a VoteRow) -> Self {
        Self {
            voter: &row.voter,
            voter_identity: row.voter_identity.as_deref().map(Hex),
            choice: choice_word(row.choice),
            power: &row.power,
            reason: row.reason.as_deref(),
            cast_at: row.cast_at,
        }
    }
}

/// The word for a stored choice.
pub(super) fn choice_word(choice: i16) -> &'static str {
    VoteChoice::from_i16(choice).unwrap_or(VoteChoice::Abstain).as_str()
}

/// A page of votes.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoteList<'a> {
    /// Latest first.
    pub items: Vec<VoteItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Votes on a proposal.
///
/// Latest first.
#[utoipa::path(
    get, path = "/v1/governance/proposals/{id}/votes", tag = "governance",
    params(("id" = String, Path, description = "The proposal's id", max_length = 128,
            example = "7"), PageParams),
    responses((status = 200, description = "A page of votes", body = VoteList),
              (status = 404, description = "No proposal has this id"))
)]
pub async fn list_votes(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let params = call.params(&["limit", "cursor", "offset"])?;
    let id = proposal_id(&call)?;
    let page = params.page(List::Votes, scope_of(id))?;
    cache::pass_by(&call, load_votes(&api, id, page)).await
}

/// Binds cursors to the proposal they came from.
fn scope_of(id: &str) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(id.as_bytes()));
    u32::from_be_bytes([a, b, c, d])
}

async fn load_votes(api: &ApiState, id: &str, page: Page) -> Result<Answer, Problem> {
    let rows_max = u64::from(page.limit) + 1;
    let (after, offset) = match &page.start {
        Start::Offset(offset) => (None, *offset),
        Start::After(cursor) => {
            let key = Uuid::from_slice(&cursor.tail).map_err(Problem::internal)?;
            (Some((cursor.position, key)), 0)
        }
    };
    let (checkpoint, rows) = query::list_votes(api.store(), id, after, offset, rows_max).await?;
    let rows = rows.ok_or_else(no_proposal)?;
    let (rows, next_cursor) = page.cut(&rows, |row: &VoteRow| Cursor {
        list: List::Votes,
        scope: scope_of(id),
        position: row.cast_at,
        tail: row.voter_key.as_bytes().to_vec(),
    });
    let list = VoteList { items: rows.iter().map(VoteItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}
