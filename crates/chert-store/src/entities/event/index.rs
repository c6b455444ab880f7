//! Writing the event log.

use silica_models::Block;
use sqlx::PgConnection;

use crate::StoreError;
use crate::copy::CopyBuffer;
use crate::entities::block::{height_i64, record_count};
use crate::entities::{ApplyContext, Entity, UnwindContext};

const COPY: &str =
    "COPY event_log (seq, type, height, hash, tx_count, created_at) FROM STDIN (FORMAT binary)";

/// `block.applied` for each block of the batch. The bulk backfill of history writes none: nobody
/// can have been listening, and the log keeps days, not years.
#[derive(Debug, Default)]
pub struct BlockEvents(Vec<(i64, Vec<u8>, i32)>);

impl BlockEvents {
    /// Events that `apply` writes.
    pub(crate) fn count(&self, context: &ApplyContext) -> i64 {
        if context.bulk { 0 } else { i64::try_from(self.0.len()).unwrap_or(i64::MAX) }
    }
}

impl Entity for BlockEvents {
    const NAME: &'static str = "event_log";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        let row = (height_i64(block)?, block.hash.as_bytes().to_vec(), record_count(block)?);
        self.0.push(row);
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, context: &ApplyContext) -> Result<(), StoreError> {
        if context.bulk {
            return Ok(());
        }
        let mut rows = CopyBuffer::new(6);
        for ((height, hash, tx_count), seq) in self.0.iter().zip(context.event_seq + 1..) {
            rows.row()
                .i64(seq)
                .text(Some("block.applied"))
                .i64(*height)
                .bytes(Some(hash))
                .i32(*tx_count)
                .i64(context.now_s);
        }
        rows.send(db, COPY).await
    }

    /// `block.retracted` for every removed block, newest first; numbers continue the checkpoint's.
    async fn unwind(db: &mut PgConnection, context: &UnwindContext) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH gone AS (
                 INSERT INTO event_log (seq, type, height, hash, tx_count, created_at)
                 SELECT c.event_seq + row_number() OVER (ORDER BY b.height DESC),
                        'block.retracted', b.height, b.hash, b.tx_count, $2
                 FROM blocks b, checkpoints c
                 WHERE b.height > $1 AND c.pipeline = 'chain'
                 RETURNING seq)
             UPDATE checkpoints SET event_seq = event_seq + (SELECT count(*) FROM gone)
             WHERE pipeline = 'chain'",
            context.ancestor_i64(),
            context.now_s
        )
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Removes up to `rows_max` events older than `before_s`; returns how many went.
pub async fn prune_events(
    db: &mut PgConnection,
    before_s: i64,
    rows_max: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM event_log WHERE seq IN
             (SELECT seq FROM (SELECT seq, created_at FROM event_log ORDER BY seq LIMIT $2) oldest
              WHERE created_at < $1)",
        before_s,
        rows_max
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
