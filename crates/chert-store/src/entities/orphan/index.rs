//! Remembering the blocks that a reorganisation removes.

use silica_models::Block;
use sqlx::PgConnection;

use crate::StoreError;
use crate::entities::block::height_i64;
use crate::entities::{ApplyContext, Entity, UnwindContext};

/// Blocks about to be applied, which therefore are no orphans any more.
#[derive(Debug, Default)]
pub struct Orphans {
    heights: Vec<i64>,
    hashes: Vec<Vec<u8>>,
}

impl Entity for Orphans {
    const NAME: &'static str = "orphans";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        self.heights.push(height_i64(block)?);
        self.hashes.push(block.hash.as_bytes().to_vec());
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, context: &ApplyContext) -> Result<(), StoreError> {
        if context.bulk {
            return Ok(());
        }
        // A chain may return to a branch it had left.
        sqlx::query!(
            "DELETE FROM orphans o USING UNNEST($1::bigint[], $2::bytea[]) AS n(height, hash)
             WHERE o.height = n.height AND o.hash = n.hash",
            &self.heights,
            &self.hashes
        )
        .execute(db)
        .await?;
        Ok(())
    }

    async fn unwind(db: &mut PgConnection, context: &UnwindContext) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO orphans (height, hash, parent_hash, timestamp, validator_address, tx_count,
                                  gas_used, gas_limit, total_amount, tx_ids, orphaned_at)
             SELECT b.height, b.hash, b.parent_hash, b.timestamp, b.validator_address, b.tx_count,
                    b.gas_used, b.gas_limit, b.total_amount,
                    ARRAY(SELECT t.tx_id FROM transactions t
                          WHERE t.pos >= b.height << 20 AND t.pos < (b.height + 1) << 20
                          ORDER BY t.pos),
                    $2
             FROM blocks b WHERE b.height > $1
             ON CONFLICT (height, hash) DO UPDATE SET orphaned_at = EXCLUDED.orphaned_at",
            context.ancestor_i64(),
            context.now_s
        )
        .execute(db)
        .await?;
        Ok(())
    }
}
