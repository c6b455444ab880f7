//! The voting power of an identity.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use chert_store::Checkpoint;
use chert_store::entities::governance::query::{
    self, IdentityPower, POWER_AGE_MAX_S, PowerFigures, WalletPower,
};
use chert_store::privacy::Viewer;
use serde::Serialize;
use silica_models::IdentityId;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::text::Hex;
use crate::answer::{Answer, Freshness, now_ms};
use crate::cache;
use crate::error::Problem;
use crate::params::Call;
use crate::state::ApiState;

/// First pause between two looks for figures that were asked for.
const POWER_POLL_MIN: Duration = Duration::from_millis(25);
/// Longest pause between two looks.
const POWER_POLL_MAX: Duration = Duration::from_millis(100);

/// Power of one wallet; its figures are null until the node was asked for them.
#[derive(Debug, Serialize, ToSchema)]
pub struct WalletPowerItem<'a> {
    /// The wallet.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub wallet_address: &'a str,
    /// Its own.
    #[schema(example = "10000")]
    pub own: Option<&'a str>,
    /// What others delegated to it.
    #[schema(example = "0")]
    pub delegated_in: Option<&'a str>,
    /// What it delegated.
    #[schema(example = "0")]
    pub delegated_out: Option<&'a str>,
}

impl<'a> WalletPowerItem<'a> {
    fn new(wallet: &'a WalletPower) -> Self {
        let figures = wallet.figures.as_ref();
        Self {
            wallet_address: &wallet.wallet_address,
            own: figures.map(|f| f.own.as_str()),
            delegated_in: figures.map(|f| f.delegated_in.as_str()),
            delegated_out: figures.map(|f| f.delegated_out.as_str()),
        }
    }
}

/// Power of an identity: the node's own figures for its wallets, and their sums.
#[derive(Debug, Serialize, ToSchema)]
pub struct PowerView<'a> {
    /// The identity.
    #[schema(value_type = String)]
    pub identity_id: Hex<'a>,
    /// What it can vote with, as the node says; null while no wallet's figure was read.
    #[schema(example = "10000")]
    pub total: Option<&'a str>,
    /// Its own.
    #[schema(example = "10000")]
    pub own: Option<&'a str>,
    /// What others delegated to it.
    #[schema(example = "0")]
    pub delegated_in: Option<&'a str>,
    /// What it delegated.
    #[schema(example = "0")]
    pub delegated_out: Option<&'a str>,
    /// Its current wallets.
    pub by_wallet: Vec<WalletPowerItem<'a>>,
    /// Lowest height at which one of the figures was read; null where none was.
    #[schema(example = 18427)]
    pub as_of_height: Option<i64>,
}

impl<'a> PowerView<'a> {
    fn new(identity_id: &'a IdentityId, power: &'a IdentityPower) -> Self {
        // Without wallets there is nothing; with wallets there is what nobody told us yet.
        let nothing = power.wallets.is_empty().then_some("0");
        let sum = |figure: fn(&PowerFigures) -> &String| {
            power.sums.as_ref().map(|sums| figure(sums).as_str()).or(nothing)
        };
        Self {
            identity_id: Hex(identity_id.as_bytes()),
            total: sum(|s| &s.total),
            own: sum(|s| &s.own),
            delegated_in: sum(|s| &s.delegated_in),
            delegated_out: sum(|s| &s.delegated_out),
            by_wallet: power.wallets.iter().map(WalletPowerItem::new).collect(),
            as_of_height: power.as_of_height,
        }
    }
}

/// Voting power of an identity.
///
/// The node's own figures for its current wallets, with the height they were read at. Figures that
/// are older than a minute are asked for and waited for, up to 1.5 s.
#[utoipa::path(
    get, path = "/v1/governance/power/{identity_id}", tag = "governance",
    params(("identity_id" = String, Path, description = "The identity: 64 hex digits",
            example = "3f1c0f0e6b0b2a6f3b1f5f4f1f6b7e2d8c9a0b1c2d3e4f50617283949a0f6f3f")),
    responses((status = 200, description = "Its power", body = PowerView))
)]
pub async fn get_power(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.identity_id()?;
    cache::pass_by(&call, load_power(&api, &id, call.viewer())).await
}

async fn load_power(api: &ApiState, id: &IdentityId, viewer: Viewer) -> Result<Answer, Problem> {
    let (checkpoint, power) = recent_power(api, id, viewer).await?;
    Answer::json(&checkpoint, Freshness::Revalidate, &PowerView::new(id, &power))
}

/// The figures; where some are old or were never read, after asking the indexer for them.
async fn recent_power(
    api: &ApiState,
    id: &IdentityId,
    viewer: Viewer,
) -> Result<(Checkpoint, IdentityPower), Problem> {
    let (mut checkpoint, mut power) = read_power(api, id, viewer).await?;
    let before_s = now_ms() / 1_000 - POWER_AGE_MAX_S;
    let stale = power.stale(before_s);
    if stale.is_empty() {
        return Ok((checkpoint, power));
    }
    // Nothing is held while waiting but this permit; without one the answer is what is known.
    let Ok(_waiting) = api.balance_waits().try_acquire() else { return Ok((checkpoint, power)) };
    if let Err(error) = query::ask_powers(api.store().pool(), &stale).await {
        tracing::debug!(code = error.code(), "powers could not be asked for");
        return Ok((checkpoint, power));
    }
    let deadline = Instant::now() + api.settings().balance_wait;
    let mut pause = POWER_POLL_MIN;
    while !power.stale(before_s).is_empty() && Instant::now() < deadline {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POWER_POLL_MAX);
        (checkpoint, power) = read_power(api, id, viewer).await?;
    }
    Ok((checkpoint, power))
}

async fn read_power(
    api: &ApiState,
    id: &IdentityId,
    viewer: Viewer,
) -> Result<(Checkpoint, IdentityPower), Problem> {
    let (checkpoint, power) = query::get_power(api.store().readers(), id).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    Ok((checkpoint, power.open(viewer)?))
}
