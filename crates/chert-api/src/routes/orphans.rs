//! Blocks that a reorganisation removed.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::orphan::query;
use chert_store::entities::orphan::row::Model;
use serde::Serialize;
use utoipa::ToSchema;

use super::text::{Count, Hex};
use crate::answer::{Answer, Freshness};
use crate::cache::{self, Scope};
use crate::cursor::{Cursor, List};
use crate::error::Problem;
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// A removed block.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrphanItem<'a> {
    /// Number it had.
    #[schema(example = 18425)]
    pub height: i64,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: Hex<'a>,
    /// Its parent's hash.
    #[schema(value_type = Option<String>)]
    pub parent_hash: Option<Hex<'a>>,
    /// RFC 3339 text.
    #[schema(example = "2026-07-03T10:15:29.812345678Z")]
    pub timestamp: &'a str,
    /// Who made it.
    pub validator_address: Option<&'a str>,
    /// Transaction records in it.
    pub tx_count: i32,
    /// Gas used.
    #[schema(value_type = u64)]
    pub gas_used: Count<'a>,
    /// Gas limit.
    #[schema(value_type = u64)]
    pub gas_limit: Count<'a>,
    /// Base units.
    #[schema(example = "1250000000")]
    pub total_amount: &'a str,
    /// `orphaned`.
    #[schema(example = "orphaned")]
    pub status: &'static str,
    /// 0.
    pub confirmations: i64,
    /// When it was removed, Unix seconds.
    #[schema(example = 1783073729)]
    pub orphaned_at: i64,
}

impl<'a> OrphanItem<'a> {
    fn new(row: &'a Model) -> Self {
        Self {
            height: row.height,
            hash: Hex(&row.hash),
            parent_hash: row.parent_hash.as_deref().map(Hex),
            timestamp: &row.timestamp,
            validator_address: row.validator_address.as_deref(),
            tx_count: row.tx_count,
            gas_used: Count(&row.gas_used),
            gas_limit: Count(&row.gas_limit),
            total_amount: &row.total_amount,
            status: "orphaned",
            confirmations: 0,
            orphaned_at: row.orphaned_at,
        }
    }
}

/// A page of removed blocks.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrphanList<'a> {
    /// Highest first.
    pub items: Vec<OrphanItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Blocks that reorganisations removed.
///
/// Highest first.
#[utoipa::path(
    get, path = "/v1/explorer/orphans", tag = "explorer", params(PageParams),
    responses((status = 200, description = "A page of removed blocks", body = OrphanList))
)]
pub async fn list_orphans(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let page = call.params(&["limit", "cursor", "offset"])?.page(List::Orphans, 0)?;
    cache::serve(&api, &call, Scope::Tip, load_orphans(&api, page)).await
}

async fn load_orphans(api: &ApiState, page: Page) -> Result<Answer, Problem> {
    let rows_max = u64::from(page.limit) + 1;
    let (before, offset) = match &page.start {
        Start::Offset(offset) => (None, *offset),
        Start::After(cursor) => (Some((cursor.position, cursor.tail.clone())), 0),
    };
    let (checkpoint, rows) = query::list_orphans(api.store(), before, offset, rows_max).await?;
    let (rows, next_cursor) = page.cut(&rows, |row: &Model| Cursor {
        list: List::Orphans,
        scope: 0,
        position: row.height,
        tail: row.hash.clone(),
    });
    let list = OrphanList { items: rows.iter().map(OrphanItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Tip, &list)
}
