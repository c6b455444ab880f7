//! Keeping what could not be understood.

use silica_models::{Block, TxPosition};
use sqlx::PgConnection;

use crate::StoreError;
use crate::copy::CopyBuffer;
use crate::entities::{ApplyContext, Entity, UnwindContext};

const COPY: &str = "COPY quarantine (pos, reason, raw) FROM STDIN (FORMAT binary)";

/// Rows of `quarantine`.
#[derive(Debug)]
pub struct QuarantineRows(CopyBuffer);

impl Default for QuarantineRows {
    fn default() -> Self {
        Self(CopyBuffer::new(3))
    }
}

impl Entity for QuarantineRows {
    const NAME: &'static str = "quarantine";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        for record in &block.unreadable {
            let pos = TxPosition::new(block.height, record.index)?.as_i64();
            self.0
                .row()
                .i64(pos)
                .text(Some(&record.reason.replace('\0', "")))
                .bytes(Some(record.raw.as_bytes()));
        }
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, _: &ApplyContext) -> Result<(), StoreError> {
        metrics::counter!("chert_indexer_quarantined_total").increment(self.0.rows());
        self.0.send(db, COPY).await
    }

    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM quarantine WHERE pos >= $1", context.first_pos())
            .execute(db)
            .await?;
        Ok(())
    }
}
