//! Writing blocks.

use silica_models::Block;
use sqlx::PgConnection;

use crate::StoreError;
use crate::copy::CopyBuffer;
use crate::entities::{ApplyContext, Entity, UnwindContext};

const COPY: &str = "COPY blocks (height, hash, parent_hash, timestamp, timestamp_ms, \
    validator_address, tx_count, gas_used, gas_limit, total_amount, total_fees, state_root, \
    state_leaf_count, shard_commitments) FROM STDIN (FORMAT binary)";

/// Rows of `blocks`.
#[derive(Debug)]
pub struct BlockRows(CopyBuffer);

impl Default for BlockRows {
    fn default() -> Self {
        Self(CopyBuffer::new(14))
    }
}

/// Sum of the amounts of a block's transactions, base units.
pub(crate) fn total_amount(block: &Block) -> u128 {
    block.transactions.iter().map(|t| t.amount).fold(0, u128::saturating_add)
}

/// Sum of the fees of a block's transactions, base units.
pub(crate) fn total_fees(block: &Block) -> u128 {
    block.transactions.iter().map(|t| u128::from(t.fee)).fold(0, u128::saturating_add)
}

/// Number of a block's records as the column holds it.
pub(crate) fn record_count(block: &Block) -> Result<i32, StoreError> {
    i32::try_from(block.record_count()).map_err(|_| StoreError::Batch("too many records".into()))
}

/// A height as the column holds it.
pub(crate) fn height_i64(block: &Block) -> Result<i64, StoreError> {
    i64::try_from(block.height).map_err(|_| StoreError::Batch("height above 2^63".into()))
}

impl Entity for BlockRows {
    const NAME: &'static str = "blocks";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        let (height, records) = (height_i64(block)?, record_count(block)?);
        self.0
            .row()
            .i64(height)
            .bytes(Some(block.hash.as_bytes()))
            .bytes(block.parent_hash.as_ref().map(silica_models::BlockHash::as_bytes))
            .text(Some(&block.timestamp.text))
            .i64(block.timestamp.unix_ms)
            .text(block.validator_address.as_deref())
            .i32(records)
            .numeric(Some(block.gas_used.into()))
            .numeric(Some(block.gas_limit.into()))
            .numeric(Some(total_amount(block)))
            .numeric(Some(total_fees(block)))
            .bytes(block.state_root.as_deref())
            .numeric(block.state_leaf_count.map(u128::from))
            .json(block.shard_commitments.as_deref());
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, _: &ApplyContext) -> Result<(), StoreError> {
        self.0.send(db, COPY).await
    }

    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM blocks WHERE height > $1", context.ancestor_i64())
            .execute(db)
            .await?;
        Ok(())
    }
}
