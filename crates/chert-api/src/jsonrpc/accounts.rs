//! Balances, nonces and histories of addresses (contract §2.6, §2.7, §8.8, §8.9, §9).

use chert_store::entities::address::node_query::{OFFSET_MAX, get_wallet_history};
use chert_store::entities::address::query::{AddressSummary, HistoryRow, list_history};
use chert_store::entities::transaction::query::{TransactionRow, list_transactions};
use chert_store::{Checkpoint, StoreError};
use serde::Serialize;
use silica_models::{Address, TX_INDEX_BITS, TX_INDEX_MAX, TxPosition};

use super::Outcome;
use super::dispatch::Rpc;
use super::error::RpcError;
use super::transactions::parties;
use crate::answer::{Answer, Freshness};
use crate::error::{Kind, Problem};
use crate::routes::addresses::summary_with_balance;
use crate::routes::text::{Count, Hex, TxIdText};
use crate::state::ApiState;

/// Rows of the explorer's pages, when it does not say, and at most.
const HISTORY_ROWS_DEFAULT: u16 = 25;
/// Rows of the wallet's pages when it does not say.
const WALLET_ROWS_DEFAULT: u16 = 20;
const ROWS_MAX: u16 = 100;
/// Names under which clients send an address.
const ADDRESS: [&str; 4] = ["address", "account", "userAddress", "user_address"];

#[derive(Serialize)]
struct BalanceJson<'a> {
    address: &'a str,
    balance: &'a str,
    nonce: Count<'a>,
}

#[derive(Serialize)]
struct NonceJson<'a> {
    nonce: Count<'a>,
}

/// The SDKs' shape; nothing is pending here.
#[derive(Serialize)]
struct SdkBalance<'a> {
    available: &'a str,
    pending: &'static str,
    total: &'a str,
}

/// A line as the explorer reads it.
#[derive(Serialize)]
struct HistoryLine<'a> {
    tx_id: TxIdText<'a>,
    sender: &'a str,
    recipient: &'a str,
    amount: Count<'a>,
    fee: Count<'a>,
    nonce: Count<'a>,
    timestamp: &'a str,
    status: &'static str,
    direction: &'static str,
    block_number: i64,
    block_hash: Hex<'a>,
    transaction_index: i64,
}

#[derive(Serialize)]
struct HistoryJson<'a> {
    address: Option<&'a str>,
    transactions: Vec<HistoryLine<'a>>,
    has_more: bool,
    /// `height:index` of the last line; null on the last page.
    next_cursor: Option<String>,
}

/// A line as the wallet reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WalletLine<'a> {
    transaction_id: TxIdText<'a>,
    from_address: &'a str,
    to_address: &'a str,
    amount: &'a str,
    fee: &'a str,
    timestamp: &'a str,
    status: &'static str,
    block_height: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WalletHistoryJson<'a> {
    transactions: Vec<WalletLine<'a>>,
    total_count: i64,
}

/// Balance and nonce as they are to be told; an address that the chain never saw has nothing.
fn figures(summary: &AddressSummary) -> Result<(&str, &str), Problem> {
    match (&summary.balance, &summary.totals) {
        (Some(balance), _) => Ok((&balance.balance, &balance.nonce)),
        (None, None) => Ok(("0", "0")),
        (None, Some(_)) => Err(Problem::new(
            Kind::Unavailable,
            "The balance of this address has not been read from the node yet; try again shortly.",
        )),
    }
}

/// What is known may be kept; what is not may be known the next moment.
fn freshness(summary: &AddressSummary) -> Freshness {
    if summary.balance.is_some() { Freshness::Tip } else { Freshness::Never }
}

/// `get_balance`: the node's own figure as last read; a missing one is asked for as on REST.
pub(super) async fn balance(api: &ApiState, rpc: &Rpc) -> Outcome {
    let address = rpc.params.address(&ADDRESS, 0)?;
    let sdk = rpc.in_sdk_shape();
    rpc.at_tip(api, &format!("{sdk} {}", address.as_str()), async {
        let (checkpoint, summary) = summary_with_balance(api, &address).await?;
        let (balance, nonce) = figures(&summary)?;
        if sdk {
            let view = SdkBalance { available: balance, pending: "0", total: balance };
            return Answer::json(&checkpoint, freshness(&summary), &view);
        }
        let address = summary.spelling.as_deref().unwrap_or(address.as_str());
        let view = BalanceJson { address, balance, nonce: Count(nonce) };
        Answer::json(&checkpoint, freshness(&summary), &view)
    })
    .await
}

/// `get_account_nonce`.
pub(super) async fn nonce(api: &ApiState, rpc: &Rpc) -> Outcome {
    let address = rpc.params.address(&ADDRESS, 0)?;
    rpc.at_tip(api, address.as_str(), async {
        let (checkpoint, summary) = summary_with_balance(api, &address).await?;
        let (_, nonce) = figures(&summary)?;
        Answer::json(&checkpoint, freshness(&summary), &NonceJson { nonce: Count(nonce) })
    })
    .await
}

/// `get_transaction_history`: with an `offset`, even null, the wallet asks; else the explorer
/// (contract §11 row 16).
pub(super) async fn history(api: &ApiState, rpc: &Rpc) -> Outcome {
    if rpc.params.has("offset") {
        return wallet_history(api, rpc).await;
    }
    let limit = rpc.params.limit(1, HISTORY_ROWS_DEFAULT, ROWS_MAX)?;
    let address = rpc.params.maybe_address(&ADDRESS, 0)?;
    let before = match rpc.params.text(&["cursor"], 2)?.filter(|text| !text.is_empty()) {
        Some(text) => Some(position_of(&text)?),
        None => None,
    };
    let asked = format!("{limit} {before:?} {}", address.as_ref().map_or("", Address::as_str));
    rpc.at_tip(api, &asked, async {
        let rows = i64::from(limit) + 1;
        let (checkpoint, rows) = read_history(api, address.as_ref(), before, rows).await?;
        if checkpoint.bulk && address.is_some() {
            return Err(Problem::index_building(&checkpoint));
        }
        let limit = usize::from(limit);
        let last = rows.get(limit.saturating_sub(1)).filter(|_| rows.len() > limit);
        let lines = rows.iter().take(limit);
        let page = HistoryJson {
            address: address.as_ref().map(Address::as_str),
            transactions: lines.map(|row| history_line(row, &checkpoint)).collect(),
            has_more: last.is_some(),
            next_cursor: last.map(|row| cursor_of(row.transaction.pos)),
        };
        Answer::json(&checkpoint, Freshness::Tip, &page)
    })
    .await
}

/// The history of an address; of the whole chain where none is given, in which nobody's side is
/// known.
async fn read_history(
    api: &ApiState,
    address: Option<&Address>,
    before: Option<i64>,
    rows: i64,
) -> Result<(Checkpoint, Vec<HistoryRow>), StoreError> {
    const NOBODYS: i16 = -1;
    let db = api.store().readers();
    if let Some(address) = address {
        return list_history(db, address.key(), before, rows).await;
    }
    let (checkpoint, rows) = list_transactions(db, before, rows).await?;
    let rows = rows.into_iter();
    let rows = rows.map(|transaction| HistoryRow { direction: NOBODYS, transaction });
    Ok((checkpoint, rows.collect()))
}

fn history_line<'a>(row: &'a HistoryRow, checkpoint: &Checkpoint) -> HistoryLine<'a> {
    let tx: &TransactionRow = &row.transaction;
    let (sender, recipient) = parties(tx);
    let block_number = tx.pos >> TX_INDEX_BITS;
    HistoryLine {
        tx_id: TxIdText(&tx.tx_id),
        sender,
        recipient,
        amount: Count(&tx.amount),
        fee: Count(&tx.fee),
        nonce: Count(tx.nonce.as_deref().unwrap_or("0")),
        timestamp: &tx.timestamp,
        status: checkpoint.status(block_number),
        direction: match row.direction {
            0 => "incoming",
            // A transaction to oneself is given once, as outgoing.
            1 | 2 => "outgoing",
            _ => "external",
        },
        block_number,
        block_hash: Hex(&tx.block_hash),
        transaction_index: tx.pos & i64::from(TX_INDEX_MAX),
    }
}

fn cursor_of(pos: i64) -> String {
    format!("{}:{}", pos >> TX_INDEX_BITS, pos & i64::from(TX_INDEX_MAX))
}

fn position_of(cursor: &str) -> Result<i64, RpcError> {
    let place = cursor.split_once(':').and_then(|(height, index)| {
        TxPosition::new(height.parse().ok()?, index.parse().ok()?).ok()
    });
    let place = place.ok_or_else(|| RpcError::params("cursor is not one that this method gave"))?;
    Ok(place.as_i64())
}

async fn wallet_history(api: &ApiState, rpc: &Rpc) -> Outcome {
    let address = rpc.params.address(&ADDRESS, 0)?;
    let limit = rpc.params.limit(1, WALLET_ROWS_DEFAULT, ROWS_MAX)?;
    let offset = rpc.params.offset(2, OFFSET_MAX)?;
    let asked = format!("wallet {limit} {offset} {}", address.as_str());
    rpc.at_tip(api, &asked, async {
        let db = api.store().readers();
        let read = get_wallet_history(db, address.key(), offset, i64::from(limit));
        let (checkpoint, history) = read.await?;
        if checkpoint.bulk {
            return Err(Problem::index_building(&checkpoint));
        }
        let lines = history.transactions.iter().map(|row| wallet_line(row, &checkpoint));
        let page = WalletHistoryJson { transactions: lines.collect(), total_count: history.total };
        Answer::json(&checkpoint, Freshness::Tip, &page)
    })
    .await
}

fn wallet_line<'a>(row: &'a TransactionRow, checkpoint: &Checkpoint) -> WalletLine<'a> {
    let (from_address, to_address) = parties(row);
    let block_height = row.pos >> TX_INDEX_BITS;
    WalletLine {
        transaction_id: TxIdText(&row.tx_id),
        from_address,
        to_address,
        amount: &row.amount,
        fee: &row.fee,
        timestamp: &row.timestamp,
        status: checkpoint.status(block_height),
        block_height,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn cursors_name_a_place_and_nothing_else() {
        let pos = TxPosition::new(18_427, 3).unwrap().as_i64();
        assert_eq!(cursor_of(pos), "18427:3");
        assert_eq!(position_of("18427:3").unwrap(), pos);
        for bad in ["", "1", "a:b", "1:-1", "1:99999999", "99999999999999999999:0", "1:2:3"] {
            assert!(position_of(bad).is_err(), "{bad}");
        }
    }
}
