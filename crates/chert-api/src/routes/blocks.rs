//! Blocks.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::block::query::{self, BlockDetail, BlockId, BlockRow};
use chert_store::{Checkpoint, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::block_transactions::block_cursor;
use super::text::{Count, Hex, TxIdText};
use super::transactions::TransactionItem;
use crate::answer::{Answer, Freshness};
use crate::cache::{self, Scope};
use crate::cursor::{Cursor, List};
use crate::error::{Problem, ProblemBody};
use crate::params::{Call, LIMIT_MAX, Page, PageParams, Start};
use crate::state::ApiState;

/// The head of a block.
#[derive(Debug, Serialize, ToSchema)]
pub struct BlockItem<'a> {
    /// Number of the block.
    #[schema(example = 18427)]
    pub height: i64,
    /// Its hash, lower-case hex.
    #[schema(value_type = String, example = "6b3f0c62a1f8f0d8b2f1c3a8a6c1a7f3c2d94e5b8f7a6d3c1b0e9f8a7d6c5b4a")]
    pub hash: Hex<'a>,
    /// Hash of its parent; null for the first block.
    #[schema(value_type = Option<String>)]
    pub parent_hash: Option<Hex<'a>>,
    /// RFC 3339 text as the node wrote it.
    #[schema(example = "2026-07-03T10:15:29.812345678Z")]
    pub timestamp: &'a str,
    /// Who made it.
    #[schema(example = "VALc5d1")]
    pub validator_address: Option<&'a str>,
    /// Transaction records in it.
    #[schema(example = 3)]
    pub tx_count: i32,
    /// Gas used.
    #[schema(value_type = u64, example = 63000)]
    pub gas_used: Count<'a>,
    /// Gas limit.
    #[schema(value_type = u64, example = 10000000)]
    pub gas_limit: Count<'a>,
    /// Sum of the amounts of its transactions, base units.
    #[schema(example = "1250000000")]
    pub total_amount: &'a str,
    /// `confirmed`; `finalized` from the finality depth on; `orphaned` when a reorganisation
    /// removed it.
    #[schema(example = "finalized")]
    pub status: &'static str,
    /// Blocks that confirm it, itself included; it stays at finality depth + 1 once finalized,
    /// and is 0 for an orphan.
    #[schema(example = 13)]
    pub confirmations: i64,
}

impl<'a> BlockItem<'a> {
    /// A block of the canonical chain as seen at a checkpoint.
    pub fn new(row: &'a BlockRow, checkpoint: &Checkpoint) -> Self {
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
            status: checkpoint.status(row.height),
            confirmations: checkpoint.confirmations(row.height),
        }
    }
}

/// A page of blocks.
#[derive(Debug, Serialize, ToSchema)]
pub struct BlockList<'a> {
    /// Newest first.
    pub items: Vec<BlockItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "AQEAAAAAAAAAAAAAR_s")]
    pub next_cursor: Option<String>,
}

/// A block with its first transactions.
#[derive(Debug, Serialize, ToSchema)]
pub struct BlockView<'a> {
    /// The head.
    #[serde(flatten)]
    pub head: BlockItem<'a>,
    /// State root, hex.
    #[schema(value_type = Option<String>)]
    pub state_root: Option<Hex<'a>>,
    /// Leaves of the state tree.
    #[schema(value_type = Option<u64>, example = 9)]
    pub state_leaf_count: Option<Count<'a>>,
    /// The first hundred transactions in the order of the block.
    pub transactions: Vec<TransactionItem<'a>>,
    /// Where `/v1/explorer/block/{height}/transactions` goes on; absent when all are here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions_next_cursor: Option<String>,
    /// Only for an orphan: ids of the transactions it held (the first hundred).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub orphaned_tx_ids: Option<Vec<TxIdText<'a>>>,
}

/// Latest blocks.
///
/// Newest first. `offset` counts blocks from the tip; prefer `cursor`, which stays in place while
/// blocks arrive.
#[utoipa::path(
    get, path = "/v1/explorer/blocks", tag = "explorer", params(PageParams),
    responses((status = 200, description = "A page of blocks", body = BlockList))
)]
pub async fn list_blocks(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let page = call.params(&["limit", "cursor", "offset"])?.page(List::Blocks, 0)?;
    cache::serve(&api, &call, Scope::Tip, load_blocks(&api, page)).await
}

async fn load_blocks(api: &ApiState, page: Page) -> Result<Answer, Problem> {
    let (before, offset) = match &page.start {
        Start::Offset(offset) => (None, *offset),
        Start::After(cursor) => (u64::try_from(cursor.position).ok(), 0),
    };
    let db = api.store().readers();
    let (checkpoint, rows) = query::list_blocks(db, before, offset, page.rows()).await?;
    let (rows, next_cursor) = page.cut(&rows, |row| Cursor::at(List::Blocks, 0, row.height));
    let items = rows.iter().map(|row| BlockItem::new(row, &checkpoint)).collect();
    Answer::json(&checkpoint, Freshness::Tip, &BlockList { items, next_cursor })
}

/// One block.
///
/// By height or by hash (`0x` and upper case accepted). A hash also finds a block that a
/// reorganisation removed, with status `orphaned`.
#[utoipa::path(
    get, path = "/v1/explorer/block/{height}", tag = "explorer",
    params(("height" = String, Path, description = "Height (decimal) or hash (64 hex digits)",
            max_length = 66, example = "18427")),
    responses(
        (status = 200, description = "The block", body = BlockView),
        (status = 404, description = "No such block", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_block(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.block_id()?;
    cache::serve(&api, &call, Scope::MayBeFinal, load_block(&api, id)).await
}

async fn load_block(api: &ApiState, id: BlockId) -> Result<Answer, Problem> {
    let (checkpoint, found) = find_block(api, &id).await?;
    if checkpoint.bulk && matches!(id, BlockId::Hash(_)) {
        return Err(Problem::index_building(&checkpoint));
    }
    let found = found.ok_or_else(|| Problem::not_found("There is no such block."))?;
    let orphan = found.orphaned_tx_ids.is_some();
    let mut head = BlockItem::new(&found.block, &checkpoint);
    if orphan {
        (head.status, head.confirmations) = ("orphaned", 0);
    }
    let all = &found.transactions;
    // What an orphan's height holds now belongs to another block.
    let shown = if orphan { 0 } else { usize::from(LIMIT_MAX) };
    let transactions: Vec<_> =
        all.iter().take(shown).map(|row| TransactionItem::new(row, &checkpoint)).collect();
    let more = !orphan && all.len() > shown;
    let last = all.get(shown.saturating_sub(1)).filter(|_| more);
    let freshness = if head.status == "finalized" { Freshness::Final } else { Freshness::Tip };
    let view = BlockView {
        head,
        state_root: found.state_root.as_deref().map(Hex),
        state_leaf_count: found.state_leaf_count.as_deref().map(Count),
        transactions,
        transactions_next_cursor: last.map(|row| block_cursor(row.pos).encode()),
        orphaned_tx_ids: found
            .orphaned_tx_ids
            .as_ref()
            .map(|ids| ids.iter().map(|id| TxIdText(id)).collect()),
    };
    Answer::json(&checkpoint, freshness, &view)
}

async fn find_block(
    api: &ApiState,
    id: &BlockId,
) -> Result<(Checkpoint, Option<BlockDetail>), StoreError> {
    let db = api.store().readers();
    match id {
        BlockId::Height(height) => query::find_block_by_height(db, *height).await,
        BlockId::Hash(hash) => query::find_block_by_hash(db, hash).await,
    }
}
