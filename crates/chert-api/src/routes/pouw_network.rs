//! Useful work of the whole network, and of its projects.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::leaderboard::{Board, Kind, Metric, Scope, Timeframe};
use chert_store::entities::pouw_query::network::{
    ParticipantsRow, ProjectRow, TaskTypeRow, WorkTotals, get_network as load_totals,
    list_projects as load_rows,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::pouw_history::kind_text;
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::Problem;
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// Decided work and what it earned.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkTotalsView<'a> {
    /// Counted submissions.
    #[schema(example = 500)]
    pub validated: i64,
    /// Rejected submissions.
    #[schema(example = 10)]
    pub rejected: i64,
    /// Submissions that ran out of time.
    #[schema(example = 2)]
    pub timed_out: i64,
    /// Credits of counted work, decimal text.
    #[schema(example = "10350.25")]
    pub credits: &'a str,
    /// Rewards of counted work, base units.
    #[schema(example = "98000000000")]
    pub rewards: &'a str,
    /// Difficulty of counted work, decimal text.
    #[schema(example = "1234.5")]
    pub difficulty: &'a str,
}

impl<'a> WorkTotalsView<'a> {
    fn new(totals: &'a WorkTotals) -> Self {
        Self {
            validated: totals.validated,
            rejected: totals.rejected,
            timed_out: totals.timed_out,
            credits: &totals.credits,
            rewards: &totals.rewards,
            difficulty: &totals.difficulty,
        }
    }
}

/// Accounts with counted work, by timeframe; null before the first board was computed.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ActiveMiners {
    /// In the trailing 24 hours.
    #[schema(example = 37)]
    pub day: Option<i64>,
    /// In the trailing 7 days.
    #[schema(example = 112)]
    pub week: Option<i64>,
    /// In the trailing 30 days.
    #[schema(example = 310)]
    pub month: Option<i64>,
    /// Ever.
    #[schema(example = 1893)]
    pub all: Option<i64>,
}

/// A kind of work.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindView<'a> {
    /// `nuw` or `boinc`.
    #[schema(example = "nuw")]
    pub work_kind: &'static str,
    /// Its totals.
    #[serde(flatten)]
    pub totals: WorkTotalsView<'a>,
    /// Accounts that work on it.
    pub active_miners: ActiveMiners,
}

/// A type of task.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskTypeItem<'a> {
    /// `nuw` or `boinc`.
    #[schema(example = "nuw")]
    pub work_kind: &'static str,
    /// Canonical name.
    #[schema(example = "zk_batch_verify")]
    pub task_type: &'a str,
    /// Its totals.
    #[serde(flatten)]
    pub totals: WorkTotalsView<'a>,
}

/// The whole network.
#[derive(Debug, Serialize, ToSchema)]
pub struct NetworkView<'a> {
    /// Both kinds of work.
    pub kinds: Vec<KindView<'a>>,
    /// Types of task with most validated work, at most 98.
    pub task_types: Vec<TaskTypeItem<'a>>,
}

/// Useful work of the network.
///
/// Totals of all time by kind and by type of task, and how many accounts work.
#[utoipa::path(
    get, path = "/v1/pouw/network", tag = "pouw",
    responses((status = 200, description = "Totals of the network", body = NetworkView))
)]
pub async fn get_network(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    cache::pass_by(&call, load_network(&api)).await
}

/// The board whose participants are the accounts with counted work.
fn activity_board(kind: Kind, timeframe: Timeframe) -> String {
    Board::new(Scope::Addresses, kind, timeframe, Metric::Tasks)
        .map(|board| board.to_string())
        .unwrap_or_default()
}

async fn load_network(api: &ApiState) -> Result<Answer, Problem> {
    let boards: Vec<String> = Kind::ALL
        .into_iter()
        .flat_map(|kind| Timeframe::ALL.map(|timeframe| activity_board(kind, timeframe)))
        .collect();
    let (checkpoint, types, participants) = load_totals(api.store(), &boards).await?;
    let nothing = WorkTotals {
        credits: "0".to_owned(),
        rewards: "0".to_owned(),
        difficulty: "0".to_owned(),
        ..WorkTotals::default()
    };
    let kinds = Kind::ALL.map(|kind| {
        let total = types.iter().find(|t| t.task_type.is_empty() && t.work_kind == kind.code());
        KindView {
            work_kind: kind.as_str(),
            totals: WorkTotalsView::new(total.map_or(&nothing, |t| &t.totals)),
            active_miners: active_miners(kind, &participants),
        }
    });
    let view = NetworkView {
        kinds: kinds.into(),
        task_types: types.iter().filter(|t| !t.task_type.is_empty()).map(task_type).collect(),
    };
    Answer::json(&checkpoint, Freshness::Revalidate, &view)
}

fn active_miners(kind: Kind, participants: &[ParticipantsRow]) -> ActiveMiners {
    let of = |timeframe| {
        let board = activity_board(kind, timeframe);
        participants.iter().find(|row| row.board == board).map(|row| row.participants)
    };
    ActiveMiners {
        day: of(Timeframe::Day),
        week: of(Timeframe::Week),
        month: of(Timeframe::Month),
        all: of(Timeframe::All),
    }
}

fn task_type(row: &TaskTypeRow) -> TaskTypeItem<'_> {
    TaskTypeItem {
        work_kind: kind_text(row.work_kind),
        task_type: &row.task_type,
        totals: WorkTotalsView::new(&row.totals),
    }
}

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectItem<'a> {
    /// A spelling of its name.
    #[schema(example = "Rosetta@Home")]
    pub project: &'a str,
    /// What projects are told apart by.
    #[schema(example = "rosetta_home")]
    pub slug: &'a str,
    /// Its totals.
    #[serde(flatten)]
    pub totals: WorkTotalsView<'a>,
}

impl<'a> ProjectItem<'a> {
    fn new(row: &'a ProjectRow) -> Self {
        let totals = WorkTotalsView::new(&row.totals);
        Self { project: &row.project, slug: &row.slug, totals }
    }
}

/// A page of projects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectList<'a> {
    /// By slug.
    pub items: Vec<ProjectItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Projects.
///
/// Every BOINC project that work was decided for, by slug.
#[utoipa::path(
    get, path = "/v1/pouw/projects", tag = "pouw", params(PageParams),
    responses((status = 200, description = "A page of projects", body = ProjectList))
)]
pub async fn list_projects(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let page = call.params(&["limit", "cursor", "offset"])?.page(List::Projects, 0)?;
    cache::pass_by(&call, load_projects(&api, page)).await
}

async fn load_projects(api: &ApiState, page: Page) -> Result<Answer, Problem> {
    let (after, offset) = match &page.start {
        Start::Offset(offset) => (String::new(), *offset),
        Start::After(cursor) => (cursor.tail_text()?.to_owned(), 0),
    };
    let db = api.store().readers();
    let (checkpoint, rows) = load_rows(db, &after, offset, page.rows()).await?;
    let (rows, next_cursor) = page.cut(&rows, |row| Cursor::named(List::Projects, &row.slug));
    let list = ProjectList { items: rows.iter().map(ProjectItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}
