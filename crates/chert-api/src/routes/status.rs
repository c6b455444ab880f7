//! Where the index stands.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::source::query;
use chert_store::entities::source::row::Model;
use serde::Serialize;
use utoipa::ToSchema;

use super::text::Hex;
use crate::answer::{Answer, Freshness, now_ms};
use crate::error::Problem;
use crate::params::Call;
use crate::state::ApiState;

/// Blocks behind the node from which on the indexer is said to fill up rather than follow.
const FOLLOW_BLOCKS_MAX: i64 = 100;

/// A node or an oracle.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceItem<'a> {
    /// Its URL without credentials.
    #[schema(example = "http://127.0.0.1:8545")]
    pub name: &'a str,
    /// `node` or `oracle`.
    #[schema(example = "node")]
    pub kind: &'a str,
    /// `healthy`, `lagging`, `failing`, `disagreeing`, `wrong_chain` or `unknown`; of an oracle also
    /// `refused` (one side does not accept the other), `paused` (an item is not to be trusted) or
    /// `diverged` (it rewrote its feed).
    #[schema(example = "healthy")]
    pub state: &'a str,
    /// Its tip.
    pub height: Option<i64>,
    /// Blocks behind the best node; of an oracle, items of its feed that are not read yet.
    pub lag: Option<i64>,
    /// Faults counted so far.
    pub faults: i64,
    /// Unix seconds.
    pub last_ok_at: Option<i64>,
    /// Unix seconds.
    pub last_error_at: Option<i64>,
    /// A code.
    #[schema(example = "timeout")]
    pub last_error: Option<&'a str>,
}

impl<'a> SourceItem<'a> {
    fn new(row: &'a Model, node_height: i64) -> Self {
        Self {
            name: &row.name,
            kind: &row.kind,
            state: &row.state,
            height: row.height,
            lag: row.lag.or_else(|| row.height.map(|h| node_height.saturating_sub(h).max(0))),
            faults: row.faults,
            last_ok_at: row.last_ok_at,
            last_error_at: row.last_error_at,
            last_error: row.last_error.as_deref(),
        }
    }
}

/// Where the index stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status<'a> {
    /// Name of the network.
    #[schema(example = "devnet")]
    pub network: Option<&'a str>,
    /// Chain id.
    #[schema(example = "13371")]
    pub chain_id: Option<&'a str>,
    /// Decimals of the currency, for display; amounts are never rescaled.
    #[schema(example = 9)]
    pub decimals: u8,
    /// Last indexed block; null before the first.
    #[schema(example = 18427)]
    pub indexed_height: Option<i64>,
    /// Its hash.
    #[schema(value_type = Option<String>)]
    pub indexed_hash: Option<Hex<'a>>,
    /// Best tip that a node reported.
    #[schema(example = 18427)]
    pub node_height: Option<i64>,
    /// Blocks between the two.
    #[schema(example = 0)]
    pub lag_blocks: i64,
    /// Age of the last indexed block while behind, else 0.
    #[schema(example = 0)]
    pub lag_ms: i64,
    /// Highest block that no reorganisation may remove.
    #[schema(example = 18415)]
    pub finalized_height: Option<i64>,
    /// `bulk` (first fill, look-ups by id not ready), `backfill` or `follow`.
    #[schema(example = "follow")]
    pub mode: &'static str,
    /// Records that could not be understood and are kept raw.
    #[schema(example = 0)]
    pub quarantined: i64,
    /// Last number in the event log.
    #[schema(example = 18440)]
    pub event_seq: i64,
    /// Nodes and oracles.
    pub sources: Vec<SourceItem<'a>>,
    /// Version of this server.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
}

/// Where the index stands.
///
/// Progress, lag and the state of every source, read from the database.
#[utoipa::path(
    get, path = "/v1/status", tag = "status",
    responses((status = 200, description = "The status", body = Status))
)]
pub async fn get_status(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let status = query::get_status(api.store()).await?;
    let settings = api.settings();
    let checkpoint = &status.checkpoint;
    let progress = &status.progress;
    let present = |height: i64| (height >= 0).then_some(height);
    let view = Status {
        network: settings.network.as_deref().or(progress.network.as_deref()),
        chain_id: settings.chain_id.as_deref().or(progress.chain_id.as_deref()),
        decimals: settings.decimals,
        indexed_height: checkpoint.tip().map(|_| checkpoint.height),
        indexed_hash: checkpoint.tip().map(|_| Hex(&checkpoint.hash)),
        node_height: present(checkpoint.node_height),
        lag_blocks: checkpoint.lag_blocks(),
        lag_ms: checkpoint.lag_ms(now_ms()),
        finalized_height: present(checkpoint.finalized_height),
        mode: match (checkpoint.bulk, checkpoint.lag_blocks() > FOLLOW_BLOCKS_MAX) {
            (true, _) => "bulk",
            (false, true) => "backfill",
            (false, false) => "follow",
        },
        quarantined: progress.quarantined,
        event_seq: progress.event_seq,
        sources: status
            .sources
            .iter()
            .map(|row| SourceItem::new(row, checkpoint.node_height))
            .collect(),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(Answer::json(checkpoint, Freshness::Never, &view)?.respond(call.if_none_match()))
}
