//! Leaderboards of useful work.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::leaderboard::edition::{Edition, find_edition};
use chert_store::entities::leaderboard::query::{
    BoardLine, BoardPage, Extent, list_board, list_board_around,
};
use chert_store::entities::leaderboard::{Board, Kind, Metric, Scope, Timeframe};
use chert_store::privacy::Viewer;
use serde::Serialize;
use silica_models::IdentityId;
use utoipa::{IntoParams, ToSchema};

use super::text::{Hex, Hundredths};
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::{Kind as ProblemKind, Problem, ProblemBody};
use crate::params::{Call, Page, PageParams, Params, Start};
use crate::state::ApiState;

/// Lines around an identity, itself included, when the client does not say.
const AROUND_DEFAULT: u32 = 11;
/// Lines around an identity at most.
const AROUND_MAX: u32 = 100;

/// Which board.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameters; `board_of` reads them")]
pub struct BoardParams {
    /// Kind of work: `nuw` (default) or `boinc`.
    #[param(rename = "type", pattern = "^(nuw|boinc)$", example = "boinc")]
    kind: Option<String>,
    /// The trailing 24 hours, 7 days or 30 days in whole UTC hours, or `all` (default).
    #[param(pattern = "^(day|week|month|all)$", example = "week")]
    timeframe: Option<String>,
    /// What is compared: `tasks` (default of nuw), `rewards`; with boinc also `credits` (its
    /// default) and `recent_average_credit`, which is the same in every timeframe.
    #[param(pattern = "^(tasks|credits|rewards|recent_average_credit)$", example = "rewards")]
    metric: Option<String>,
}

/// Who is ranked.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameters; `board_of` reads them")]
pub struct ScopeParams {
    /// `identities` (default; public ones) or `addresses` (every account).
    #[param(pattern = "^(identities|addresses)$", example = "identities")]
    scope: Option<String>,
}

/// A line of a board.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeaderboardItem<'a> {
    /// Standard competition rank: equals share it, the next one counts them all.
    #[schema(example = 3)]
    pub rank: u32,
    /// The public identity; null for an address without one.
    #[schema(value_type = Option<String>,
             example = "5f1e7a90c3d2b4a6880796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1")]
    pub identity_id: Option<Hex<'a>>,
    /// Its name.
    #[schema(example = "Ada")]
    pub display_name: Option<&'a str>,
    /// The account; null on a board of identities.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub address: Option<&'a str>,
    /// What the board compares, decimal text.
    #[schema(example = "10350.25")]
    pub score: &'a str,
    /// Counted submissions in the timeframe.
    #[schema(example = 42)]
    pub tasks: u64,
    /// Their rewards, base units.
    #[schema(example = "4200000000")]
    pub rewards: &'a str,
    /// Per cent of participants that it is at least as good as.
    #[schema(value_type = f64, example = 98.41)]
    pub percentile: Hundredths,
    /// Ranks gained since 24 hours ago, negative for lost ones; null for newcomers and for the
    /// recent average credit.
    #[schema(example = -1)]
    pub rank_change_24h: Option<i64>,
}

impl<'a> LeaderboardItem<'a> {
    fn new(line: &'a BoardLine) -> Self {
        Self {
            rank: line.rank,
            identity_id: line.identity_id.as_deref().map(Hex),
            display_name: line.display_name.as_deref(),
            address: line.address.as_deref(),
            score: &line.score,
            tasks: line.tasks,
            rewards: &line.rewards,
            percentile: Hundredths(line.percentile_hundredths),
            rank_change_24h: line.rank_change_24h,
        }
    }
}

/// A page of a board.
#[derive(Debug, Serialize, ToSchema)]
pub struct Leaderboard<'a> {
    /// `nuw` or `boinc`.
    #[serde(rename = "type")]
    #[schema(example = "boinc")]
    pub kind: &'static str,
    /// `day`, `week`, `month` or `all`.
    #[schema(example = "week")]
    pub timeframe: &'static str,
    /// What is compared.
    #[schema(example = "credits")]
    pub metric: &'static str,
    /// `identities` or `addresses`.
    #[schema(example = "identities")]
    pub scope: &'static str,
    /// The same on every page of a walk; null before the first board was computed.
    #[schema(example = 88123)]
    pub snapshot_id: Option<i64>,
    /// When the board was computed, Unix seconds.
    #[schema(example = 1783073729)]
    pub updated_at: Option<i64>,
    /// Subjects with a score above zero.
    #[schema(example = 1893)]
    pub total_participants: i64,
    /// Best first; equals by who reached it first, then by id.
    pub items: Vec<LeaderboardItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<'a> Leaderboard<'a> {
    fn new(board: Board, page: Option<&'a BoardPage>) -> Self {
        Self {
            kind: board.kind().as_str(),
            timeframe: board.timeframe().as_str(),
            metric: board.metric().as_str(),
            scope: board.scope().as_str(),
            snapshot_id: page.map(|p| p.snapshot_id),
            updated_at: page.map(|p| p.computed_at_ms.div_euclid(1000)),
            total_participants: page.map_or(0, |p| p.participants),
            items: page
                .map(|p| p.lines.iter().map(LeaderboardItem::new).collect())
                .unwrap_or_default(),
            next_cursor: None,
        }
    }
}

/// A leaderboard.
///
/// Computed seconds after figures change; a walk by cursor stays with the board it began with for
/// at least as long as three newer ones, usually ten minutes.
#[utoipa::path(
    get, path = "/v1/pouw/leaderboard", tag = "pouw", params(BoardParams, ScopeParams, PageParams),
    responses(
        (status = 200, description = "A page of the board", body = Leaderboard),
        (status = 410, description = "The cursor's board is gone: start again", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_leaderboard(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let known = ["type", "timeframe", "metric", "scope", "limit", "cursor", "offset"];
    let params = call.params(&known)?;
    let scope = params.choice("scope", &Scope::ALL, Scope::as_str, Scope::Identities)?;
    let board = board_of(&params, scope)?;
    let page = params.page(List::Leaderboard, board.code())?;
    // Pages by cursor are of a board that may be gone; boards of addresses name identities by links.
    let kept = scope == Scope::Identities && matches!(page.start, Start::Offset(_));
    if kept
        && cache::keeps_editions(&api)
        && let (checkpoint, Some(edition)) = find_edition(api.store().readers(), board).await?
    {
        let load = load_leaderboard(&api, board, page);
        return cache::serve_edition(&api, &call, (&checkpoint, edition), load).await;
    }
    let load = async { Ok(load_leaderboard(&api, board, page).await?.0) };
    cache::pass_by(&call, load).await
}

fn board_of(params: &Params<'_>, scope: Scope) -> Result<Board, Problem> {
    let kind = params.choice("type", &Kind::ALL, Kind::as_str, Kind::Nuw)?;
    let timeframe =
        params.choice("timeframe", &Timeframe::ALL, Timeframe::as_str, Timeframe::All)?;
    let usual = kind.metrics().first().copied().unwrap_or(Metric::Tasks);
    let metric = params.choice("metric", &Metric::ALL, Metric::as_str, usual)?;
    Board::new(scope, kind, timeframe, metric).ok_or_else(|| {
        Problem::invalid(format!(
            "metric {} does not exist for type {}: only BOINC work has credits",
            metric.as_str(),
            kind.as_str()
        ))
    })
}

/// The answer, and the edition that it shows.
async fn load_leaderboard(
    api: &ApiState,
    board: Board,
    page: Page,
) -> Result<(Answer, Option<Edition>), Problem> {
    let (snapshot_id, first) = match &page.start {
        Start::Offset(offset) => (None, i64::from(*offset)),
        Start::After(cursor) => (Some(snapshot_of(cursor)), cursor.position.saturating_add(1)),
    };
    let extent = Extent { snapshot_id, first, rows: i64::from(page.limit) };
    let (checkpoint, found) = list_board(api.store().readers(), board, extent).await?;
    if snapshot_id.is_some() && found.is_none() {
        return Err(Problem::new(
            ProblemKind::SnapshotExpired,
            "The board that this cursor belongs to has been replaced; start again without a \
             cursor.",
        ));
    }
    let mut body = Leaderboard::new(board, found.as_ref());
    body.next_cursor = found.as_ref().and_then(|page| {
        let cursor = Cursor {
            list: List::Leaderboard,
            scope: board.code(),
            position: page.last_position?,
            tail: page.snapshot_id.to_be_bytes().to_vec(),
        };
        Some(cursor.encode())
    });
    let edition = found.as_ref().and_then(|page| page.edition);
    Ok((Answer::json(&checkpoint, Freshness::Revalidate, &body)?, edition))
}

/// The snapshot in a cursor's tail, whose length decoding has checked.
fn snapshot_of(cursor: &Cursor) -> i64 {
    cursor.tail.as_slice().try_into().map_or(-1, i64::from_be_bytes)
}

/// The neighbours of an identity on a board.
///
/// The identity stands in the middle where the board allows it. One that has no place on the board
/// is not found.
#[utoipa::path(
    get, path = "/v1/pouw/leaderboard/around/{identity_id}", tag = "pouw",
    params(
        ("identity_id" = String, Path, description = "Identity", max_length = 66,
         example = "5f1e7a90c3d2b4a6880796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1"),
        BoardParams,
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, example = 11,
         description = "Lines, the identity's own included; default 11"),
    ),
    responses(
        (status = 200, description = "The board around the identity", body = Leaderboard),
        (status = 403, description = "The identity hides its statistics", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 404, description = "No such identity, or not on this board", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_leaderboard_around(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    let params = call.params(&["type", "timeframe", "metric", "limit"])?;
    let identity = call.identity_id()?;
    let board = board_of(&params, Scope::Identities)?;
    let rows = params.integer("limit", 1, AROUND_MAX)?.unwrap_or(AROUND_DEFAULT);
    cache::pass_by(&call, load_around(&api, board, identity, i64::from(rows), call.viewer())).await
}

async fn load_around(
    api: &ApiState,
    board: Board,
    identity: IdentityId,
    rows: i64,
    viewer: Viewer,
) -> Result<Answer, Problem> {
    let (checkpoint, found) = list_board_around(api.store(), board, &identity, rows).await?;
    let page = found.open(viewer)?;
    let page =
        page.ok_or_else(|| Problem::not_found("This identity has no place on this leaderboard."))?;
    Answer::json(&checkpoint, Freshness::Revalidate, &Leaderboard::new(board, Some(&page)))
}
