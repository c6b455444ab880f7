//! Transactions in the shapes of the explorer, the wallet and the SDKs (contract §2.5, §3.2, §8.7).

use std::borrow::Cow;
use std::collections::BTreeMap;

use chert_store::Checkpoint;
use chert_store::entities::transaction::query::{self, TransactionDetail, TransactionRow};
use serde::Serialize;
use serde_json::value::RawValue;
use silica_models::{TX_INDEX_BITS, TxId};

use super::dispatch::Rpc;
use super::error::RpcError;
use super::{Outcome, params::Params};
use crate::answer::{Answer, Freshness};
use crate::error::Problem;
use crate::routes::text::{Count, Hex, TxIdText};
use crate::state::ApiState;

/// Stands for the sender of transactions that the protocol itself issues: clients refuse a page in
/// which a sender is missing (contract §11 row 20).
pub(super) const ORIGIN: &str = "0x0000000000000000000000000000000000000002";

/// Members of a transaction that have a place of their own; whatever else the node's record held is
/// given as it came.
const OWN_MEMBERS: [&str; 22] = [
    "tx_id",
    "transactionId",
    "hash",
    "status",
    "sender",
    "fromAddress",
    "recipient",
    "toAddress",
    "amount",
    "fee",
    "nonce",
    "timestamp",
    "transaction_type",
    "transaction_index",
    "outputs",
    "block_number",
    "blockHeight",
    "block_height",
    "block_hash",
    "direction",
    "message",
    "index",
];

/// The rest of a node's record by name.
pub(super) type Rest<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What of a stored payload goes into a transaction beside its own members.
pub(super) fn rest_of(payload: Option<&str>) -> Rest<'_> {
    let rest = payload.and_then(|text| serde_json::from_str::<Rest<'_>>(text).ok());
    let mut rest = rest.unwrap_or_default();
    rest.retain(|name, _| !OWN_MEMBERS.contains(&name.as_ref()));
    rest
}

/// Sender and recipient as clients must be given them: never empty.
pub(super) fn parties(row: &TransactionRow) -> (&str, &str) {
    let named = |party: &'_ Option<String>| party.as_deref().is_some_and(|text| !text.is_empty());
    let sender = row.sender.as_deref().filter(|_| named(&row.sender)).unwrap_or(ORIGIN);
    let recipient = row.recipient.as_deref().filter(|_| named(&row.recipient)).unwrap_or(sender);
    (sender, recipient)
}

/// The explorer's shape, with the wallet's names where they mean the same.
#[derive(Serialize)]
struct Found<'a> {
    tx_id: TxIdText<'a>,
    status: &'static str,
    sender: &'a str,
    recipient: &'a str,
    amount: Count<'a>,
    fee: Count<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<Count<'a>>,
    timestamp: &'a str,
    block_number: i64,
    block_hash: Hex<'a>,
    transaction_type: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<OutputJson<'a>>,
    #[serde(rename = "transactionId")]
    transaction_id: TxIdText<'a>,
    #[serde(rename = "fromAddress")]
    from_address: &'a str,
    #[serde(rename = "toAddress")]
    to_address: &'a str,
    #[serde(rename = "blockHeight")]
    block_height: i64,
    #[serde(flatten)]
    rest: Rest<'a>,
}

#[derive(Serialize)]
struct OutputJson<'a> {
    recipient: &'a str,
    amount: Count<'a>,
}

#[derive(Serialize)]
struct NotFound<'a> {
    tx_id: &'a str,
    status: &'static str,
    message: &'static str,
}

/// The SDKs' shape.
#[derive(Serialize)]
struct SdkTransaction<'a> {
    hash: TxIdText<'a>,
    from: &'a str,
    to: &'a str,
    amount: &'a str,
    fee: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    memo: Option<&'a RawValue>,
    block_height: i64,
    status: &'static str,
    timestamp: &'a str,
    nonce: Count<'a>,
}

/// The wallet's view of a transaction it sent.
#[derive(Serialize)]
struct StatusJson<'a> {
    transaction_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_height: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmations: Option<i64>,
}

/// The id that a client names, in its one spelling where it has one.
fn id_of(params: &Params) -> Result<(String, Option<TxId>), RpcError> {
    let names = ["tx_id", "transaction_id", "transactionId", "tx_hash", "hash"];
    let text = params.required(&names, 0)?;
    let id = TxId::parse(&text).ok();
    Ok((id.as_ref().map_or(text, ToString::to_string), id))
}

/// `get_transaction`: an unknown id is an answer, not an error, except in the SDKs' shape.
pub(super) async fn transaction(api: &ApiState, rpc: &Rpc) -> Outcome {
    let (text, id) = id_of(&rpc.params)?;
    let sdk = rpc.in_sdk_shape();
    rpc.maybe_final(api, &format!("{sdk} {text}"), async {
        let (checkpoint, detail) = find(api, id.as_ref()).await?;
        let Some(detail) = detail else {
            if sdk {
                return Err(Problem::not_found("There is no such transaction."));
            }
            let message = "Transaction not found";
            let absent = NotFound { tx_id: &text, status: "not_found", message };
            return Answer::json(&checkpoint, Freshness::Tip, &absent);
        };
        let status = checkpoint.status(detail.transaction.pos >> TX_INDEX_BITS);
        let freshness = if status == "finalized" { Freshness::Final } else { Freshness::Tip };
        match sdk {
            true => Answer::json(&checkpoint, freshness, &sdk_transaction(&detail, status)),
            false => Answer::json(&checkpoint, freshness, &found(&detail, status)),
        }
    })
    .await
}

async fn find(
    api: &ApiState,
    id: Option<&TxId>,
) -> Result<(Checkpoint, Option<TransactionDetail>), Problem> {
    let Some(id) = id else { return Ok((api.store().checkpoint().await?, None)) };
    let (checkpoint, detail) = query::find_transaction(api.store().readers(), id).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    Ok((checkpoint, detail))
}

fn found<'a>(detail: &'a TransactionDetail, status: &'static str) -> Found<'a> {
    let row = &detail.transaction;
    let (sender, recipient) = parties(row);
    let outputs = detail.outputs.iter();
    let block_number = row.pos >> TX_INDEX_BITS;
    Found {
        tx_id: TxIdText(&row.tx_id),
        status,
        sender,
        recipient,
        amount: Count(&row.amount),
        fee: Count(&row.fee),
        nonce: row.nonce.as_deref().map(Count),
        timestamp: &row.timestamp,
        block_number,
        block_hash: Hex(&row.block_hash),
        transaction_type: &row.transaction_type,
        outputs: outputs
            .map(|(recipient, amount)| OutputJson { recipient, amount: Count(amount) })
            .collect(),
        transaction_id: TxIdText(&row.tx_id),
        from_address: sender,
        to_address: recipient,
        block_height: block_number,
        rest: rest_of(detail.payload.as_deref()),
    }
}

fn sdk_transaction<'a>(detail: &'a TransactionDetail, status: &'static str) -> SdkTransaction<'a> {
    let row = &detail.transaction;
    let (from, to) = parties(row);
    SdkTransaction {
        hash: TxIdText(&row.tx_id),
        from,
        to,
        amount: &row.amount,
        fee: &row.fee,
        memo: rest_of(detail.payload.as_deref()).remove("memo"),
        block_height: row.pos >> TX_INDEX_BITS,
        status,
        timestamp: &row.timestamp,
        nonce: Count(row.nonce.as_deref().unwrap_or("0")),
    }
}

/// `get_transaction_status`: a transaction that no block holds may still come: it is pending.
pub(super) async fn status(api: &ApiState, rpc: &Rpc) -> Outcome {
    let (text, id) = id_of(&rpc.params)?;
    rpc.at_tip(api, &text, async {
        let (checkpoint, detail) = find(api, id.as_ref()).await?;
        let height = detail.map(|detail| detail.transaction.pos >> TX_INDEX_BITS);
        let status = StatusJson {
            transaction_id: &text,
            status: if height.is_some() { "confirmed" } else { "pending" },
            block_height: height,
            confirmations: height.map(|height| checkpoint.confirmations(height)),
        };
        Answer::json(&checkpoint, Freshness::Tip, &status)
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_rest_of_a_record_keeps_its_text_and_takes_no_place() {
        let rest =
            rest_of(Some(r#"{"memo":"a\u0000b","amount":"x","signature":"c0","big":1e400}"#));
        let text = serde_json::to_string(&rest).unwrap();
        assert_eq!(text, r#"{"big":1e400,"memo":"a\u0000b","signature":"c0"}"#);
        for odd in [None, Some("[]"), Some("7"), Some("{")] {
            assert!(rest_of(odd).is_empty());
        }
    }
}
