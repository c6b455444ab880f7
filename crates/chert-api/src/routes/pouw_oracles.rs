//! Oracles: which there are, and how they perform.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::oracle::performance::{Integrity, Percentiles, Window};
use chert_store::entities::oracle::query::{
    OracleListRow, PerformanceRow, find_performance, list_oracles as load_rows,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::{Problem, ProblemBody};
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// Longest id: 40 hex digits, or the URL of an oracle that has none.
const ORACLE_ID_BYTES_MAX: usize = 128;

/// An oracle.
#[derive(Debug, Serialize, ToSchema)]
pub struct OracleItem<'a> {
    /// 40 hex digits; the URL for an oracle that has no feed.
    #[schema(example = "ea4a1c3f5b7d9e0f1a2b3c4d5e6f708192a376ae")]
    pub oracle_id: &'a str,
    /// For people.
    #[schema(example = "Oracle 1")]
    pub name: &'a str,
    /// `feed`, or `probe` for one that serves none.
    #[schema(example = "feed")]
    pub mode: &'a str,
    /// Its signatures are checked against a pinned key.
    #[schema(example = true)]
    pub signed: bool,
    /// `active`, `paused`, `diverged`, `refused` or `retired`.
    #[schema(example = "active")]
    pub state: &'a str,
    /// A code; null where there is none.
    pub last_error: Option<&'a str>,
    /// As the oracle says.
    #[schema(example = "1.4.0")]
    pub software_version: Option<&'a str>,
    /// As the oracle says.
    #[schema(example = "chert-testnet")]
    pub network_id: Option<&'a str>,
    /// Items of its feed that we have not taken in; null without a feed.
    #[schema(example = 0)]
    pub feed_lag_items: Option<i64>,
    /// When we took in the last item, Unix seconds.
    #[schema(example = 1783073729)]
    pub last_item_at: Option<i64>,
    /// Unix seconds.
    #[schema(example = 1751537729)]
    pub first_seen_at: i64,
    /// Unix seconds.
    #[schema(example = 1783073729)]
    pub updated_at: i64,
}

impl<'a> OracleItem<'a> {
    fn new(row: &'a OracleListRow) -> Self {
        let lag = row.head_seq.zip(row.cursor_seq);
        Self {
            oracle_id: &row.oracle_id,
            name: &row.name,
            mode: &row.mode,
            signed: row.signed,
            state: &row.state,
            last_error: row.last_error.as_deref(),
            software_version: row.software_version.as_deref(),
            network_id: row.network_id.as_deref(),
            feed_lag_items: lag.map(|(head, cursor)| head.saturating_sub(cursor).max(0)),
            last_item_at: row.last_item_at,
            first_seen_at: row.first_seen_at,
            updated_at: row.updated_at,
        }
    }
}

/// A page of oracles.
#[derive(Debug, Serialize, ToSchema)]
pub struct OracleList<'a> {
    /// By id.
    pub items: Vec<OracleItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Oracles.
///
/// By id, retired ones included.
#[utoipa::path(
    get, path = "/v1/pouw/oracles", tag = "pouw", params(PageParams),
    responses((status = 200, description = "A page of oracles", body = OracleList))
)]
pub async fn list_oracles(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let page = call.params(&["limit", "cursor", "offset"])?.page(List::Oracles, 0)?;
    cache::pass_by(&call, load_oracles(&api, page)).await
}

async fn load_oracles(api: &ApiState, page: Page) -> Result<Answer, Problem> {
    let (after, offset) = match &page.start {
        Start::Offset(offset) => (String::new(), *offset),
        Start::After(cursor) => (cursor.tail_text()?.to_owned(), 0),
    };
    let db = api.store().readers();
    let (checkpoint, rows) = load_rows(db, &after, offset, page.rows()).await?;
    let (rows, next_cursor) = page.cut(&rows, |row| Cursor::named(List::Oracles, &row.oracle_id));
    let list = OracleList { items: rows.iter().map(OracleItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}

/// Percentiles of a latency, in milliseconds, to 2 %; null where there is no sample.
#[derive(Debug, Serialize, ToSchema)]
pub struct LatencyView {
    /// Half took no longer.
    #[schema(example = 1450)]
    pub p50: Option<i64>,
    /// 95 % took no longer.
    #[schema(example = 5200)]
    pub p95: Option<i64>,
    /// 99 % took no longer.
    #[schema(example = 9100)]
    pub p99: Option<i64>,
}

impl From<Percentiles> for LatencyView {
    fn from(latency: Percentiles) -> Self {
        Self { p50: latency.p50, p95: latency.p95, p99: latency.p99 }
    }
}

/// Items of the oracle's feeds, ever, by how trustworthy they were; null without a feed.
#[derive(Debug, Serialize, ToSchema)]
pub struct IntegrityView {
    /// With a good signature.
    #[schema(example = 8123)]
    pub verified: Option<i64>,
    /// Without a signature.
    #[schema(example = 0)]
    pub unsigned: Option<i64>,
    /// With a bad signature or hash.
    #[schema(example = 0)]
    pub invalid: Option<i64>,
    /// Stretches that had expired before they could be read.
    #[schema(example = 0)]
    pub gaps: Option<i64>,
    /// Items that could not be understood.
    #[schema(example = 0)]
    pub quarantined: Option<i64>,
}

impl From<Option<Integrity>> for IntegrityView {
    fn from(known: Option<Integrity>) -> Self {
        Self {
            verified: known.map(|i| i.verified),
            unsigned: known.map(|i| i.unsigned),
            invalid: known.map(|i| i.invalid),
            gaps: known.map(|i| i.gaps),
            quarantined: known.map(|i| i.quarantined),
        }
    }
}

/// How an oracle performs. What has no sample is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct OraclePerformance<'a> {
    /// The oracle.
    #[schema(example = "ea4a1c3f5b7d9e0f1a2b3c4d5e6f708192a376ae")]
    pub oracle_id: &'a str,
    /// `24h`, `7d`, `30d` or `all`; whole UTC hours, the running one included.
    #[schema(example = "24h")]
    pub window: &'static str,
    /// Submissions decided in the window.
    #[schema(example = 512)]
    pub sample_size: i64,
    /// Of them validated.
    #[schema(example = 500)]
    pub validated: i64,
    /// Of them rejected.
    #[schema(example = 10)]
    pub rejected: i64,
    /// Of them out of time.
    #[schema(example = 2)]
    pub timed_out: i64,
    /// Validated / decided, four decimals.
    #[schema(example = 0.9766)]
    pub acceptance_rate: Option<f64>,
    /// From submission to decision.
    pub validation_ms: LatencyView,
    /// Decided per hour of the window, four decimals.
    #[schema(example = 21.3333)]
    pub throughput_per_hour: Option<f64>,
    /// Accounts with a decided submission, on the UTC days that the window touches.
    #[schema(example = 37)]
    pub distinct_miners: Option<i64>,
    /// Credits of counted work, decimal text.
    #[schema(example = "10350.25")]
    pub credits_granted: Option<&'a str>,
    /// Rewards of counted work, base units.
    #[schema(example = "98000000000")]
    pub rewards: Option<&'a str>,
    /// Submissions that are submitted and not decided, now.
    #[schema(example = 3)]
    pub backlog: i64,
    /// Age of the oldest of them.
    #[schema(example = 42)]
    pub oldest_open_age_s: Option<i64>,
    /// Successful of all our probes, four decimals.
    #[schema(example = 0.9993)]
    pub availability: Option<f64>,
    /// Restarts that our probes noticed.
    #[schema(example = 0)]
    pub restarts: Option<i64>,
    /// Items of its feed that we have not taken in.
    #[schema(example = 0)]
    pub feed_lag_items: Option<i64>,
    /// When we took in the last item, Unix seconds.
    #[schema(example = 1783073729)]
    pub last_item_at: Option<i64>,
    /// How trustworthy its items were.
    pub integrity: IntegrityView,
    /// When this was computed, Unix seconds; null where it was not yet.
    #[schema(example = 1783073731)]
    pub updated_at: Option<i64>,
}

impl<'a> OraclePerformance<'a> {
    fn new(oracle_id: &'a str, window: Window, row: &'a PerformanceRow) -> Self {
        let figures = &row.performance;
        Self {
            oracle_id,
            window: window.as_str(),
            sample_size: figures.sample_size,
            validated: figures.validated,
            rejected: figures.rejected,
            timed_out: figures.timed_out,
            acceptance_rate: figures.acceptance_rate,
            validation_ms: figures.validation_ms.into(),
            throughput_per_hour: figures.throughput_per_hour,
            distinct_miners: figures.distinct_miners,
            credits_granted: figures.credits_granted.as_deref(),
            rewards: figures.rewards.as_deref(),
            backlog: figures.backlog,
            oldest_open_age_s: figures.oldest_open_age_s,
            availability: figures.availability,
            restarts: figures.restarts,
            feed_lag_items: figures.feed_lag_items,
            last_item_at: figures.last_item_at,
            integrity: figures.integrity.into(),
            updated_at: row.computed_at,
        }
    }
}

/// How an oracle performs.
///
/// Computed in the background every half minute, less often over very many decisions.
#[utoipa::path(
    get, path = "/v1/pouw/oracle/{oracle_id}/performance", tag = "pouw",
    params(
        ("oracle_id" = String, Path, description = "Oracle", max_length = 128,
         example = "ea4a1c3f5b7d9e0f1a2b3c4d5e6f708192a376ae"),
        ("window" = Option<String>, Query, description = "`24h` (default), `7d`, `30d` or `all`",
         pattern = "^(24h|7d|30d|all)$", example = "7d"),
    ),
    responses(
        (status = 200, description = "Its figures", body = OraclePerformance),
        (status = 404, description = "No such oracle", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_oracle_performance(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    let params = call.params(&["window"])?;
    let window = params.choice("window", &Window::ALL, Window::as_str, Window::Day)?;
    let oracle_id = call.segment();
    let printable = oracle_id.bytes().all(|b| b.is_ascii_graphic());
    if oracle_id.is_empty() || oracle_id.len() > ORACLE_ID_BYTES_MAX || !printable {
        return Err(Problem::invalid(
            "An oracle is named by its id, 40 hex digits, or its URL, at most 128 characters.",
        ));
    }
    cache::pass_by(&call, load_performance(&api, &known_spelling(oracle_id), window)).await
}

/// Ids are hex digits in either case, with or without `0x`; URLs are as they are.
fn known_spelling(oracle_id: &str) -> String {
    let digits = oracle_id.strip_prefix("0x").or_else(|| oracle_id.strip_prefix("0X"));
    let digits = digits.unwrap_or(oracle_id);
    match digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => digits.to_ascii_lowercase(),
        false => oracle_id.to_owned(),
    }
}

async fn load_performance(
    api: &ApiState,
    oracle_id: &str,
    window: Window,
) -> Result<Answer, Problem> {
    let (checkpoint, found) = find_performance(api.store().readers(), oracle_id, window).await?;
    let found = found.ok_or_else(|| Problem::not_found("There is no such oracle."))?;
    let view = OraclePerformance::new(oracle_id, window, &found);
    Answer::json(&checkpoint, Freshness::Revalidate, &view)
}
