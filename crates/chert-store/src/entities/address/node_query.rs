//! Reads of an address as wallets of the node ask for them (contract §9): by offset, with a total.

use silica_models::AddressKey;
use sqlx::PgExecutor;

use crate::entities::transaction::query::TransactionRow;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Rows that an offset may skip. With a page it stands in the SQL as a constant.
pub const OFFSET_MAX: u32 = 10_000;

/// A page of an address's transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletHistory {
    /// Newest first.
    pub transactions: Vec<TransactionRow>,
    /// Transactions of the address in all.
    pub total: i64,
}

/// An address's transactions from the newest down after skipping `offset` (at most
/// [`OFFSET_MAX`]), at most `rows` (100), and how many there are.
///
/// Indexes: `address_txs_key` backwards, then the primary keys of `transactions` and `blocks` per
/// row; `addresses_pkey`.
pub async fn get_wallet_history(
    db: impl PgExecutor<'_>,
    key: AddressKey,
    offset: u32,
    rows: i64,
) -> Result<(Checkpoint, WalletHistory), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk, a.tx_count AS "total?",
                  h.pos AS "pos?", h.tx_id AS "tx_id?", h.block_hash AS "block_hash?",
                  h.sender AS "sender?", h.recipient AS "recipient?", h.amount::text AS amount,
                  h.fee::text AS fee, h.nonce::text AS nonce, h.timestamp AS "timestamp?",
                  h.transaction_type AS "transaction_type?"
           FROM checkpoints c
           LEFT JOIN addresses a ON NOT c.bulk AND a.address_key = $1
           LEFT JOIN LATERAL (
               SELECT p.pos, t.tx_id, b.hash AS block_hash, t.sender, t.recipient, t.amount, t.fee,
                      t.nonce, COALESCE(t.timestamp, b.timestamp) AS timestamp, t.transaction_type
               FROM (
                   SELECT pos FROM (
                       SELECT pos FROM address_txs WHERE NOT c.bulk AND address_key = $1
                       ORDER BY pos DESC LIMIT 10100
                   ) newest ORDER BY pos DESC OFFSET $2 LIMIT $3
               ) p
               JOIN transactions t ON t.pos = p.pos
               JOIN blocks b ON b.height = p.pos >> 20
               ORDER BY p.pos DESC
           ) h ON TRUE
           WHERE c.pipeline = 'chain'"#,
        key.to_uuid(),
        i64::from(offset.min(OFFSET_MAX)),
        rows
    );
    let rows = timed!("get_wallet_history", statement.fetch_all(db)).await?;
    let first = rows.first().ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(first);
    let total = first.total.unwrap_or(0);
    let mut transactions = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(pos) = row.pos else { continue };
        transactions.push(TransactionRow {
            pos,
            tx_id: present("transactions.tx_id", row.tx_id)?,
            block_hash: present("blocks.hash", row.block_hash)?,
            sender: row.sender,
            recipient: row.recipient,
            amount: present("transactions.amount", row.amount)?,
            fee: present("transactions.fee", row.fee)?,
            nonce: row.nonce,
            timestamp: present("blocks.timestamp", row.timestamp)?,
            transaction_type: present("transactions.transaction_type", row.transaction_type)?,
        });
    }
    Ok((checkpoint, WalletHistory { transactions, total }))
}
