//! Transactions.

use axum::extract::State;
use axum::response::Response;
use chert_store::Checkpoint;
use chert_store::entities::transaction::query::{
    self, StealthRow, TransactionDetail, TransactionRow,
};
use serde::Serialize;
use serde_json::value::RawValue;
use silica_models::{TX_INDEX_BITS, TX_INDEX_MAX, TxId};
use utoipa::ToSchema;

use super::text::{Count, Hex, TxIdText};
use crate::answer::{Answer, Freshness};
use crate::cache::{self, Scope};
use crate::cursor::{Cursor, List};
use crate::error::{Problem, ProblemBody};
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// A transaction.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionItem<'a> {
    /// Its id: a dashed UUID or 64 hex digits, as the node has it.
    #[schema(value_type = String, example = "7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11")]
    pub tx_id: TxIdText<'a>,
    /// Height of its block.
    #[schema(example = 18427)]
    pub block_height: i64,
    /// Hash of its block.
    #[schema(value_type = String)]
    pub block_hash: Hex<'a>,
    /// Index inside the block, from 0.
    #[schema(example = 0)]
    pub index: i64,
    /// Sender; null for transactions that the protocol itself issues.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub sender: Option<&'a str>,
    /// Recipient; the first output's where there are several.
    pub recipient: Option<&'a str>,
    /// Base units.
    #[schema(example = "1250000000")]
    pub amount: &'a str,
    /// Base units.
    #[schema(example = "1000")]
    pub fee: &'a str,
    /// Sender's nonce.
    #[schema(value_type = Option<u64>, example = 41)]
    pub nonce: Option<Count<'a>>,
    /// RFC 3339 text as the node wrote it; the block's where the transaction has none.
    #[schema(example = "2026-07-03T10:15:29.812345678Z")]
    pub timestamp: &'a str,
    /// `transfer`, `staking`, `governance`, `smart_contract`, …; an open set.
    #[schema(example = "transfer")]
    pub transaction_type: &'a str,
    /// `confirmed`, or `finalized` from the finality depth on.
    #[schema(example = "finalized")]
    pub status: &'static str,
}

impl<'a> TransactionItem<'a> {
    /// A transaction as seen at a checkpoint.
    pub fn new(row: &'a TransactionRow, checkpoint: &Checkpoint) -> Self {
        let height = row.pos >> TX_INDEX_BITS;
        Self {
            tx_id: TxIdText(&row.tx_id),
            block_height: height,
            block_hash: Hex(&row.block_hash),
            index: row.pos & i64::from(TX_INDEX_MAX),
            sender: row.sender.as_deref(),
            recipient: row.recipient.as_deref(),
            amount: &row.amount,
            fee: &row.fee,
            nonce: row.nonce.as_deref().map(Count),
            timestamp: &row.timestamp,
            transaction_type: &row.transaction_type,
            status: checkpoint.status(height),
        }
    }
}

/// A page of transactions.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionList<'a> {
    /// The transactions.
    pub items: Vec<TransactionItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "AQIAAAAAAAAAR_sAAAA")]
    pub next_cursor: Option<String>,
}

/// A recipient of a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutputItem<'a> {
    /// Who receives.
    pub recipient: &'a str,
    /// Base units.
    #[schema(example = "1250000000")]
    pub amount: &'a str,
}

/// The public part of a stealth output.
#[derive(Debug, Serialize, ToSchema)]
pub struct StealthItem<'a> {
    /// Index among the stealth outputs.
    pub index: i32,
    /// Commitment, hex.
    #[schema(value_type = String)]
    pub commitment: Hex<'a>,
    /// One-time public key, hex.
    #[schema(value_type = String)]
    pub public_key: Hex<'a>,
    /// Transaction public key, hex.
    #[schema(value_type = String)]
    pub tx_public_key: Hex<'a>,
    /// Base units; null where hidden.
    pub amount: Option<&'a str>,
    /// The node's text.
    pub created_at: Option<&'a str>,
}

impl<'a> StealthItem<'a> {
    fn new(row: &'a StealthRow) -> Self {
        Self {
            index: row.index,
            commitment: Hex(&row.commitment),
            public_key: Hex(&row.public_key),
            tx_public_key: Hex(&row.tx_public_key),
            amount: row.amount.as_deref(),
            created_at: row.created_at.as_deref(),
        }
    }
}

/// A transaction with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionView<'a> {
    /// What lists show.
    #[serde(flatten)]
    pub head: TransactionItem<'a>,
    /// Blocks that confirm it; it stays at finality depth + 1 once finalized.
    #[schema(example = 13)]
    pub confirmations: i64,
    /// Who receives how much.
    pub outputs: Vec<OutputItem<'a>>,
    /// Public parts of stealth outputs.
    pub stealth_outputs: Vec<StealthItem<'a>>,
    /// Every other field of the node's record, as it came; null where there is none.
    #[schema(value_type = Option<Object>)]
    pub payload: Option<&'a RawValue>,
}

/// Latest transactions.
///
/// Of the whole chain, newest first.
#[utoipa::path(
    get, path = "/v1/explorer/transactions", tag = "explorer", params(PageParams),
    responses((status = 200, description = "A page of transactions", body = TransactionList))
)]
pub async fn list_transactions(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    let page = call.params(&["limit", "cursor", "offset"])?.page(List::Transactions, 0)?;
    cache::serve(&api, &call, Scope::Tip, load_transactions(&api, page)).await
}

async fn load_transactions(api: &ApiState, page: Page) -> Result<Answer, Problem> {
    let db = api.store().readers();
    let before = match &page.start {
        Start::Offset(0) => None,
        Start::Offset(offset) => {
            let first = query::find_transaction_position(db, *offset).await?;
            Some(first.map_or(0, |pos| pos + 1))
        }
        Start::After(cursor) => Some(cursor.position),
    };
    let (checkpoint, rows) = query::list_transactions(db, before, page.rows()).await?;
    let next = |pos| Cursor::at(List::Transactions, 0, pos);
    Answer::json(&checkpoint, Freshness::Tip, &list(&rows, &page, &checkpoint, next))
}

/// The page that rows make; one row more than the limit tells that another follows.
pub(super) fn list<'a>(
    rows: &'a [TransactionRow],
    page: &Page,
    checkpoint: &Checkpoint,
    next: impl Fn(i64) -> Cursor,
) -> TransactionList<'a> {
    let (rows, next_cursor) = page.cut(rows, |row| next(row.pos));
    let items = rows.iter().map(|row| TransactionItem::new(row, checkpoint)).collect();
    TransactionList { items, next_cursor }
}

/// One transaction.
///
/// By id, in any spelling: dashed or bare UUID, 64 hex digits, with or without `0x`. A
/// transaction of a block that a reorganisation removed is not found.
#[utoipa::path(
    get, path = "/v1/explorer/tx/{hash}", tag = "explorer",
    params(("hash" = String, Path, description = "Transaction id", max_length = 130,
            example = "7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11")),
    responses(
        (status = 200, description = "The transaction", body = TransactionView),
        (status = 404, description = "No such transaction", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_transaction(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = TxId::parse(call.segment()).map_err(|e| Problem::invalid(e.to_string()))?;
    cache::serve(&api, &call, Scope::MayBeFinal, load_transaction(&api, id)).await
}

async fn load_transaction(api: &ApiState, id: TxId) -> Result<Answer, Problem> {
    let (checkpoint, found) = query::find_transaction(api.store().readers(), &id).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    let found = found.ok_or_else(|| Problem::not_found("There is no such transaction."))?;
    let head = TransactionItem::new(&found.transaction, &checkpoint);
    let freshness = if head.status == "finalized" { Freshness::Final } else { Freshness::Tip };
    let payload = found.payload.as_deref().map(serde_json::from_str::<&RawValue>).transpose();
    let view = TransactionView {
        confirmations: checkpoint.confirmations(head.block_height),
        outputs: outputs(&found),
        stealth_outputs: found.stealth_outputs.iter().map(StealthItem::new).collect(),
        payload: payload.map_err(Problem::internal)?,
        head,
    };
    Answer::json(&checkpoint, freshness, &view)
}

/// The node's outputs, or the one that recipient and amount amount to.
fn outputs(found: &TransactionDetail) -> Vec<OutputItem<'_>> {
    if found.outputs.is_empty() {
        let plain = found.transaction.recipient.as_deref();
        return plain
            .map(|recipient| OutputItem { recipient, amount: &found.transaction.amount })
            .into_iter()
            .collect();
    }
    found.outputs.iter().map(|(recipient, amount)| OutputItem { recipient, amount }).collect()
}
