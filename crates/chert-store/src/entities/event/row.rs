//! Rows of the log, expanded, and the events they are.

use serde_json::{Value, json};
use silica_models::{Address, AddressKey, IdentityId, TxId};
use uuid::Uuid;

use super::{Event, EventType};
use crate::StoreError;
use crate::read::present;

/// What the statements that read events give. Columns of what an event is not are NULL.
#[derive(Debug)]
pub(super) struct EventRow {
    pub(super) number: i64,
    /// A transaction of the row's block, not the block itself.
    pub(super) of_block: bool,
    pub(super) r#type: String,
    pub(super) height: Option<i64>,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) created_at: i64,
    pub(super) tx_count: Option<i32>,
    pub(super) parent_hash: Option<Vec<u8>>,
    pub(super) timestamp: Option<String>,
    pub(super) validator_address: Option<String>,
    pub(super) address_key: Option<Uuid>,
    pub(super) identity_id: Option<Vec<u8>>,
    pub(super) data: Option<Value>,
    pub(super) place: Option<i64>,
    pub(super) tx_id: Option<Vec<u8>>,
    pub(super) sender: Option<String>,
    pub(super) recipient: Option<String>,
    pub(super) amount: Option<String>,
    pub(super) fee: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) transaction_type: Option<String>,
    pub(super) outputs: Option<Vec<String>>,
}

impl EventRow {
    pub(super) fn into_event(self) -> Result<Event, StoreError> {
        let row = EventType::parse(&self.r#type)
            .ok_or_else(|| StoreError::Corrupt(format!("event {}: type", self.number)))?;
        let kind = match (row, self.of_block) {
            (EventType::BlockApplied, true) => EventType::TransactionConfirmed,
            (EventType::BlockRetracted, true) => EventType::TransactionRetracted,
            (other, _) => other,
        };
        let identity_id = match &self.identity_id {
            Some(id) => Some(IdentityId::from_slice(id)?),
            None => None,
        };
        Ok(Event {
            seq: self.number,
            kind,
            height: self.height,
            block_hash: self.hash.clone(),
            at_s: self.created_at,
            identity_id,
            address_keys: if self.of_block { self.parties()? } else { self.subject() },
            data: self.into_data(kind)?,
        })
    }

    fn subject(&self) -> Vec<AddressKey> {
        self.address_key.iter().map(|key| AddressKey(*key.as_bytes())).collect()
    }

    /// Who takes part in a transaction; the same addresses as in `address_txs`.
    fn parties(&self) -> Result<Vec<AddressKey>, StoreError> {
        let outputs = self.outputs.as_deref().unwrap_or_default();
        let recipient = self.recipient.as_ref().filter(|_| outputs.is_empty());
        let spellings = self.sender.iter().chain(recipient).chain(outputs);
        let mut keys: Vec<AddressKey> =
            spellings.map(|text| Address::from_stored(text.clone()).key()).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    fn into_data(self, kind: EventType) -> Result<Value, StoreError> {
        if kind.is_transaction() {
            return self.into_transaction();
        }
        match kind {
            EventType::BlockApplied | EventType::BlockRetracted => Ok(json!({
                "parent_hash": self.parent_hash.map(hex::encode),
                "timestamp": self.timestamp,
                "validator_address": self.validator_address,
                "tx_count": self.tx_count,
            })),
            EventType::LeaderboardChanged => Ok(boards(present("event_log.data", self.data)?)),
            _ => present("event_log.data", self.data),
        }
    }

    /// The members that lists of transactions have, without the block's.
    fn into_transaction(self) -> Result<Value, StoreError> {
        let nonce = self.nonce.map(|n| n.parse::<u64>()).transpose();
        let nonce = nonce.map_err(|_| StoreError::Corrupt("transactions.nonce".to_owned()))?;
        let id = TxId::from_bytes(present("transactions.tx_id", self.tx_id)?);
        Ok(json!({
            "tx_id": id.to_string(),
            "index": self.place,
            "sender": self.sender,
            "recipient": self.recipient,
            "amount": self.amount,
            "fee": self.fee,
            "nonce": nonce,
            "timestamp": self.timestamp,
            "transaction_type": self.transaction_type,
        }))
    }
}

/// Boards are stored as `[timeframe, metric, snapshot_id]` under what they have in common: they
/// change all the time.
fn boards(stored: Value) -> Value {
    let list = stored.get("boards").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let board = |parts: &Value| {
        json!({
            "scope": stored.get("scope"),
            "type": stored.get("type"),
            "timeframe": parts.get(0),
            "metric": parts.get(1),
            "snapshot_id": parts.get(2),
        })
    };
    json!({"boards": list.iter().map(board).collect::<Vec<_>>()})
}
