//! Submissions of an identity, and what it did day by day.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::pouw_query::history::{
    HISTORY_ROWS_MAX, HistoryPlace, SubmissionRow, find_history_place, list_history,
};
use chert_store::entities::pouw_query::series::{SeriesDay, list_series};
use chert_store::privacy::Viewer;
use serde::Serialize;
use silica_models::{IdentityId, RewardStatus, WorkKind, WorkStatus};
use utoipa::ToSchema;

use super::text::{Hex, TxIdText};
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::{Problem, ProblemBody};
use crate::params::{Call, Page, Start};
use crate::state::ApiState;

/// Submissions of a page at most.
const HISTORY_LIMIT_MAX: u16 = 500;
/// Days of a page at most.
const SERIES_LIMIT_MAX: u16 = 366;
const DAY_S: i64 = 86_400;
/// What the store has and this program does not know: a newer program has written it.
const UNKNOWN: &str = "unknown";

const _: () = assert!(HISTORY_LIMIT_MAX as i64 + 1 == HISTORY_ROWS_MAX);

/// A submission.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionItem<'a> {
    /// Its id, hex.
    #[schema(value_type = String,
             example = "1a0e3298d5dac968fd38eb5248a2e60f65d17e5754c1b3207bf61895d9a4d924")]
    pub submission_id: Hex<'a>,
    /// Who reported it.
    #[schema(example = "ea4a1c3f5b7d9e0f1a2b3c4d5e6f708192a376ae")]
    pub oracle_id: &'a str,
    /// The account it was done for.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub miner_address: &'a str,
    /// `nuw` or `boinc`.
    #[schema(example = "nuw")]
    pub work_kind: &'static str,
    /// E.g. `boinc`, `nuw_zkproof`, `nuw_merkle`; new ones appear.
    #[schema(example = "nuw_zkproof")]
    pub work_type: &'a str,
    /// BOINC project, as the oracle spells it.
    #[schema(example = "Rosetta@Home")]
    pub project: Option<&'a str>,
    /// As the oracle computed it, decimal text.
    #[schema(example = "1.25")]
    pub difficulty: Option<&'a str>,
    /// Granted credits, decimal text.
    #[schema(example = "150.5")]
    pub credits: Option<&'a str>,
    /// Base units.
    #[schema(example = "100000000")]
    pub reward: Option<&'a str>,
    /// `assigned`, `submitted`, `validated`, `rejected`, `timed_out` or `disputed`.
    #[schema(example = "validated")]
    pub status: &'static str,
    /// `none`, `pending`, `finalized`, `claimed`, `clawed_back` or `voided`.
    #[schema(example = "finalized")]
    pub reward_status: &'static str,
    /// Unix seconds.
    #[schema(example = 1783073700)]
    pub submitted_at: Option<i64>,
    /// When it was decided, Unix seconds.
    #[schema(example = 1783073729)]
    pub validated_at: Option<i64>,
    /// Block in which we found the transaction that the oracle names; null until then.
    #[schema(example = 18427)]
    pub block_height: Option<i64>,
    /// The transaction that the oracle names.
    #[schema(value_type = Option<String>, example = "7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11")]
    pub tx_id: Option<TxIdText<'a>>,
    /// `verified` or `unsigned`.
    #[schema(example = "verified")]
    pub signature_status: &'static str,
}

impl<'a> SubmissionItem<'a> {
    /// The view of a submission.
    pub fn new(row: &'a SubmissionRow) -> Self {
        let seconds = |ms: Option<i64>| ms.map(|ms| ms.div_euclid(1000));
        Self {
            submission_id: Hex(&row.submission_id),
            oracle_id: &row.oracle_id,
            miner_address: &row.miner_address,
            work_kind: kind_text(row.work_kind),
            work_type: &row.work_type,
            project: row.project.as_deref(),
            difficulty: row.difficulty.as_deref(),
            credits: row.credits.as_deref(),
            reward: row.reward.as_deref(),
            status: status_text(row.status),
            reward_status: reward_text(row.reward_status),
            submitted_at: seconds(row.submitted_at_ms),
            validated_at: seconds(row.validated_at_ms),
            block_height: row.block_height,
            tx_id: row.tx_hash.as_deref().map(TxIdText),
            signature_status: if row.signature_status == 1 { "verified" } else { "unsigned" },
        }
    }
}

/// The word for a stored kind.
pub(super) fn kind_text(stored: i16) -> &'static str {
    WorkKind::from_i16(stored).map_or(UNKNOWN, WorkKind::as_str)
}

/// The word for a stored status.
pub(super) fn status_text(stored: i16) -> &'static str {
    WorkStatus::from_i16(stored).map_or(UNKNOWN, WorkStatus::as_str)
}

/// The word for a stored reward status.
pub(super) fn reward_text(stored: i16) -> &'static str {
    RewardStatus::from_i16(stored).map_or(UNKNOWN, RewardStatus::as_str)
}

/// A page of submissions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionList<'a> {
    /// What is not decided first, then newest first.
    pub items: Vec<SubmissionItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Submissions of an identity.
///
/// Of the accounts that it held when they were validated: what is not decided first, then newest
/// first.
#[utoipa::path(
    get, path = "/v1/pouw/history/{identity_id}", tag = "pouw",
    params(
        ("identity_id" = String, Path, description = "Identity", max_length = 66,
         example = "5f1e7a90c3d2b4a6880796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 500, example = 100,
         description = "Items per page; default 50"),
        ("cursor" = Option<String>, Query, max_length = 404,
         description = "`next_cursor` of the page before. Not together with `offset`."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 10000, example = 0,
         description = "Items to skip; beyond 10 000 use the cursor."),
    ),
    responses(
        (status = 200, description = "A page of submissions", body = SubmissionList),
        (status = 403, description = "The identity hides its statistics", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 404, description = "No such identity", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn list_pouw_history(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    let params = call.params(&["limit", "cursor", "offset"])?;
    let identity = call.identity_id()?;
    let page = params.page_up_to(List::PouwHistory, scope_of(&identity), HISTORY_LIMIT_MAX)?;
    cache::pass_by(&call, load_history(&api, identity, page, call.viewer())).await
}

/// Binds cursors to the identity they came from.
fn scope_of(identity: &IdentityId) -> u32 {
    let [a, b, c, d, ..] = identity.0;
    u32::from_be_bytes([a, b, c, d])
}

async fn load_history(
    api: &ApiState,
    identity: IdentityId,
    page: Page,
    viewer: Viewer,
) -> Result<Answer, Problem> {
    let db = api.store().readers();
    let (after, past_the_end) = match &page.start {
        Start::Offset(0) => (None, false),
        Start::Offset(offset) => {
            let place = find_history_place(db, &identity, *offset).await?;
            let none = place.is_none();
            (place, none)
        }
        Start::After(cursor) => (Some(place_of(cursor)), false),
    };
    let (checkpoint, rows) = list_history(db, &identity, after.as_ref(), page.rows()).await?;
    let mut rows = rows.open(viewer)?;
    if past_the_end {
        rows.clear();
    }
    let (rows, next_cursor) = page.cut(&rows, |row| cursor_of(&identity, row));
    let list =
        SubmissionList { items: rows.iter().map(SubmissionItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}

fn cursor_of(identity: &IdentityId, row: &SubmissionRow) -> Cursor {
    Cursor {
        list: List::PouwHistory,
        scope: scope_of(identity),
        position: row.validated_at_ms.map_or(0, |ms| ms.saturating_add(1).max(1)),
        tail: row.submission_id.clone(),
    }
}

fn place_of(cursor: &Cursor) -> HistoryPlace {
    HistoryPlace {
        validated_at_ms: cursor.position.checked_sub(1).filter(|ms| *ms >= 0),
        submission_id: cursor.tail.clone(),
    }
}

/// A UTC day of an identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesDayItem<'a> {
    /// Start of the day, Unix seconds.
    #[schema(example = 1783036800)]
    pub starts_at: i64,
    /// Counted tasks of the network's own kind.
    #[schema(example = 12)]
    pub nuw_tasks: i64,
    /// Counted BOINC results.
    #[schema(example = 3)]
    pub boinc_tasks: i64,
    /// Granted credits, decimal text.
    #[schema(example = "451.5")]
    pub credits: &'a str,
    /// Base units.
    #[schema(example = "1200000000")]
    pub rewards: &'a str,
    /// Rejected submissions.
    #[schema(example = 1)]
    pub rejected: i64,
    /// Submissions that ran out of time.
    #[schema(example = 0)]
    pub timed_out: i64,
}

impl<'a> SeriesDayItem<'a> {
    fn new(day: &'a SeriesDay) -> Self {
        Self {
            starts_at: day.day.saturating_mul(DAY_S),
            nuw_tasks: day.nuw_tasks,
            boinc_tasks: day.boinc_tasks,
            credits: &day.credits,
            rewards: &day.rewards,
            rejected: day.rejected,
            timed_out: day.timed_out,
        }
    }
}

/// A page of days.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesDayList<'a> {
    /// Newest first; days without anything are left out.
    pub items: Vec<SeriesDayItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Useful work of an identity by UTC day.
///
/// Newest first; days on which nothing was decided are left out.
#[utoipa::path(
    get, path = "/v1/pouw/series/{identity_id}", tag = "pouw",
    params(
        ("identity_id" = String, Path, description = "Identity", max_length = 66,
         example = "5f1e7a90c3d2b4a6880796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 366, example = 30,
         description = "Days per page; default 50"),
        ("cursor" = Option<String>, Query, max_length = 404,
         description = "`next_cursor` of the page before. Not together with `offset`."),
        ("offset" = Option<u32>, Query, minimum = 0, maximum = 10000, example = 0,
         description = "Days to skip; beyond 10 000 use the cursor."),
    ),
    responses(
        (status = 200, description = "A page of days", body = SeriesDayList),
        (status = 403, description = "The identity hides its statistics", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 404, description = "No such identity", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn list_pouw_series(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    let params = call.params(&["limit", "cursor", "offset"])?;
    let identity = call.identity_id()?;
    let page = params.page_up_to(List::PouwSeries, scope_of(&identity), SERIES_LIMIT_MAX)?;
    cache::pass_by(&call, load_series(&api, identity, page, call.viewer())).await
}

async fn load_series(
    api: &ApiState,
    identity: IdentityId,
    page: Page,
    viewer: Viewer,
) -> Result<Answer, Problem> {
    let (before, offset) = match &page.start {
        Start::Offset(offset) => (None, *offset),
        Start::After(cursor) => (Some(cursor.position), 0),
    };
    let db = api.store().readers();
    let (checkpoint, days) = list_series(db, &identity, before, offset, page.rows()).await?;
    let days = days.open(viewer)?;
    let scope = scope_of(&identity);
    let (days, next_cursor) = page.cut(&days, |day| Cursor::at(List::PouwSeries, scope, day.day));
    let list = SeriesDayList { items: days.iter().map(SeriesDayItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}
