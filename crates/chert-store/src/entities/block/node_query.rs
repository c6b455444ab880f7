//! Reads of whole blocks, as the node's own interface gives them (contract §2.2): with everything
//! that was stored of each transaction, a page of blocks in one statement.

use silica_models::{BlockHash, Height};
use sqlx::PgExecutor;

use crate::entities::transaction::query::{TransactionColumns, TransactionRow};
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Transactions of a page after which no further block is given with its transactions. A page always
/// holds the first block whole, however many that are. It stands in the SQL as a constant.
pub const PAGE_TRANSACTIONS_MAX: i64 = 20_000;

/// A transaction with its outputs and the rest of the node's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTransaction {
    /// What lists show.
    pub transaction: TransactionRow,
    /// `[{"recipient": …, "amount": …}]` as JSON text; absent for the plain form.
    pub outputs: Option<String>,
    /// Every other field of the node's record, JSON text.
    pub payload: Option<String>,
}

/// A block of the canonical chain with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullBlock {
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
    /// Records in the block, those that could not be read included.
    pub tx_count: i32,
    /// Decimal text.
    pub gas_used: String,
    /// Decimal text.
    pub gas_limit: String,
    /// State root.
    pub state_root: Option<Vec<u8>>,
    /// Leaves of the state tree, decimal text.
    pub state_leaf_count: Option<String>,
    /// JSON text.
    pub shard_commitments: Option<String>,
    /// In the order of the block; `None` where they are left out, because they were not asked for
    /// or because the page is full.
    pub transactions: Option<Vec<FullTransaction>>,
}

/// One statement for the three ways to name blocks; they differ in what the page is cut from.
/// `$id`: height or hash; `$rows`: blocks; `$with`: whether transactions are wanted.
macro_rules! full_blocks {
    ($statement:literal, $source:literal, $id:expr, $rows:expr, $with:expr, $db:expr) => {{
        let with_transactions: bool = $with;
        let statement = sqlx::query!(
            r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                      c.finalized_height AS cp_finalized_height,
                      c.finality_depth AS cp_finality_depth, c.node_height AS cp_node_height,
                      c.bulk AS cp_bulk, b.height AS "height?", b.hash AS "hash?", b.parent_hash,
                      b.timestamp AS "timestamp?", b.validator_address,
                      b.tx_count AS "tx_count?", b.gas_used::text AS gas_used,
                      b.gas_limit::text AS gas_limit, b.state_root,
                      b.state_leaf_count::text AS state_leaf_count,
                      b.shard_commitments::text AS shard_commitments, b.within AS "within?",
                      t.positions AS "positions?: Vec<i64>", t.tx_ids AS "ids?: Vec<Vec<u8>>",
                      t.senders AS "senders?: Vec<Option<String>>",
                      t.recipients AS "recipients?: Vec<Option<String>>",
                      t.amounts AS "amounts?: Vec<String>", t.fees AS "fees?: Vec<String>",
                      t.nonces AS "nonces?: Vec<Option<String>>",
                      t.times AS "times?: Vec<Option<String>>", t.types AS "types?: Vec<String>",
                      t.outputs AS "outputs?: Vec<Option<String>>",
                      t.payloads AS "payloads?: Vec<Option<String>>"
               FROM checkpoints c
               LEFT JOIN LATERAL (
                   SELECT page.*, COALESCE(sum(page.tx_count) OVER (
                              ORDER BY page.height DESC
                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < 20000
                          OR page.height = 0 AS within
                   FROM ("#
                + $source
                + r#") page
                   ORDER BY page.height DESC LIMIT $2
               ) b ON TRUE
               LEFT JOIN LATERAL (
                   SELECT array_agg(pos) AS positions, array_agg(tx_id) AS tx_ids,
                          array_agg(sender) AS senders, array_agg(recipient) AS recipients,
                          array_agg(amount::text) AS amounts, array_agg(fee::text) AS fees,
                          array_agg(nonce::text) AS nonces, array_agg(timestamp) AS times,
                          array_agg(transaction_type) AS types, array_agg(outputs) AS outputs,
                          array_agg(payload) AS payloads
                   FROM (
                       SELECT pos, tx_id, sender, recipient, amount, fee, nonce, timestamp,
                              transaction_type,
                              CASE WHEN output_count > 0 THEN (
                                  SELECT json_agg(json_build_object('recipient', o.recipient,
                                             'amount', o.amount) ORDER BY o.output_index)::text
                                  FROM tx_outputs o WHERE o.pos = x.pos) END AS outputs,
                              COALESCE(convert_from(raw, 'UTF8'), payload::text) AS payload
                       FROM transactions x
                       WHERE $3 AND b.within
                         AND pos >= b.height << 20 AND pos < (b.height + 1) << 20
                       ORDER BY pos
                   ) ordered
               ) t ON TRUE
               WHERE c.pipeline = 'chain'"#,
            $id,
            $rows,
            with_transactions
        );
        let rows = timed!($statement, statement.fetch_all($db)).await?;
        let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
        let mut blocks = Vec::with_capacity(rows.len());
        for row in rows {
            let (Some(height), Some(hash)) = (row.height, row.hash) else { continue };
            let timestamp = present("blocks.timestamp", row.timestamp)?;
            let columns = TransactionColumns {
                positions: row.positions,
                ids: row.ids,
                senders: row.senders,
                recipients: row.recipients,
                amounts: row.amounts,
                fees: row.fees,
                nonces: row.nonces,
                times: row.times,
                types: row.types,
            };
            let transactions = match with_transactions && row.within == Some(true) {
                false => None,
                true => {
                    let rows = columns.into_rows(&hash, &timestamp)?;
                    Some(complete(rows, row.outputs, row.payloads))
                }
            };
            blocks.push(FullBlock {
                height,
                parent_hash: row.parent_hash,
                validator_address: row.validator_address,
                tx_count: present("blocks.tx_count", row.tx_count)?,
                gas_used: present("blocks.gas_used", row.gas_used)?,
                gas_limit: present("blocks.gas_limit", row.gas_limit)?,
                state_root: row.state_root,
                state_leaf_count: row.state_leaf_count,
                shard_commitments: row.shard_commitments,
                transactions,
                hash,
                timestamp,
            });
        }
        Ok((checkpoint, blocks))
    }};
}

fn complete(
    rows: Vec<TransactionRow>,
    outputs: Option<Vec<Option<String>>>,
    payloads: Option<Vec<Option<String>>>,
) -> Vec<FullTransaction> {
    let mut outputs = outputs.unwrap_or_default().into_iter();
    let mut payloads = payloads.unwrap_or_default().into_iter();
    let full = rows.into_iter().map(|transaction| FullTransaction {
        transaction,
        outputs: outputs.next().flatten(),
        payload: payloads.next().flatten(),
    });
    full.collect()
}

/// Whole blocks from `from` (else the tip) down, `from` included. The first comes with its
/// transactions, so do those after it until [`PAGE_TRANSACTIONS_MAX`] are reached, and the chain's
/// first block; `with_transactions` = `false` leaves all of them out.
/// Indexes: `blocks_pkey`, `transactions_pkey` per block, `tx_outputs_pkey` per multi-output
/// transaction.
pub async fn list_full_blocks(
    db: impl PgExecutor<'_>,
    from: Option<Height>,
    rows: i64,
    with_transactions: bool,
) -> Result<(Checkpoint, Vec<FullBlock>), StoreError> {
    let from = from.and_then(|height| i64::try_from(height).ok()).unwrap_or(i64::MAX);
    full_blocks!(
        "list_full_blocks",
        "SELECT * FROM blocks WHERE height <= LEAST($1, c.height) ORDER BY height DESC LIMIT 101",
        from,
        rows,
        with_transactions,
        db
    )
}

/// The whole block at a height. Indexes as for [`list_full_blocks`].
pub async fn find_full_block_by_height(
    db: impl PgExecutor<'_>,
    height: Height,
    with_transactions: bool,
) -> Result<(Checkpoint, Option<FullBlock>), StoreError> {
    let height = i64::try_from(height).unwrap_or(i64::MAX);
    let found: Result<(Checkpoint, Vec<FullBlock>), StoreError> = full_blocks!(
        "find_full_block_by_height",
        "SELECT * FROM blocks WHERE height = $1",
        height,
        1,
        with_transactions,
        db
    );
    let (checkpoint, mut blocks) = found?;
    Ok((checkpoint, blocks.pop()))
}

/// The whole block of the canonical chain with a hash.
/// Indexes: `blocks_hash`, then as for [`list_full_blocks`].
pub async fn find_full_block_by_hash(
    db: impl PgExecutor<'_>,
    hash: &BlockHash,
    with_transactions: bool,
) -> Result<(Checkpoint, Option<FullBlock>), StoreError> {
    let found: Result<(Checkpoint, Vec<FullBlock>), StoreError> = full_blocks!(
        "find_full_block_by_hash",
        "SELECT * FROM blocks WHERE NOT c.bulk AND hash = $1 LIMIT 1",
        hash.as_bytes(),
        1,
        with_transactions,
        db
    );
    let (checkpoint, mut blocks) = found?;
    Ok((checkpoint, blocks.pop()))
}
