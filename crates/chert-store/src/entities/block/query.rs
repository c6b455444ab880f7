//! Reads of blocks.

use silica_models::{BlockHash, Height};
use sqlx::PgExecutor;

use crate::entities::transaction::query::{TransactionColumns, TransactionRow};
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// What a client may call a block by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockId {
    /// Its number.
    Height(Height),
    /// Its hash.
    Hash(BlockHash),
}

/// The head of a block as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRow {
    /// Number.
    pub height: i64,
    /// Hash.
    pub hash: Vec<u8>,
    /// Parent's hash.
    pub parent_hash: Option<Vec<u8>>,
    /// The node's RFC 3339 text.
    pub timestamp: String,
    /// Who made it.
    pub validator_address: Option<String>,
    /// Records in the block.
    pub tx_count: i32,
    /// Decimal text.
    pub gas_used: String,
    /// Decimal text.
    pub gas_limit: String,
    /// Decimal text, base units.
    pub total_amount: String,
}

/// A block by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDetail {
    /// The head.
    pub block: BlockRow,
    /// The first transactions in the order of the block: up to [`crate::read::PAGE_ROWS_MAX`].
    pub transactions: Vec<TransactionRow>,
    /// State root; not kept for orphans.
    pub state_root: Option<Vec<u8>>,
    /// Leaves of the state tree, decimal text.
    pub state_leaf_count: Option<String>,
    /// For a block that a reorganisation removed: its transactions' ids (the first hundred).
    pub orphaned_tx_ids: Option<Vec<Vec<u8>>>,
}

macro_rules! block_row {
    ($row:expr) => {
        BlockRow {
            height: present("blocks.height", $row.height)?,
            hash: present("blocks.hash", $row.hash)?,
            parent_hash: $row.parent_hash,
            timestamp: present("blocks.timestamp", $row.timestamp)?,
            validator_address: $row.validator_address,
            tx_count: present("blocks.tx_count", $row.tx_count)?,
            gas_used: present("blocks.gas_used", $row.gas_used)?,
            gas_limit: present("blocks.gas_limit", $row.gas_limit)?,
            total_amount: present("blocks.total_amount", $row.total_amount)?,
        }
    };
}

/// Rows of the block's first transactions come as one array per column: a row per transaction
/// would repeat the whole block a hundred times.
macro_rules! block_detail {
    ($row:expr, $orphaned_tx_ids:expr) => {{
        let block = block_row!($row);
        let columns = TransactionColumns {
            positions: $row.positions,
            ids: $row.ids,
            senders: $row.senders,
            recipients: $row.recipients,
            amounts: $row.amounts,
            fees: $row.fees,
            nonces: $row.nonces,
            times: $row.times,
            types: $row.types,
        };
        BlockDetail {
            transactions: columns.into_rows(&block.hash, &block.timestamp)?,
            state_root: $row.state_root,
            state_leaf_count: $row.state_leaf_count,
            orphaned_tx_ids: $orphaned_tx_ids,
            block,
        }
    }};
}

/// A block of the canonical chain by number, with its first transactions.
/// Indexes: `blocks_pkey`, `transactions_pkey`.
pub async fn find_block_by_height(
    db: impl PgExecutor<'_>,
    height: Height,
) -> Result<(Checkpoint, Option<BlockDetail>), StoreError> {
    let height = i64::try_from(height).unwrap_or(i64::MAX);
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  b.height AS "height?", b.hash AS "hash?", b.parent_hash,
                  b.timestamp AS "timestamp?", b.validator_address, b.tx_count AS "tx_count?",
                  b.gas_used::text AS gas_used, b.gas_limit::text AS gas_limit,
                  b.total_amount::text AS total_amount, b.state_root,
                  b.state_leaf_count::text AS state_leaf_count,
                  t.positions AS "positions?: Vec<i64>", t.tx_ids AS "ids?: Vec<Vec<u8>>",
                  t.senders AS "senders?: Vec<Option<String>>",
                  t.recipients AS "recipients?: Vec<Option<String>>",
                  t.amounts AS "amounts?: Vec<String>", t.fees AS "fees?: Vec<String>",
                  t.nonces AS "nonces?: Vec<Option<String>>",
                  t.times AS "times?: Vec<Option<String>>", t.types AS "types?: Vec<String>"
           FROM checkpoints c
           LEFT JOIN blocks b ON b.height = $1
           LEFT JOIN LATERAL (
               SELECT array_agg(pos) AS positions, array_agg(tx_id) AS tx_ids,
                      array_agg(sender) AS senders, array_agg(recipient) AS recipients,
                      array_agg(amount::text) AS amounts, array_agg(fee::text) AS fees,
                      array_agg(nonce::text) AS nonces, array_agg(timestamp) AS times,
                      array_agg(transaction_type) AS types
               FROM (
                   SELECT pos, tx_id, sender, recipient, amount, fee, nonce, timestamp,
                          transaction_type
                   FROM transactions
                   WHERE pos >= b.height << 20 AND pos < (b.height + 1) << 20
                   ORDER BY pos LIMIT 101
               ) page
           ) t ON TRUE
           WHERE c.pipeline = 'chain'"#,
        height
    );
    let row = timed!("find_block_by_height", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    if row.height.is_none() {
        return Ok((checkpoint, None));
    }
    let orphaned_tx_ids = None;
    Ok((checkpoint, Some(block_detail!(row, orphaned_tx_ids))))
}

/// A block by hash: of the canonical chain, else one that a reorganisation removed.
/// Indexes: `blocks_hash`, `transactions_pkey`; orphans only where the first found nothing.
pub async fn find_block_by_hash(
    db: impl PgExecutor<'_>,
    hash: &BlockHash,
) -> Result<(Checkpoint, Option<BlockDetail>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  COALESCE(b.height, o.height) AS height,
                  COALESCE(b.hash, o.hash) AS hash,
                  COALESCE(b.parent_hash, o.parent_hash) AS parent_hash,
                  COALESCE(b.timestamp, o.timestamp) AS timestamp,
                  COALESCE(b.validator_address, o.validator_address) AS validator_address,
                  COALESCE(b.tx_count, o.tx_count) AS tx_count,
                  COALESCE(b.gas_used, o.gas_used)::text AS gas_used,
                  COALESCE(b.gas_limit, o.gas_limit)::text AS gas_limit,
                  COALESCE(b.total_amount, o.total_amount)::text AS total_amount,
                  b.state_root AS "state_root?",
                  b.state_leaf_count::text AS state_leaf_count,
                  o.tx_ids AS "orphaned_tx_ids?",
                  t.positions AS "positions?: Vec<i64>", t.tx_ids AS "ids?: Vec<Vec<u8>>",
                  t.senders AS "senders?: Vec<Option<String>>",
                  t.recipients AS "recipients?: Vec<Option<String>>",
                  t.amounts AS "amounts?: Vec<String>", t.fees AS "fees?: Vec<String>",
                  t.nonces AS "nonces?: Vec<Option<String>>",
                  t.times AS "times?: Vec<Option<String>>", t.types AS "types?: Vec<String>"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM blocks WHERE NOT c.bulk AND hash = $1 LIMIT 1
           ) b ON TRUE
           LEFT JOIN LATERAL (
               SELECT height, hash, parent_hash, timestamp, validator_address, tx_count, gas_used,
                      gas_limit, total_amount, tx_ids[1:100] AS tx_ids
               FROM orphans WHERE NOT c.bulk AND b.height IS NULL AND hash = $1 LIMIT 1
           ) o ON TRUE
           LEFT JOIN LATERAL (
               SELECT array_agg(pos) AS positions, array_agg(tx_id) AS tx_ids,
                      array_agg(sender) AS senders, array_agg(recipient) AS recipients,
                      array_agg(amount::text) AS amounts, array_agg(fee::text) AS fees,
                      array_agg(nonce::text) AS nonces, array_agg(timestamp) AS times,
                      array_agg(transaction_type) AS types
               FROM (
                   SELECT pos, tx_id, sender, recipient, amount, fee, nonce, timestamp,
                          transaction_type
                   FROM transactions
                   WHERE pos >= b.height << 20 AND pos < (b.height + 1) << 20
                   ORDER BY pos LIMIT 101
               ) page
           ) t ON TRUE
           WHERE c.pipeline = 'chain'"#,
        hash.as_bytes()
    );
    let row = timed!("find_block_by_hash", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    if row.height.is_none() {
        return Ok((checkpoint, None));
    }
    let orphaned_tx_ids = row.orphaned_tx_ids;
    Ok((checkpoint, Some(block_detail!(row, orphaned_tx_ids))))
}

/// Blocks from the newest down, below `before` where given, after skipping `offset` heights from
/// the tip. Index: `blocks_pkey`. The offset is arithmetic on the height: nothing is skipped over.
pub async fn list_blocks(
    db: impl PgExecutor<'_>,
    before: Option<Height>,
    offset: u32,
    rows: i64,
) -> Result<(Checkpoint, Vec<BlockRow>), StoreError> {
    let before = before.and_then(|h| i64::try_from(h).ok()).unwrap_or(i64::MAX);
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  b.height AS "height?", b.hash AS "hash?", b.parent_hash AS "parent_hash?",
                  b.timestamp AS "timestamp?", b.validator_address AS "validator_address?",
                  b.tx_count AS "tx_count?", b.gas_used::text AS gas_used,
                  b.gas_limit::text AS gas_limit, b.total_amount::text AS total_amount
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM (
                   SELECT height, hash, parent_hash, timestamp, validator_address, tx_count,
                          gas_used, gas_limit, total_amount
                   FROM blocks
                   WHERE height < LEAST($1, c.height - $2 + 1)
                   ORDER BY height DESC LIMIT 101
               ) page LIMIT $3
           ) b ON TRUE
           WHERE c.pipeline = 'chain'"#,
        before,
        i64::from(offset),
        rows
    );
    let rows = timed!("list_blocks", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut blocks = Vec::with_capacity(rows.len());
    for row in rows {
        if row.height.is_some() {
            blocks.push(block_row!(row));
        }
    }
    Ok((checkpoint, blocks))
}
