//! The transactions of one block.

use axum::extract::State;
use axum::response::Response;
use chert_store::Checkpoint;
use chert_store::entities::block::query::BlockId;
use chert_store::entities::transaction::query::{self, BlockTransactions};
use silica_models::{TX_INDEX_BITS, TxPosition};

use super::transactions::{TransactionList, list};
use crate::answer::{Answer, Freshness};
use crate::cache::{self, Scope};
use crate::cursor::{Cursor, List};
use crate::error::{Problem, ProblemBody};
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// A cursor into one block's transactions, after the given place.
pub fn block_cursor(pos: i64) -> Cursor {
    Cursor::at(List::BlockTransactions, 0, pos)
}

/// Transactions of one block.
///
/// In the order of the block. Takes `transactions_next_cursor` of the block as `cursor`.
#[utoipa::path(
    get, path = "/v1/explorer/block/{height}/transactions", tag = "explorer",
    params(("height" = String, Path, description = "Height (decimal) or hash (64 hex digits)",
            max_length = 66, example = "18427"), PageParams),
    responses(
        (status = 200, description = "A page of transactions", body = TransactionList),
        (status = 404, description = "No such block", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn list_block_transactions(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    let page = call.params(&["limit", "cursor", "offset"])?.page(List::BlockTransactions, 0)?;
    let id = call.block_id()?;
    cache::serve(&api, &call, Scope::MayBeFinal, load_block_transactions(&api, id, page)).await
}

async fn load_block_transactions(
    api: &ApiState,
    id: BlockId,
    page: Page,
) -> Result<Answer, Problem> {
    let after = match &page.start {
        Start::Offset(0) => None,
        Start::Offset(offset) => Some(skip(api, &id, *offset).await?),
        Start::After(cursor) => Some(cursor.position),
    };
    let from = after.and_then(|pos| TxPosition::from_i64(pos.saturating_add(1)).ok());
    let (checkpoint, block) = list_of(api, &id, from, page.rows()).await?;
    let block = block.ok_or_else(|| Problem::not_found("There is no such block."))?;
    if let Start::After(cursor) = &page.start
        && cursor.position >> TX_INDEX_BITS != block.height
    {
        return Err(Problem::invalid("cursor belongs to another block"));
    }
    let final_block = checkpoint.status(block.height) == "finalized";
    let freshness = if final_block { Freshness::Final } else { Freshness::Tip };
    let list = list(&block.transactions, &page, &checkpoint, block_cursor);
    Answer::json(&checkpoint, freshness, &list)
}

/// The place after which the page at an offset begins.
async fn skip(api: &ApiState, id: &BlockId, offset: u32) -> Result<i64, Problem> {
    let height = match id {
        BlockId::Height(height) => *height,
        BlockId::Hash(_) => {
            let (_, block) = list_of(api, id, None, 1).await?;
            let block = block.ok_or_else(|| Problem::not_found("There is no such block."))?;
            u64::try_from(block.height).unwrap_or_default()
        }
    };
    let db = api.store().readers();
    let first = query::find_block_transaction_position(db, height, offset).await?;
    let end = TxPosition::block_start(height.saturating_add(1)).as_i64();
    Ok(first.unwrap_or(end) - 1)
}

async fn list_of(
    api: &ApiState,
    id: &BlockId,
    from: Option<TxPosition>,
    rows: i64,
) -> Result<(Checkpoint, Option<BlockTransactions>), Problem> {
    let db = api.store().readers();
    match id {
        BlockId::Height(height) => {
            Ok(query::list_transactions_at_height(db, *height, from, rows).await?)
        }
        BlockId::Hash(hash) => {
            let (checkpoint, block) =
                query::list_transactions_of_hash(db, hash, from, rows).await?;
            if checkpoint.bulk {
                return Err(Problem::index_building(&checkpoint));
            }
            Ok((checkpoint, block))
        }
    }
}
