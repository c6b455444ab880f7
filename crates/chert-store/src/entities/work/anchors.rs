//! Which block holds the transaction that an oracle says paid a submission.
//!
//! The oracle's claim is a claim; the index bears witness to it or not. Of several blocks with the
//! transaction it is the first. Never deletes anything: on a reorganisation the witness is gone
//! until the transaction is seen again.

use silica_models::Block;
use sqlx::PgConnection;

use crate::StoreError;
use crate::entities::{ApplyContext, Entity, UnwindContext};

/// Narrow keys of a batch's transactions.
#[derive(Debug, Default)]
pub struct Anchors(Vec<i64>);

#[cfg(test)]
impl Anchors {
    pub(super) fn of(keys: Vec<i64>) -> Self {
        Self(keys)
    }
}

impl Entity for Anchors {
    const NAME: &'static str = "anchors";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        self.0.extend(block.transactions.iter().map(|tx| tx.id.index_key()));
        Ok(())
    }

    /// Reads the transactions of the batch, so it must stand after them in the registry.
    /// Indexes: `work_submissions_tx`, `transactions_tx_key`.
    async fn apply(&self, db: &mut PgConnection, context: &ApplyContext) -> Result<(), StoreError> {
        if context.bulk || self.0.is_empty() {
            return Ok(());
        }
        // Mostly no oracle claims anything: then one look at an empty index is all.
        let claims = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM work_submissions WHERE tx_key IS NOT NULL) AS "any!""#
        )
        .fetch_one(&mut *db)
        .await?;
        if !claims {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE work_submissions w SET block_height = f.height
             FROM (SELECT c.submission_id, min(t.pos) >> 20 AS height
                   FROM work_submissions c
                   JOIN transactions t ON t.tx_key = c.tx_key AND t.tx_id = c.tx_hash
                   WHERE c.tx_key = ANY($1) AND c.block_height IS NULL
                   GROUP BY c.submission_id) f
             WHERE w.submission_id = f.submission_id",
            &self.0
        )
        .execute(db)
        .await?;
        Ok(())
    }

    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE work_submissions SET block_height = NULL WHERE block_height > $1",
            context.ancestor_i64()
        )
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Looks up every claim: after a bulk backfill, during which nothing could be found, and to repair.
pub(crate) async fn corroborate_all(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE work_submissions w SET block_height = f.height
         FROM (SELECT c.submission_id, min(t.pos) >> 20 AS height
               FROM work_submissions c
               LEFT JOIN transactions t ON t.tx_key = c.tx_key AND t.tx_id = c.tx_hash
               WHERE c.tx_key IS NOT NULL
               GROUP BY c.submission_id) f
         WHERE w.submission_id = f.submission_id AND w.block_height IS DISTINCT FROM f.height"
    )
    .execute(db)
    .await?;
    Ok(())
}
