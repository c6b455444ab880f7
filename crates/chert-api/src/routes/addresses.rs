//! Addresses: balance and history.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use chert_store::Checkpoint;
use chert_store::entities::address::query::{self, AddressSummary, HistoryRow};
use chert_store::entities::balance::query::ask_balance;
use serde::Serialize;
use silica_models::{Address, AddressKey, TX_INDEX_BITS};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::text::{Count, Hex, TxIdText};
use super::transactions::TransactionItem;
use crate::answer::{Answer, Freshness, now_ms};
use crate::cache::{self, Scope};
use crate::cursor::{Cursor, List};
use crate::error::Problem;
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// First pause between two looks for a balance that was asked for.
const BALANCE_POLL_MIN: Duration = Duration::from_millis(25);
/// Longest pause between two looks.
const BALANCE_POLL_MAX: Duration = Duration::from_millis(100);

/// What an address owns and what it took part in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Balance<'a> {
    /// The spelling of its first appearance on the chain, else as asked.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub address: &'a str,
    /// The node's own figure, base units; `"0"` for an address never seen; null while the figure
    /// of a known address has not been read yet.
    #[schema(example = "250000000000")]
    pub balance: Option<&'a str>,
    /// The node's own figure.
    #[schema(value_type = Option<u64>, example = 41)]
    pub nonce: Option<Count<'a>>,
    /// Transactions it takes part in.
    #[schema(example = 57)]
    pub tx_count: i64,
    /// Base units received so far.
    #[schema(example = "900000000000")]
    pub received_total: &'a str,
    /// Base units sent so far.
    #[schema(example = "650000000000")]
    pub sent_total: &'a str,
    /// Block of its first transaction.
    #[schema(example = 12)]
    pub first_seen_height: Option<i64>,
    /// Block of its latest transaction.
    #[schema(example = 18427)]
    pub last_seen_height: Option<i64>,
    /// The public identity that links it; null where none or more than one identity does.
    #[schema(value_type = Option<String>)]
    pub identity_id: Option<Hex<'a>>,
    /// Height at which balance and nonce were read; null where they were not.
    #[schema(example = 18427)]
    pub as_of_height: Option<i64>,
}

/// A line of an address's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryItem<'a> {
    /// The transaction's id.
    #[schema(value_type = String, example = "7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11")]
    pub tx_id: TxIdText<'a>,
    /// Height of its block.
    pub block_height: i64,
    /// Hash of its block.
    #[schema(value_type = String)]
    pub block_hash: Hex<'a>,
    /// Index inside the block.
    pub index: i64,
    /// RFC 3339 text.
    pub timestamp: &'a str,
    /// `incoming`, `outgoing` or `self`.
    #[schema(example = "incoming")]
    pub direction: &'static str,
    /// Sender.
    pub sender: Option<&'a str>,
    /// Recipient.
    pub recipient: Option<&'a str>,
    /// Base units.
    #[schema(example = "1250000000")]
    pub amount: &'a str,
    /// Base units.
    #[schema(example = "1000")]
    pub fee: &'a str,
    /// Type.
    #[schema(example = "transfer")]
    pub transaction_type: &'a str,
    /// `confirmed` or `finalized`.
    #[schema(example = "finalized")]
    pub status: &'static str,
}

impl<'a> HistoryItem<'a> {
    fn new(row: &'a HistoryRow, checkpoint: &Checkpoint) -> Self {
        let tx = TransactionItem::new(&row.transaction, checkpoint);
        Self {
            tx_id: tx.tx_id,
            block_height: tx.block_height,
            block_hash: tx.block_hash,
            index: tx.index,
            timestamp: tx.timestamp,
            direction: match row.direction {
                0 => "incoming",
                1 => "outgoing",
                _ => "self",
            },
            sender: tx.sender,
            recipient: tx.recipient,
            amount: tx.amount,
            fee: tx.fee,
            transaction_type: tx.transaction_type,
            status: tx.status,
        }
    }
}

/// A page of an address's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryList<'a> {
    /// Newest first.
    pub items: Vec<HistoryItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "AQQAAAAAAAAAR_sAAAA")]
    pub next_cursor: Option<String>,
}

/// Balance and totals of an address.
///
/// The balance is the node's own figure, with the height it was read at. A balance that was never
/// read is asked for and waited for, up to 1.5 s.
#[utoipa::path(
    get, path = "/v1/explorer/address/{addr}/balance", tag = "explorer",
    params(("addr" = String, Path, description = "Address, any spelling", max_length = 128,
            example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")),
    responses((status = 200, description = "Balance and totals", body = Balance))
)]
pub async fn get_balance(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let address = call.address()?;
    cache::serve_mixed(&api, &call, || load_balance(&api, &address)).await
}

async fn load_balance(api: &ApiState, address: &Address) -> Result<Answer, Problem> {
    let (checkpoint, summary) = summary_with_balance(api, address).await?;
    let totals = summary.totals.as_ref();
    let known = summary.balance.as_ref();
    // An address that the chain never saw owns nothing; one that it saw owns what nobody told us.
    let nothing = totals.is_none().then_some("0");
    let view = Balance {
        address: summary.spelling.as_deref().unwrap_or(address.as_str()),
        balance: known.map(|b| b.balance.as_str()).or(nothing),
        nonce: known.map(|b| b.nonce.as_str()).or(nothing).map(Count),
        tx_count: totals.map_or(0, |t| t.tx_count),
        received_total: totals.map_or("0", |t| &t.received_total),
        sent_total: totals.map_or("0", |t| &t.sent_total),
        first_seen_height: totals.map(|t| t.first_pos >> TX_INDEX_BITS),
        last_seen_height: totals.map(|t| t.last_pos >> TX_INDEX_BITS),
        identity_id: summary.identity_id.as_deref().map(Hex),
        as_of_height: known.map(|b| b.height),
    };
    let freshness = match (known, &summary.identity_id) {
        (None, _) => Freshness::Never,
        (Some(_), Some(_)) => Freshness::Revalidate,
        (Some(_), None) => Freshness::Tip,
    };
    Answer::json(&checkpoint, freshness, &view)
}

/// The summary; where the balance was never read, after asking the indexer for it.
pub(crate) async fn summary_with_balance(
    api: &ApiState,
    address: &Address,
) -> Result<(Checkpoint, AddressSummary), Problem> {
    let db = api.store().readers();
    let (checkpoint, mut summary) = query::get_address_summary(db, address).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    let mut checkpoint = checkpoint;
    // Nothing is held while waiting but this permit; without one the answer is what is known.
    let Ok(_waiting) = api.balance_waits().try_acquire() else { return Ok((checkpoint, summary)) };
    if summary.balance.is_some() {
        return Ok((checkpoint, summary));
    }
    if let Err(error) = ask_balance(api.store().pool(), address, now_ms() / 1000).await {
        tracing::debug!(code = error.code(), "a balance could not be asked for");
        return Ok((checkpoint, summary));
    }
    let deadline = Instant::now() + api.settings().balance_wait;
    let mut pause = BALANCE_POLL_MIN;
    while summary.balance.is_none() && Instant::now() < deadline {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BALANCE_POLL_MAX);
        (checkpoint, summary) = query::get_address_summary(db, address).await?;
    }
    Ok((checkpoint, summary))
}

/// Transactions of an address.
///
/// Everything it sends or receives, newest first; a transaction to oneself once.
#[utoipa::path(
    get, path = "/v1/explorer/address/{addr}/history", tag = "explorer",
    params(("addr" = String, Path, description = "Address, any spelling", max_length = 128,
            example = "0xa9b36f133ee0c47100d08719689e1df65c12761a"), PageParams),
    responses((status = 200, description = "A page of the history", body = HistoryList))
)]
pub async fn list_history(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let params = call.params(&["limit", "cursor", "offset"])?;
    let key = call.address()?.key();
    let page = params.page(List::History, scope_of(key))?;
    cache::serve(&api, &call, Scope::Tip, load_history(&api, key, page)).await
}

/// Binds cursors to the address they came from.
fn scope_of(key: AddressKey) -> u32 {
    let [a, b, c, d, ..] = key.0;
    u32::from_be_bytes([a, b, c, d])
}

async fn load_history(api: &ApiState, key: AddressKey, page: Page) -> Result<Answer, Problem> {
    let db = api.store().readers();
    let before = match &page.start {
        Start::Offset(0) => None,
        Start::Offset(offset) => {
            let first = query::find_history_position(db, key, *offset).await?;
            Some(first.map_or(0, |pos| pos + 1))
        }
        Start::After(cursor) => Some(cursor.position),
    };
    let (checkpoint, rows) = query::list_history(db, key, before, page.rows()).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    let (rows, next_cursor) =
        page.cut(&rows, |row| Cursor::at(List::History, scope_of(key), row.transaction.pos));
    let list = HistoryList {
        items: rows.iter().map(|row| HistoryItem::new(row, &checkpoint)).collect(),
        next_cursor,
    };
    Answer::json(&checkpoint, Freshness::Tip, &list)
}
