//! Totals and series of the chain.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::counter::query::{Interval, SeriesRow, get_chain_stats};
use serde::Serialize;
use utoipa::ToSchema;

use super::text::Count;
use crate::answer::{Answer, Freshness};
use crate::cache::{self, Scope};
use crate::error::Problem;
use crate::params::Call;
use crate::state::ApiState;

/// Steps of a series at most, whatever their length: seven days by the hour.
const STEPS_MAX: u32 = 168;
/// Steps of a series when the client does not say.
const STEPS_DEFAULT: u32 = 24;

/// Totals over the whole chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct Totals<'a> {
    /// Blocks.
    #[schema(example = 18428)]
    pub blocks: i64,
    /// Transactions.
    #[schema(example = 120345)]
    pub transactions: i64,
    /// Addresses that took part in something.
    #[schema(example = 4096)]
    pub addresses: i64,
    /// Base units moved.
    #[schema(example = "98765432100")]
    pub total_amount: &'a str,
    /// Base units paid in fees.
    #[schema(example = "120345000")]
    pub total_fees: &'a str,
    /// Gas used.
    #[schema(value_type = u64, example = 2527245000_u64)]
    pub gas_used: Count<'a>,
}

/// One step of the series.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesItem<'a> {
    /// Unix seconds at which the step begins (UTC).
    #[schema(example = 1783069200)]
    pub starts_at: i64,
    /// Blocks.
    pub blocks: i64,
    /// Transactions.
    pub transactions: i64,
    /// Base units moved.
    pub total_amount: &'a str,
    /// Base units paid in fees.
    pub total_fees: &'a str,
    /// Gas used.
    #[schema(value_type = u64)]
    pub gas_used: Count<'a>,
}

impl<'a> SeriesItem<'a> {
    fn new(row: &'a SeriesRow) -> Self {
        Self {
            starts_at: row.starts_at,
            blocks: row.blocks,
            transactions: row.transactions,
            total_amount: &row.total_amount,
            total_fees: &row.total_fees,
            gas_used: Count(&row.gas_used),
        }
    }
}

/// Totals and a series.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stats<'a> {
    /// Over the whole chain.
    pub totals: Totals<'a>,
    /// `hour` or `day`.
    #[schema(example = "hour")]
    pub interval: &'static str,
    /// Newest first; steps without a block are left out.
    pub items: Vec<SeriesItem<'a>>,
}

/// Totals and a series by hour or day.
///
/// The series ends with the newest block's hour or day, which is still growing.
#[utoipa::path(
    get, path = "/v1/explorer/stats", tag = "explorer",
    params(
        ("interval" = Option<String>, Query, description = "`hour` (default) or `day`",
         pattern = "^(hour|day)$", example = "hour"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 168, example = 24,
         description = "Hours or days; default 24"),
    ),
    responses((status = 200, description = "Totals and series", body = Stats))
)]
pub async fn get_stats(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let params = call.params(&["interval", "limit"])?;
    let interval = match params.get("interval") {
        None | Some("hour") => Interval::Hour,
        Some("day") => Interval::Day,
        Some(_) => return Err(Problem::invalid("interval must be hour or day")),
    };
    let steps = params.integer("limit", 1, STEPS_MAX)?.unwrap_or(STEPS_DEFAULT);
    let steps = u16::try_from(steps).unwrap_or(u16::MAX);
    cache::serve(&api, &call, Scope::Tip, load_stats(&api, interval, steps)).await
}

async fn load_stats(api: &ApiState, interval: Interval, steps: u16) -> Result<Answer, Problem> {
    let db = api.store().readers();
    let (checkpoint, totals, series) = get_chain_stats(db, interval, steps).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    let stats = Stats {
        totals: Totals {
            blocks: totals.blocks,
            transactions: totals.transactions,
            addresses: totals.addresses,
            total_amount: &totals.total_amount,
            total_fees: &totals.total_fees,
            gas_used: Count(&totals.gas_used),
        },
        interval: match interval {
            Interval::Hour => "hour",
            Interval::Day => "day",
        },
        items: series.iter().map(SeriesItem::new).collect(),
    };
    Answer::json(&checkpoint, Freshness::Tip, &stats)
}
