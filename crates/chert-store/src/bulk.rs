//! Bulk backfill: base rows without secondary indexes, everything else built once at the end.
//!
//! Both transitions are single transactions, and which state the store is in is a column of the
//! checkpoint, so a crash at any moment leaves a store that knows what it is.

use sqlx::Connection;

use crate::derived::rebuild_totals;
use crate::feeds::move_chain;
use crate::{StoreError, Writer};

/// The indexes that random keys make expensive to maintain; names as in the migration.
const DROP_INDEXES: [&str; 3] = [
    "DROP INDEX IF EXISTS transactions_tx_key",
    "DROP INDEX IF EXISTS address_txs_key",
    "DROP INDEX IF EXISTS blocks_hash",
];
pub(crate) const CREATE_INDEXES: [(&str, &str); 3] = [
    (
        "transactions_tx_key",
        "CREATE INDEX IF NOT EXISTS transactions_tx_key ON transactions (tx_key)",
    ),
    (
        "address_txs_key",
        "CREATE UNIQUE INDEX IF NOT EXISTS address_txs_key ON address_txs (address_key, pos)
         INCLUDE (direction)",
    ),
    ("blocks_hash", "CREATE INDEX IF NOT EXISTS blocks_hash ON blocks (hash)"),
];
/// After a bulk load: statistics for the planner, visibility map for index-only scans.
const SETTLE: [&str; 4] = [
    "VACUUM (ANALYZE) blocks",
    "VACUUM (ANALYZE) transactions",
    "VACUUM (ANALYZE) address_txs",
    "VACUUM (ANALYZE) addresses",
];

impl Writer {
    /// Turns an empty store to bulk mode; `false` where blocks are stored already.
    pub async fn enter_bulk(&mut self) -> Result<bool, StoreError> {
        if self.checkpoint().bulk {
            return Ok(true);
        }
        if !self.checkpoint().hash.is_empty() {
            return Ok(false);
        }
        let mut tx = self.session().begin().await?;
        for statement in DROP_INDEXES {
            sqlx::query(statement).execute(&mut *tx).await?;
        }
        sqlx::query!("UPDATE checkpoints SET bulk = TRUE WHERE pipeline = 'chain'")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.reload().await?;
        Ok(true)
    }

    /// Builds the indexes and derived tables and goes live, in one transaction.
    pub async fn leave_bulk(&mut self) -> Result<(), StoreError> {
        if !self.checkpoint().bulk {
            return Ok(());
        }
        let mut tx = self.session().begin().await?;
        sqlx::query("SELECT set_config('maintenance_work_mem', '512MB', TRUE)")
            .execute(&mut *tx)
            .await?;
        for (name, statement) in CREATE_INDEXES {
            tracing::info!(index = name, "building");
            sqlx::query(statement).execute(&mut *tx).await?;
        }
        sqlx::query("ANALYZE transactions, address_txs, blocks").execute(&mut *tx).await?;
        tracing::info!("building totals");
        rebuild_totals(&mut tx).await?;
        // A page of an oracle that began in bulk mode could not look up its claims: it is let through
        // first, and the next one finds the indexes.
        move_chain(&mut tx).await?;
        sqlx::query!("UPDATE checkpoints SET bulk = FALSE WHERE pipeline = 'chain'")
            .execute(&mut *tx)
            .await?;
        crate::entities::work::corroborate_all(&mut tx).await?;
        sqlx::query!("SELECT pg_notify($1, '')", crate::TIP_CHANNEL).execute(&mut *tx).await?;
        tx.commit().await?;
        self.reload().await?;
        for statement in SETTLE {
            // Housekeeping only: autovacuum would do the same later.
            if let Err(error) = sqlx::query(statement).execute(self.session()).await {
                tracing::warn!(%error, statement, "skipped");
            }
        }
        Ok(())
    }
}
