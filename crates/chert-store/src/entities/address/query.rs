//! Reads of addresses: what the node said they own, what they took part in.

use silica_models::{Address, AddressKey};
use sqlx::PgExecutor;

use crate::entities::transaction::query::TransactionRow;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// What is known of an address. Parts are absent where nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSummary {
    /// The spelling of its first appearance.
    pub spelling: Option<String>,
    /// What it took part in; absent for an address never seen on the chain.
    pub totals: Option<AddressTotals>,
    /// The node's figures; absent until they were read.
    pub balance: Option<BalanceRow>,
    /// The public identity that links it now, where no other identity does.
    pub identity_id: Option<Vec<u8>>,
}

/// Maintained totals of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressTotals {
    /// Transactions it takes part in.
    pub tx_count: i64,
    /// Base units, decimal text.
    pub sent_total: String,
    /// Base units, decimal text.
    pub received_total: String,
    /// Place of the first of them.
    pub first_pos: i64,
    /// Place of the last.
    pub last_pos: i64,
}

/// The node's own figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceRow {
    /// Base units, decimal text.
    pub balance: String,
    /// Decimal text.
    pub nonce: String,
    /// The checkpoint at which they were read.
    pub height: i64,
}

/// A line of an address's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// 0 incoming, 1 outgoing, 2 self.
    pub direction: i16,
    /// The transaction.
    pub transaction: TransactionRow,
}

/// Totals, balance and holder of an address. Indexes: primary keys of `addresses`, `balances` and
/// `identities`, `wallet_links_key`.
pub async fn get_address_summary(
    db: impl PgExecutor<'_>,
    address: &Address,
) -> Result<(Checkpoint, AddressSummary), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  COALESCE(a.address, b.address) AS spelling, a.tx_count AS "tx_count?",
                  a.sent_total::text AS sent_total, a.received_total::text AS received_total,
                  a.first_pos AS "first_pos?", a.last_pos AS "last_pos?",
                  b.balance::text AS balance, b.nonce::text AS nonce, b.height AS "height?",
                  p.identity_id AS "identity_id?"
           FROM checkpoints c
           LEFT JOIN addresses a ON a.address_key = $1
           LEFT JOIN balances b ON b.address_key = $1
           -- Links of hidden identities count as well: two claims are no answer.
           LEFT JOIN LATERAL (
               SELECT CASE WHEN count(*) = 1 THEN (array_agg(l.identity_id))[1] END AS identity_id
               FROM (SELECT identity_id FROM wallet_links WHERE wallet_key = $1 LIMIT 2) l
           ) h ON TRUE
           LEFT JOIN public_identities p ON p.identity_id = h.identity_id
           WHERE c.pipeline = 'chain'"#,
        address.key().to_uuid()
    );
    let row = timed!("get_address_summary", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    let totals = match row.tx_count {
        None => None,
        Some(tx_count) => Some(AddressTotals {
            tx_count,
            sent_total: present("addresses.sent_total", row.sent_total)?,
            received_total: present("addresses.received_total", row.received_total)?,
            first_pos: present("addresses.first_pos", row.first_pos)?,
            last_pos: present("addresses.last_pos", row.last_pos)?,
        }),
    };
    let balance = match row.height {
        None => None,
        Some(height) => Some(BalanceRow {
            balance: present("balances.balance", row.balance)?,
            nonce: present("balances.nonce", row.nonce)?,
            height,
        }),
    };
    let (spelling, identity_id) = (row.spelling, row.identity_id);
    Ok((checkpoint, AddressSummary { spelling, totals, balance, identity_id }))
}

/// An address's transactions from the newest down, below `before` where given.
///
/// Indexes: `address_txs_key` backwards, then the primary keys of `transactions` and `blocks` per
/// row. The busiest address costs what any other does.
pub async fn list_history(
    db: impl PgExecutor<'_>,
    key: AddressKey,
    before: Option<i64>,
    rows: i64,
) -> Result<(Checkpoint, Vec<HistoryRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  h.direction AS "direction?", h.pos AS "pos?", h.tx_id AS "tx_id?",
                  h.block_hash AS "block_hash?", h.sender AS "sender?",
                  h.recipient AS "recipient?", h.amount::text AS amount, h.fee::text AS fee,
                  h.nonce::text AS nonce, h.timestamp AS "timestamp?",
                  h.transaction_type AS "transaction_type?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT a.direction, a.pos, t.tx_id, b.hash AS block_hash, t.sender, t.recipient,
                      t.amount, t.fee, t.nonce, COALESCE(t.timestamp, b.timestamp) AS timestamp,
                      t.transaction_type
               FROM (
                   SELECT direction, pos FROM address_txs
                   WHERE NOT c.bulk AND address_key = $1 AND pos < $2
                   ORDER BY pos DESC LIMIT 101
               ) a
               JOIN transactions t ON t.pos = a.pos
               JOIN blocks b ON b.height = a.pos >> 20
               ORDER BY a.pos DESC LIMIT $3
           ) h ON TRUE
           WHERE c.pipeline = 'chain'"#,
        key.to_uuid(),
        before.unwrap_or(i64::MAX),
        rows
    );
    let rows = timed!("list_history", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut history = Vec::with_capacity(rows.len());
    for row in rows {
        if row.pos.is_none() {
            continue;
        }
        history.push(HistoryRow {
            direction: present("address_txs.direction", row.direction)?,
            transaction: TransactionRow {
                pos: present("address_txs.pos", row.pos)?,
                tx_id: present("transactions.tx_id", row.tx_id)?,
                block_hash: present("blocks.hash", row.block_hash)?,
                sender: row.sender,
                recipient: row.recipient,
                amount: present("transactions.amount", row.amount)?,
                fee: present("transactions.fee", row.fee)?,
                nonce: row.nonce,
                timestamp: present("blocks.timestamp", row.timestamp)?,
                transaction_type: present("transactions.transaction_type", row.transaction_type)?,
            },
        });
    }
    Ok((checkpoint, history))
}

/// Place of the history line that `offset` others come before, newest first.
/// Index: `address_txs_key`, at most as many entries as the offset's cap.
pub async fn find_history_position(
    db: impl PgExecutor<'_>,
    key: AddressKey,
    offset: u32,
) -> Result<Option<i64>, StoreError> {
    let statement = sqlx::query_scalar!(
        "SELECT pos FROM address_txs WHERE address_key = $1 \
         AND NOT (SELECT bulk FROM checkpoints WHERE pipeline = 'chain') \
         ORDER BY pos DESC OFFSET $2 LIMIT 1",
        key.to_uuid(),
        i64::from(offset)
    );
    timed!("find_history_position", statement.fetch_optional(db)).await
}
