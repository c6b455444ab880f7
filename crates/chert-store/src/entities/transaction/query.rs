//! Reads of transactions.

use silica_models::{BlockHash, Height, TxId, TxPosition};
use sqlx::PgExecutor;

use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// A transaction as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRow {
    /// Place on the chain.
    pub pos: i64,
    /// Id in its stored form.
    pub tx_id: Vec<u8>,
    /// Hash of its block.
    pub block_hash: Vec<u8>,
    /// Sender's spelling; absent for system transactions.
    pub sender: Option<String>,
    /// Recipient's spelling.
    pub recipient: Option<String>,
    /// Base units, decimal text.
    pub amount: String,
    /// Base units, decimal text.
    pub fee: String,
    /// Sender's nonce, decimal text.
    pub nonce: Option<String>,
    /// Its own RFC 3339 text, else the block's.
    pub timestamp: String,
    /// Type.
    pub transaction_type: String,
}

/// The public part of a stealth output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StealthRow {
    /// Index among the transaction's stealth outputs.
    pub index: i32,
    /// Commitment.
    pub commitment: Vec<u8>,
    /// One-time public key.
    pub public_key: Vec<u8>,
    /// Transaction public key.
    pub tx_public_key: Vec<u8>,
    /// Base units, decimal text; absent where hidden.
    pub amount: Option<String>,
    /// The node's text.
    pub created_at: Option<String>,
}

/// A transaction by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDetail {
    /// What lists show.
    pub transaction: TransactionRow,
    /// Outputs in order (recipient, amount); empty for the plain form.
    pub outputs: Vec<(String, String)>,
    /// Stealth outputs in order.
    pub stealth_outputs: Vec<StealthRow>,
    /// Every other field of the node's record, JSON text.
    pub payload: Option<String>,
}

/// A page of one block's transactions, and the block it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTransactions {
    /// Height of the block.
    pub height: i64,
    /// In the order of the block.
    pub transactions: Vec<TransactionRow>,
}

/// Transactions of one block as arrays, one per column, all equally long.
#[derive(Debug)]
pub(crate) struct TransactionColumns {
    pub(crate) positions: Option<Vec<i64>>,
    pub(crate) ids: Option<Vec<Vec<u8>>>,
    pub(crate) senders: Option<Vec<Option<String>>>,
    pub(crate) recipients: Option<Vec<Option<String>>>,
    pub(crate) amounts: Option<Vec<String>>,
    pub(crate) fees: Option<Vec<String>>,
    pub(crate) nonces: Option<Vec<Option<String>>>,
    pub(crate) times: Option<Vec<Option<String>>>,
    pub(crate) types: Option<Vec<String>>,
}

impl TransactionColumns {
    /// The rows; all columns absent where the block has no transaction.
    pub(crate) fn into_rows(
        self,
        block_hash: &[u8],
        block_timestamp: &str,
    ) -> Result<Vec<TransactionRow>, StoreError> {
        let positions = self.positions.unwrap_or_default();
        let mut ids = self.ids.unwrap_or_default().into_iter();
        let mut senders = self.senders.unwrap_or_default().into_iter();
        let mut recipients = self.recipients.unwrap_or_default().into_iter();
        let mut amounts = self.amounts.unwrap_or_default().into_iter();
        let mut fees = self.fees.unwrap_or_default().into_iter();
        let mut nonces = self.nonces.unwrap_or_default().into_iter();
        let mut times = self.times.unwrap_or_default().into_iter();
        let mut types = self.types.unwrap_or_default().into_iter();
        let mut rows = Vec::with_capacity(positions.len());
        for pos in positions {
            rows.push(TransactionRow {
                pos,
                tx_id: present("transactions.tx_id", ids.next())?,
                block_hash: block_hash.to_vec(),
                sender: senders.next().flatten(),
                recipient: recipients.next().flatten(),
                amount: present("transactions.amount", amounts.next())?,
                fee: present("transactions.fee", fees.next())?,
                nonce: nonces.next().flatten(),
                timestamp: times.next().flatten().unwrap_or_else(|| block_timestamp.to_owned()),
                transaction_type: present("transactions.transaction_type", types.next())?,
            });
        }
        Ok(rows)
    }
}

macro_rules! transaction_row {
    ($row:expr, $block_hash:expr, $timestamp:expr) => {
        TransactionRow {
            pos: present("transactions.pos", $row.pos)?,
            tx_id: present("transactions.tx_id", $row.tx_id)?,
            block_hash: present("blocks.hash", $block_hash)?,
            sender: $row.sender,
            recipient: $row.recipient,
            amount: present("transactions.amount", $row.amount)?,
            fee: present("transactions.fee", $row.fee)?,
            nonce: $row.nonce,
            timestamp: present("blocks.timestamp", $timestamp)?,
            transaction_type: present("transactions.transaction_type", $row.transaction_type)?,
        }
    };
}

/// A transaction of the canonical chain by id; the first one where an id occurs twice.
///
/// Index: `transactions_tx_key`. `pos + 0` keeps the planner from walking the primary key in the
/// hope of meeting the id soon.
pub async fn find_transaction(
    db: impl PgExecutor<'_>,
    id: &TxId,
) -> Result<(Checkpoint, Option<TransactionDetail>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  t.pos AS "pos?", t.tx_id AS "tx_id?", b.hash AS "block_hash?",
                  t.sender AS "sender?", t.recipient AS "recipient?",
                  t.amount::text AS amount, t.fee::text AS fee, t.nonce::text AS nonce,
                  COALESCE(t.timestamp, b.timestamp) AS timestamp,
                  t.transaction_type AS "transaction_type?",
                  COALESCE(convert_from(t.raw, 'UTF8'), t.payload::text) AS payload,
                  o.recipients AS "recipients?: Vec<String>", o.amounts AS "amounts?: Vec<String>",
                  s.indexes AS "indexes?: Vec<i32>",
                  s.commitments AS "commitments?: Vec<Vec<u8>>",
                  s.public_keys AS "public_keys?: Vec<Vec<u8>>",
                  s.tx_public_keys AS "tx_public_keys?: Vec<Vec<u8>>",
                  s.amounts AS "stealth_amounts?: Vec<Option<String>>",
                  s.times AS "times?: Vec<Option<String>>"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM transactions
               WHERE NOT c.bulk AND tx_key = $1 AND tx_id = $2
               ORDER BY pos + 0 LIMIT 1
           ) t ON TRUE
           LEFT JOIN blocks b ON b.height = t.pos >> 20
           LEFT JOIN LATERAL (
               SELECT array_agg(recipient) AS recipients, array_agg(amount::text) AS amounts
               FROM (
                   SELECT recipient, amount FROM tx_outputs WHERE pos = t.pos
                   ORDER BY output_index
               ) ordered
           ) o ON TRUE
           LEFT JOIN LATERAL (
               SELECT array_agg(output_index) AS indexes, array_agg(commitment) AS commitments,
                      array_agg(public_key) AS public_keys,
                      array_agg(tx_public_key) AS tx_public_keys,
                      array_agg(amount::text) AS amounts, array_agg(created_at) AS times
               FROM (
                   SELECT * FROM stealth_outputs WHERE pos = t.pos ORDER BY output_index
               ) ordered
           ) s ON TRUE
           WHERE c.pipeline = 'chain'"#,
        id.index_key(),
        id.as_bytes()
    );
    let row = timed!("find_transaction", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    if row.pos.is_none() {
        return Ok((checkpoint, None));
    }
    let outputs = row.recipients.unwrap_or_default().into_iter();
    let outputs = outputs.zip(row.amounts.unwrap_or_default()).collect();
    let mut keys = row.commitments.unwrap_or_default().into_iter();
    let mut public_keys = row.public_keys.unwrap_or_default().into_iter();
    let mut tx_public_keys = row.tx_public_keys.unwrap_or_default().into_iter();
    let mut amounts = row.stealth_amounts.unwrap_or_default().into_iter();
    let mut times = row.times.unwrap_or_default().into_iter();
    let mut stealth_outputs = Vec::new();
    for index in row.indexes.unwrap_or_default() {
        stealth_outputs.push(StealthRow {
            index,
            commitment: present("stealth_outputs.commitment", keys.next())?,
            public_key: present("stealth_outputs.public_key", public_keys.next())?,
            tx_public_key: present("stealth_outputs.tx_public_key", tx_public_keys.next())?,
            amount: amounts.next().flatten(),
            created_at: times.next().flatten(),
        });
    }
    let detail = TransactionDetail {
        outputs,
        stealth_outputs,
        payload: row.payload,
        transaction: transaction_row!(row, row.block_hash, row.timestamp),
    };
    Ok((checkpoint, Some(detail)))
}

/// Transactions from the newest down, below `before` where given.
/// Indexes: `transactions_pkey` backwards, `blocks_pkey` per row.
pub async fn list_transactions(
    db: impl PgExecutor<'_>,
    before: Option<i64>,
    rows: i64,
) -> Result<(Checkpoint, Vec<TransactionRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  t.pos AS "pos?", t.tx_id AS "tx_id?", t.block_hash AS "block_hash?",
                  t.sender AS "sender?", t.recipient AS "recipient?", t.amount::text AS amount,
                  t.fee::text AS fee, t.nonce::text AS nonce, t.timestamp AS "timestamp?",
                  t.transaction_type AS "transaction_type?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT p.pos, p.tx_id, b.hash AS block_hash, p.sender, p.recipient, p.amount, p.fee,
                      p.nonce, COALESCE(p.timestamp, b.timestamp) AS timestamp, p.transaction_type
               FROM (
                   SELECT pos, tx_id, sender, recipient, amount, fee, nonce, timestamp,
                          transaction_type
                   FROM transactions WHERE pos < $1 ORDER BY pos DESC LIMIT 101
               ) p
               JOIN blocks b ON b.height = p.pos >> 20
               ORDER BY p.pos DESC LIMIT $2
           ) t ON TRUE
           WHERE c.pipeline = 'chain'"#,
        before.unwrap_or(i64::MAX),
        rows
    );
    let rows = timed!("list_transactions", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut transactions = Vec::with_capacity(rows.len());
    for row in rows {
        if row.pos.is_some() {
            transactions.push(transaction_row!(row, row.block_hash, row.timestamp));
        }
    }
    Ok((checkpoint, transactions))
}

/// Place of the transaction that `offset` others come before, newest first.
/// Index: `transactions_pkey`, at most as many entries as the offset's cap.
pub async fn find_transaction_position(
    db: impl PgExecutor<'_>,
    offset: u32,
) -> Result<Option<i64>, StoreError> {
    let statement = sqlx::query_scalar!(
        "SELECT pos FROM transactions ORDER BY pos DESC OFFSET $1 LIMIT 1",
        i64::from(offset)
    );
    timed!("find_transaction_position", statement.fetch_optional(db)).await
}

/// Place of the transaction of a block that `offset` others come before, in the block's order.
/// Index: `transactions_pkey`, at most as many entries as the offset's cap.
pub async fn find_block_transaction_position(
    db: impl PgExecutor<'_>,
    height: Height,
    offset: u32,
) -> Result<Option<i64>, StoreError> {
    let statement = sqlx::query_scalar!(
        "SELECT pos FROM transactions WHERE pos >= $1 AND pos < $2 ORDER BY pos OFFSET $3 LIMIT 1",
        TxPosition::block_start(height).as_i64(),
        TxPosition::block_start(height.saturating_add(1)).as_i64(),
        i64::from(offset)
    );
    timed!("find_block_transaction_position", statement.fetch_optional(db)).await
}

/// One statement for the two ways to name a block; they differ in one condition.
macro_rules! block_transactions {
    ($statement:literal, $block:literal, $id:expr, $db:expr, $from:expr, $rows:expr) => {{
        let statement = sqlx::query!(
            r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                      c.finalized_height AS cp_finalized_height,
                      c.finality_depth AS cp_finality_depth, c.node_height AS cp_node_height,
                      c.bulk AS cp_bulk, b.height AS "block_height?", b.hash AS "block_hash?",
                      t.pos AS "pos?", t.tx_id AS "tx_id?", t.sender AS "sender?",
                      t.recipient AS "recipient?", t.amount::text AS amount, t.fee::text AS fee,
                      t.nonce::text AS nonce, COALESCE(t.timestamp, b.timestamp) AS timestamp,
                      t.transaction_type AS "transaction_type?"
               FROM checkpoints c "#
                + $block
                + r#" LEFT JOIN LATERAL (
                   SELECT * FROM (
                       SELECT pos, tx_id, sender, recipient, amount, fee, nonce, timestamp,
                              transaction_type
                       FROM transactions
                       WHERE pos >= GREATEST($2, b.height << 20) AND pos < (b.height + 1) << 20
                       ORDER BY pos LIMIT 101
                   ) page LIMIT $3
               ) t ON TRUE
               WHERE c.pipeline = 'chain'"#,
            $id,
            $from,
            $rows
        );
        let rows = timed!($statement, statement.fetch_all($db)).await?;
        let first = rows.first().ok_or_else(no_checkpoint)?;
        let checkpoint = checkpoint_of!(first);
        let Some(height) = first.block_height else { return Ok((checkpoint, None)) };
        let mut transactions = Vec::with_capacity(rows.len());
        for row in rows {
            if row.pos.is_some() {
                transactions.push(transaction_row!(row, row.block_hash, row.timestamp));
            }
        }
        Ok((checkpoint, Some(BlockTransactions { height, transactions })))
    }};
}

/// Transactions of the block at a height, from the place `from` on, in the order of the block.
/// Indexes: `blocks_pkey`, `transactions_pkey`.
pub async fn list_transactions_at_height(
    db: impl PgExecutor<'_>,
    height: Height,
    from: Option<TxPosition>,
    rows: i64,
) -> Result<(Checkpoint, Option<BlockTransactions>), StoreError> {
    let height = i64::try_from(height).unwrap_or(i64::MAX);
    let from = from.map_or(0, TxPosition::as_i64);
    block_transactions!(
        "list_transactions_at_height",
        "LEFT JOIN blocks b ON b.height = $1",
        height,
        db,
        from,
        rows
    )
}

/// The same by the block's hash. Indexes: `blocks_hash`, `transactions_pkey`.
pub async fn list_transactions_of_hash(
    db: impl PgExecutor<'_>,
    hash: &BlockHash,
    from: Option<TxPosition>,
    rows: i64,
) -> Result<(Checkpoint, Option<BlockTransactions>), StoreError> {
    let from = from.map_or(0, TxPosition::as_i64);
    block_transactions!(
        "list_transactions_of_hash",
        "LEFT JOIN LATERAL (SELECT height, hash, timestamp FROM blocks \
         WHERE NOT c.bulk AND hash = $1 LIMIT 1) b ON TRUE",
        hash.as_bytes(),
        db,
        from,
        rows
    )
}
