//! What an identity's useful work adds up to.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::pouw_query::stats::{PouwStats, Ranking, get_stats};
use chert_store::privacy::Viewer;
use serde::Serialize;
use serde_json::value::RawValue;
use silica_models::IdentityId;
use utoipa::ToSchema;

use super::text::{Hex, Hundredths};
use crate::answer::{Answer, Freshness, now_ms};
use crate::cache;
use crate::error::{Problem, ProblemBody};
use crate::params::Call;
use crate::state::ApiState;

/// A rank among public identities, over all time.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankView {
    /// Standard competition rank; null for who is not on the board.
    #[schema(example = 17)]
    pub rank: Option<u32>,
    /// Identities on the board; null before the first board was computed.
    #[schema(example = 1893)]
    pub of: Option<i64>,
}

impl From<Ranking> for RankView {
    fn from(ranking: Ranking) -> Self {
        Self { rank: ranking.rank, of: ranking.of }
    }
}

/// Ranks by kind of work.
#[derive(Debug, Serialize, ToSchema)]
pub struct RanksView {
    /// By tasks of the network's own kind.
    pub nuw: RankView,
    /// By BOINC credits.
    pub boinc: RankView,
}

/// Totals of one type of task.
#[derive(Debug, Serialize, ToSchema)]
pub struct BreakdownItem {
    /// Counted submissions.
    #[schema(example = 42)]
    pub count: i64,
    /// Granted credits, decimal text.
    #[schema(example = "150.5")]
    pub credits: String,
    /// Base units.
    #[schema(example = "4200000000")]
    pub rewards: String,
}

/// What an identity's counted work adds up to. Work belongs to the identity that held the account
/// when it was validated.
#[derive(Debug, Serialize, ToSchema)]
pub struct PouwStatsView<'a> {
    /// The identity.
    #[schema(value_type = String,
             example = "5f1e7a90c3d2b4a6880796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1")]
    pub identity_id: Hex<'a>,
    /// Counted tasks of the network's own kind.
    #[schema(example = 310)]
    pub total_nuw_completed: i64,
    /// Granted BOINC credits, decimal text.
    #[schema(example = "10350.25")]
    pub total_boinc_credits: &'a str,
    /// Rewards of counted work, base units.
    #[schema(example = "98000000000")]
    pub total_rewards: &'a str,
    /// The part of them that is still locked, base units.
    #[schema(example = "1200000000")]
    pub pending_rewards: &'a str,
    /// Totals by type of task.
    #[schema(value_type = std::collections::HashMap<String, BreakdownItem>)]
    pub work_breakdown: &'a RawValue,
    /// BOINC credit per day, half of it forgotten every 7 days; decays with the time of reading.
    #[schema(example = "99.74")]
    pub recent_average_credit: Option<&'a str>,
    /// Per cent of participants that the better of both ranks is at least as good as.
    #[schema(value_type = Option<f64>, example = 99.15)]
    pub rank_percentile: Option<Hundredths>,
    /// Ranks of all time.
    pub ranks: RanksView,
    /// First counted submission, Unix seconds.
    #[schema(example = 1751537729)]
    pub active_since: Option<i64>,
    /// Last counted submission, Unix seconds.
    #[schema(example = 1783073729)]
    pub last_contribution: Option<i64>,
    /// When these figures last changed, Unix seconds.
    #[schema(example = 1783073731)]
    pub updated_at: Option<i64>,
}

impl<'a> PouwStatsView<'a> {
    /// The view of an identity's totals.
    pub fn new(identity: &'a IdentityId, stats: &'a PouwStats) -> Result<Self, Problem> {
        let work_breakdown =
            serde_json::from_str(&stats.work_breakdown).map_err(Problem::internal)?;
        Ok(Self {
            identity_id: Hex(identity.as_bytes()),
            total_nuw_completed: stats.total_nuw_completed,
            total_boinc_credits: &stats.total_boinc_credits,
            total_rewards: &stats.total_rewards,
            pending_rewards: &stats.pending_rewards,
            work_breakdown,
            recent_average_credit: stats.recent_average_credit.as_deref(),
            rank_percentile: stats.rank_percentile_hundredths().map(Hundredths),
            ranks: RanksView { nuw: stats.nuw.into(), boinc: stats.boinc.into() },
            active_since: stats.active_since,
            last_contribution: stats.last_contribution,
            updated_at: stats.updated_at,
        })
    }
}

/// Useful work of an identity.
///
/// Zeros for an identity that has done nothing.
#[utoipa::path(
    get, path = "/v1/pouw/stats/{identity_id}", tag = "pouw",
    params(("identity_id" = String, Path, description = "Identity", max_length = 66,
            example = "5f1e7a90c3d2b4a6880796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1")),
    responses(
        (status = 200, description = "Totals and ranks", body = PouwStatsView),
        (status = 403, description = "The identity hides its statistics", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 404, description = "No such identity", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_pouw_stats(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let identity = call.identity_id()?;
    cache::pass_by(&call, load_pouw_stats(&api, identity, call.viewer())).await
}

async fn load_pouw_stats(
    api: &ApiState,
    identity: IdentityId,
    viewer: Viewer,
) -> Result<Answer, Problem> {
    let now_s = now_ms().div_euclid(1000);
    let (checkpoint, stats) = get_stats(api.store().readers(), &identity, now_s).await?;
    let stats = stats.open(viewer)?;
    let view = PouwStatsView::new(&identity, &stats)?;
    Answer::json(&checkpoint, Freshness::Revalidate, &view)
}
