//! `get_analytics` (contract §8.14): the last day by hour.

use chert_store::entities::counter::query::{Interval, SeriesRow, get_chain_stats};
use serde::Serialize;

use super::Outcome;
use super::dispatch::Rpc;
use crate::answer::{Answer, Freshness};
use crate::error::Problem;
use crate::routes::text::Count;
use crate::state::ApiState;

const HOURS: u16 = 24;
const HOUR_S: i64 = 3_600;
const MS_PER_S: i64 = 1_000;

#[derive(Serialize)]
struct AnalyticsJson<'a> {
    tps_history: Vec<Point<f64>>,
    gas_usage: Vec<Point<Count<'a>>>,
    tx_volume: Vec<Point<Count<'a>>>,
}

#[derive(Serialize)]
struct Point<T> {
    /// Unix seconds at which the hour begins.
    timestamp: i64,
    value: T,
}

impl<T> Point<T> {
    fn new(row: &SeriesRow, value: T) -> Self {
        Self { timestamp: row.starts_at, value }
    }
}

/// A count as the double that clients make of it anyway.
pub(super) fn double(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(if count < 0 { 0 } else { u32::MAX }))
}

/// Transactions per second of an hour; of the newest hour over the part of it that has passed.
fn per_second(row: &SeriesRow, tip_s: i64) -> f64 {
    let seconds = (tip_s - row.starts_at + 1).clamp(1, HOUR_S);
    double(row.transactions) / double(seconds)
}

/// `get_analytics`: hours with blocks, oldest first.
pub(super) async fn analytics(api: &ApiState, rpc: &Rpc) -> Outcome {
    rpc.at_tip(api, "", async {
        let db = api.store().readers();
        let (checkpoint, _, mut rows) = get_chain_stats(db, Interval::Hour, HOURS).await?;
        if checkpoint.bulk {
            return Err(Problem::index_building(&checkpoint));
        }
        rows.reverse();
        let tip_s = checkpoint.tip_time_ms / MS_PER_S;
        let analytics = AnalyticsJson {
            tps_history: rows.iter().map(|r| Point::new(r, per_second(r, tip_s))).collect(),
            gas_usage: rows.iter().map(|r| Point::new(r, Count(&r.gas_used))).collect(),
            tx_volume: rows.iter().map(|r| Point::new(r, Count(&r.total_amount))).collect(),
        };
        Answer::json(&checkpoint, Freshness::Tip, &analytics)
    })
    .await
}
