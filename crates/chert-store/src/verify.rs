//! `chert verify`, the store's half: structure, and derived tables against their definition.

use silica_models::Block;
use sqlx::{Connection, PgConnection};

use crate::derived::{differing_rows, rebuild_all};
use crate::entities::{ApplyContext, Entity};
use crate::entities::{block::BlockRows, quarantine::QuarantineRows, transaction::TransactionRows};
use crate::{Checkpoint, Store, StoreError, Writer};

/// How much to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyScope {
    /// Links, counts, and what stands where.
    Structure,
    /// Structure, and every derived row against a rebuild.
    Derived,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule is broken.
    pub check: &'static str,
    /// Rows that break it.
    pub rows: i64,
}

/// Rules that are one query each; the query counts the rows that break the rule.
const RULES: [(&str, &str); 10] = [
    (
        "heights are consecutive up to the checkpoint",
        "SELECT abs(c.height - c.start_height + 1 - count(b.height))
                + (CASE WHEN count(b.height) > 0 AND (min(b.height) <> c.start_height
                        OR max(b.height) <> c.height) THEN 1 ELSE 0 END)
         FROM checkpoints c LEFT JOIN blocks b ON TRUE WHERE c.pipeline = 'chain'
         GROUP BY c.height, c.start_height",
    ),
    (
        "the checkpoint's hash is that of its block",
        "SELECT count(*) FROM checkpoints c LEFT JOIN blocks b ON b.height = c.height
         WHERE c.pipeline = 'chain' AND c.hash <> '' AND b.hash IS DISTINCT FROM c.hash",
    ),
    (
        "every block links to its parent",
        "SELECT count(*) FROM blocks b JOIN blocks p ON p.height = b.height - 1
         WHERE b.parent_hash IS DISTINCT FROM p.hash",
    ),
    (
        "every block has as many records as it states",
        "SELECT count(*) FROM blocks b FULL JOIN (
             SELECT height, count(*) AS n FROM (
                 SELECT pos >> 20 AS height FROM transactions
                 UNION ALL SELECT pos >> 20 FROM quarantine) r GROUP BY height) t USING (height)
         WHERE b.tx_count IS DISTINCT FROM COALESCE(t.n, 0)",
    ),
    (
        "block sums are those of their transactions",
        "SELECT count(*) FROM blocks b LEFT JOIN (
             SELECT pos >> 20 AS height, sum(amount) AS amount, sum(fee) AS fee
             FROM transactions GROUP BY 1) t USING (height)
         WHERE b.total_amount <> COALESCE(t.amount, 0) OR b.total_fees <> COALESCE(t.fee, 0)",
    ),
    (
        "every transaction has as many outputs as it states",
        "SELECT count(*) FROM (SELECT pos, output_count FROM transactions WHERE output_count > 0) t
         FULL JOIN (SELECT pos, count(*) AS n FROM tx_outputs GROUP BY pos) o USING (pos)
         WHERE t.output_count IS DISTINCT FROM o.n",
    ),
    (
        "stealth outputs belong to transactions",
        "SELECT count(*) FROM stealth_outputs s
         WHERE NOT EXISTS (SELECT 1 FROM transactions t WHERE t.pos = s.pos)",
    ),
    (
        "no orphan is on the chain",
        "SELECT count(*) FROM orphans o JOIN blocks b ON b.height = o.height AND b.hash = o.hash",
    ),
    (
        "the event log has no gaps and ends with the last number given",
        "SELECT abs(COALESCE(max(e.seq) - min(e.seq - e.spans) + 1 - sum(e.spans + 1), 0))::bigint
                + abs(COALESCE(max(e.seq), h.last_seq) - h.last_seq)
         FROM event_head h LEFT JOIN event_log e ON TRUE GROUP BY h.last_seq",
    ),
    (
        "secondary indexes are there unless a bulk backfill runs",
        "SELECT count(*) FROM checkpoints c
         CROSS JOIN (VALUES ('transactions_tx_key'), ('address_txs_key'), ('blocks_hash')) i(name)
         WHERE c.pipeline = 'chain' AND NOT c.bulk
           AND NOT EXISTS (SELECT 1 FROM pg_indexes p WHERE p.indexname = i.name
                           AND p.schemaname = current_schema())",
    ),
];

async fn findings(
    db: &mut PgConnection,
    scope: VerifyScope,
    bulk: bool,
) -> Result<Vec<Finding>, StoreError> {
    let mut found = Vec::new();
    for (check, sql) in RULES {
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
        if rows > 0 {
            found.push(Finding { check, rows });
        }
    }
    // During a bulk backfill the derived tables are empty on purpose.
    if scope == VerifyScope::Derived && !bulk {
        let differing = differing_rows(db).await?;
        found.extend(differing.into_iter().map(|(check, rows)| Finding { check, rows }));
    }
    Ok(found)
}

impl Store {
    /// Checks the whole store in one snapshot, also while an indexer writes.
    pub async fn verify(
        &self,
        scope: VerifyScope,
    ) -> Result<(Checkpoint, Vec<Finding>), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
        let checkpoint = crate::checkpoint::load_checkpoint(&mut *tx).await?;
        let found = findings(&mut tx, scope, checkpoint.bulk).await?;
        tx.rollback().await?;
        Ok((checkpoint, found))
    }
}

impl Writer {
    /// Replaces the base rows of blocks that are stored wrongly. The derived tables must be
    /// rebuilt afterwards.
    pub async fn replace_blocks(&mut self, blocks: &[Block], now_s: i64) -> Result<(), StoreError> {
        let mut tx = self.session().begin().await?;
        for block in blocks {
            let height = crate::entities::block::height_i64(block)?;
            let context = ApplyContext { bulk: true, follow: false, now_s };
            delete_block(&mut tx, height).await?;
            apply_base::<BlockRows>(&mut tx, block, &context).await?;
            apply_base::<TransactionRows>(&mut tx, block, &context).await?;
            apply_base::<QuarantineRows>(&mut tx, block, &context).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Fills every derived table from the base tables, creates missing indexes and takes the
    /// checkpoint's hash from its block.
    pub async fn repair_derived(&mut self) -> Result<(), StoreError> {
        let mut tx = self.session().begin().await?;
        for (_, statement) in crate::bulk::CREATE_INDEXES {
            sqlx::query(statement).execute(&mut *tx).await?;
        }
        rebuild_all(&mut tx).await?;
        sqlx::query(
            "DELETE FROM orphans o USING blocks b WHERE b.height = o.height AND b.hash = o.hash",
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "UPDATE checkpoints c SET hash = b.hash, tip_time_ms = b.timestamp_ms FROM blocks b
             WHERE c.pipeline = 'chain' AND b.height = c.height",
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.reload().await
    }
}

async fn apply_base<E: Entity>(
    db: &mut PgConnection,
    block: &Block,
    context: &ApplyContext,
) -> Result<(), StoreError> {
    let mut rows = E::default();
    rows.add(block)?;
    rows.apply(db, context).await
}

async fn delete_block(db: &mut PgConnection, height: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM stealth_outputs WHERE pos >= $1 << 20 AND pos < ($1 + 1) << 20",
        "DELETE FROM tx_outputs WHERE pos >= $1 << 20 AND pos < ($1 + 1) << 20",
        "DELETE FROM transactions WHERE pos >= $1 << 20 AND pos < ($1 + 1) << 20",
        "DELETE FROM quarantine WHERE pos >= $1 << 20 AND pos < ($1 + 1) << 20",
        "DELETE FROM blocks WHERE height = $1",
    ] {
        sqlx::query(sql).bind(height).execute(&mut *db).await?;
    }
    Ok(())
}
