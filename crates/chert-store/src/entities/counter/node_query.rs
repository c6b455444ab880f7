//! Activity of the newest blocks by time bucket, as the explorer's charts want it (contract §8.4),
//! and what fees and gas they took.

use sqlx::PgExecutor;

use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Blocks looked back at most: 18 hours at two seconds. It stands in the SQL as a power of two.
pub const ACTIVITY_BLOCKS_MAX: i64 = 32_768;

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct ActivityRange {
    /// First moment, Unix milliseconds.
    pub from_ms: i64,
    /// Last moment, Unix milliseconds.
    pub to_ms: i64,
    /// Length of a bucket.
    pub bucket_ms: i64,
}

/// What one validator did in one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// Time divided by the bucket's length.
    pub bucket: i64,
    /// Who made the blocks.
    pub validator: Option<String>,
    /// Blocks.
    pub blocks: i64,
    /// Transactions in them.
    pub transactions: i64,
    /// Blocks with a transaction.
    pub non_empty: i64,
    /// Blocks that are finalized.
    pub finalized: i64,
    /// Time of the first block, Unix milliseconds.
    pub first_ms: i64,
    /// Time of the last block, Unix milliseconds.
    pub last_ms: i64,
}

/// Why a block is notable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notable {
    /// It has the most transactions.
    MostTransactions,
    /// It moved most.
    HighestValue,
    /// It is the newest that is not finalized.
    NewestPending,
    /// It is the newest that is.
    NewestFinalized,
}

/// A block that stands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotableBlock {
    /// Why.
    pub reason: Notable,
    /// Number.
    pub height: i64,
    /// Hash.
    pub hash: Vec<u8>,
    /// Parent's hash.
    pub parent_hash: Option<Vec<u8>>,
    /// Unix milliseconds.
    pub timestamp_ms: i64,
    /// Records in it.
    pub tx_count: i64,
    /// Base units, decimal text.
    pub total_amount: String,
    /// Who made it.
    pub validator: Option<String>,
}

/// Activity within a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Oldest bucket first.
    pub rows: Vec<ActivityRow>,
    /// In the order of [`Notable`].
    pub notable: Vec<NotableBlock>,
}

/// What the newest blocks made within a range of time, at most [`ACTIVITY_BLOCKS_MAX`] of them.
///
/// Index: `blocks_pkey`: blocks at distances 64, 128, 256 … from the tip are probed for the first
/// that is older than the range, so about twice as many blocks are read as the range holds.
pub async fn get_activity(
    db: impl PgExecutor<'_>,
    range: ActivityRange,
) -> Result<(Checkpoint, Activity), StoreError> {
    let statement = sqlx::query!(
        r#"WITH c AS MATERIALIZED (SELECT * FROM checkpoints WHERE pipeline = 'chain'),
           low AS MATERIALIZED (
               SELECT COALESCE(max(b.height), (SELECT height FROM c) - 32768) AS height
               FROM generate_series(6, 15) k
               JOIN blocks b ON b.height = (SELECT height FROM c) - (1 << k)
               WHERE b.timestamp_ms < $1
           ),
           recent AS MATERIALIZED (
               SELECT height, hash, parent_hash, timestamp_ms, tx_count, total_amount,
                      validator_address
               FROM blocks
               WHERE height > (SELECT height FROM low) AND height <= (SELECT height FROM c)
                 AND timestamp_ms BETWEEN $1 AND $2
           ),
           found AS (
               SELECT 0 AS kind, timestamp_ms / $3 AS bucket, validator_address AS validator,
                      count(*) AS blocks, sum(tx_count)::bigint AS transactions,
                      count(*) FILTER (WHERE tx_count > 0) AS non_empty,
                      count(*) FILTER (WHERE height <= (SELECT finalized_height FROM c)) AS finalized,
                      min(timestamp_ms) AS first_ms, max(timestamp_ms) AS last_ms,
                      NULL::bigint AS height, NULL::bytea AS hash, NULL::bytea AS parent_hash,
                      NULL::numeric AS total_amount
               FROM recent GROUP BY 2, 3
               UNION ALL
               (SELECT 1, 0, validator_address, 0, tx_count, 0, 0, timestamp_ms, timestamp_ms,
                       height, hash, parent_hash, total_amount
                FROM recent WHERE tx_count > 0 ORDER BY tx_count DESC, height DESC LIMIT 1)
               UNION ALL
               (SELECT 2, 0, validator_address, 0, tx_count, 0, 0, timestamp_ms, timestamp_ms,
                       height, hash, parent_hash, total_amount
                FROM recent WHERE total_amount > 0 ORDER BY total_amount DESC, height DESC LIMIT 1)
               UNION ALL
               (SELECT 3, 0, validator_address, 0, tx_count, 0, 0, timestamp_ms, timestamp_ms,
                       height, hash, parent_hash, total_amount
                FROM recent WHERE height > (SELECT finalized_height FROM c)
                ORDER BY height DESC LIMIT 1)
               UNION ALL
               (SELECT 4, 0, validator_address, 0, tx_count, 0, 0, timestamp_ms, timestamp_ms,
                       height, hash, parent_hash, total_amount
                FROM recent WHERE height <= (SELECT finalized_height FROM c)
                ORDER BY height DESC LIMIT 1)
           )
           SELECT c.height AS "cp_height!", c.hash AS "cp_hash!",
                  c.tip_time_ms AS "cp_tip_time_ms!", c.finalized_height AS "cp_finalized_height!",
                  c.finality_depth AS "cp_finality_depth!", c.node_height AS "cp_node_height!",
                  c.bulk AS "cp_bulk!", f.kind AS "kind?", f.bucket AS "bucket?", f.validator,
                  f.blocks AS "blocks?", f.transactions AS "transactions?",
                  f.non_empty AS "non_empty?", f.finalized AS "finalized?",
                  f.first_ms AS "first_ms?", f.last_ms AS "last_ms?", f.height AS "height?",
                  f.hash AS "hash?", f.parent_hash AS "parent_hash?",
                  f.total_amount::text AS total_amount
           FROM c LEFT JOIN found f ON TRUE
           ORDER BY f.kind, f.bucket, f.validator"#,
        range.from_ms,
        range.to_ms,
        range.bucket_ms.max(1)
    );
    let rows = timed!("get_activity", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut activity = Activity { rows: Vec::with_capacity(rows.len()), notable: Vec::new() };
    for row in rows {
        let Some(kind) = row.kind else { continue };
        let transactions = present("blocks.tx_count", row.transactions)?;
        let first_ms = present("blocks.timestamp_ms", row.first_ms)?;
        let reason = match kind {
            1 => Notable::MostTransactions,
            2 => Notable::HighestValue,
            3 => Notable::NewestPending,
            4 => Notable::NewestFinalized,
            _ => {
                activity.rows.push(ActivityRow {
                    bucket: present("bucket", row.bucket)?,
                    validator: row.validator,
                    blocks: present("count", row.blocks)?,
                    transactions,
                    non_empty: present("count", row.non_empty)?,
                    finalized: present("count", row.finalized)?,
                    first_ms,
                    last_ms: present("blocks.timestamp_ms", row.last_ms)?,
                });
                continue;
            }
        };
        activity.notable.push(NotableBlock {
            reason,
            height: present("blocks.height", row.height)?,
            hash: present("blocks.hash", row.hash)?,
            parent_hash: row.parent_hash,
            timestamp_ms: first_ms,
            tx_count: transactions,
            total_amount: present("blocks.total_amount", row.total_amount)?,
            validator: row.validator,
        });
    }
    Ok((checkpoint, activity))
}

/// What the newest transactions paid and the newest blocks used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeLevels {
    /// Base units, decimal text: a quarter of the newest transactions paid at most this; absent
    /// where there is none.
    pub low: Option<String>,
    /// The median.
    pub medium: Option<String>,
    /// Nine in ten paid at most this.
    pub high: Option<String>,
    /// Share of the newest blocks' gas limit that was used, in hundredths of a per cent.
    pub gas_used_bps: i64,
    /// Fees per unit of gas in the newest blocks, rounded down, decimal text.
    pub gas_price: String,
    /// Time from block to block, milliseconds; 0 where there are not two.
    pub block_ms: i64,
}

/// Levels over the newest 200 transactions and 24 blocks.
/// Indexes: `transactions_pkey`, `blocks_pkey`, both backwards.
pub async fn get_fee_levels(
    db: impl PgExecutor<'_>,
) -> Result<(Checkpoint, FeeLevels), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  f.levels[1]::text AS low, f.levels[2]::text AS medium, f.levels[3]::text AS high,
                  COALESCE(b.used * 10000 / NULLIF(b.most, 0), 0)::bigint AS "gas_used_bps!",
                  floor(COALESCE(b.fees / NULLIF(b.used, 0), 0))::text AS "gas_price!",
                  COALESCE(b.span_ms / NULLIF(b.n - 1, 0), 0)::bigint AS "block_ms!"
           FROM checkpoints c
           CROSS JOIN LATERAL (
               SELECT percentile_disc(ARRAY[0.25, 0.5, 0.9]) WITHIN GROUP (ORDER BY fee) AS levels
               FROM (SELECT fee FROM transactions ORDER BY pos DESC LIMIT 200) newest
           ) f
           CROSS JOIN LATERAL (
               SELECT sum(gas_used) AS used, sum(gas_limit) AS most, sum(total_fees) AS fees,
                      max(timestamp_ms) - min(timestamp_ms) AS span_ms, count(*) AS n
               FROM (SELECT * FROM blocks ORDER BY height DESC LIMIT 24) newest
           ) b
           WHERE c.pipeline = 'chain'"#
    );
    let row = timed!("get_fee_levels", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    let levels = FeeLevels {
        low: row.low,
        medium: row.medium,
        high: row.high,
        gas_used_bps: row.gas_used_bps,
        gas_price: row.gas_price,
        block_ms: row.block_ms,
    };
    Ok((checkpoint, levels))
}
