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

    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        sqlx::query_file!(
            "src/entities/orphan/keep_orphans.sql",
            context.ancestor_i64(),
            context.now_s
        )
        .execute(db)
        .await?;
        Ok(())
    }
}
