//! How far the store has come, and the head of every answer.

use silica_models::{BlockHash, Height};
use sqlx::PgExecutor;

use crate::StoreError;

/// The pipeline that indexes blocks.
pub const CHAIN: &str = "chain";

/// The last committed block of the chain pipeline and what is known around it.
///
/// Read in the same snapshot as the rows of an answer; its fields become the consistency headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Height of the last committed block; −1 (or `start_height − 1`) while nothing is stored.
    pub height: i64,
    /// Its hash; empty while nothing is stored.
    pub hash: Vec<u8>,
    /// Timestamp of that block, Unix milliseconds.
    pub tip_time_ms: i64,
    /// Highest block that no reorganisation may remove; −1 for none.
    pub finalized_height: i64,
    /// Depth at which a block counts as finalized.
    pub finality_depth: i64,
    /// Best tip that a node reported; −1 before the first answer.
    pub node_height: i64,
    /// `true` while the bulk backfill runs: look-ups by id and by address are not ready.
    pub bulk: bool,
}

impl Checkpoint {
    /// The stored block's height, where one is stored.
    pub fn tip(&self) -> Option<Height> {
        if self.hash.is_empty() { None } else { u64::try_from(self.height).ok() }
    }

    /// The stored block's hash, where one is stored.
    pub fn tip_hash(&self) -> Option<BlockHash> {
        (!self.hash.is_empty()).then(|| BlockHash::from_bytes(self.hash.clone()))
    }

    /// How far behind the node the answer is, in milliseconds: 0 when the index is at the node's
    /// tip, else the age of the newest indexed block.
    pub fn lag_ms(&self, now_ms: i64) -> i64 {
        if self.height >= self.node_height {
            0
        } else {
            now_ms.saturating_sub(self.tip_time_ms).max(0)
        }
    }

    /// Blocks between the index and the node's tip.
    pub fn lag_blocks(&self) -> i64 {
        self.node_height.saturating_sub(self.height).max(0)
    }

    /// `finalized` or `confirmed` for a block of the canonical chain.
    pub fn status(&self, height: i64) -> &'static str {
        if height <= self.finalized_height { "finalized" } else { "confirmed" }
    }

    /// Blocks that confirm `height`, itself included. Counts up to `finality_depth + 1` and stays
    /// there, because a finalized object never changes.
    pub fn confirmations(&self, height: i64) -> i64 {
        let depth = self.height.saturating_sub(height).clamp(0, self.finality_depth.max(0));
        if height <= self.finalized_height { self.finality_depth + 1 } else { depth + 1 }
    }
}

/// Reads a `BIGINT` height as an unsigned one.
pub(crate) fn height_of(value: i64) -> Result<Height, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("height {value}")))
}

/// Reads the chain pipeline's checkpoint.
pub(crate) async fn load_checkpoint(db: impl PgExecutor<'_>) -> Result<Checkpoint, StoreError> {
    let checkpoint = sqlx::query_as!(
        Checkpoint,
        "SELECT height, hash, tip_time_ms, finalized_height, finality_depth, node_height, bulk
         FROM checkpoints WHERE pipeline = 'chain'"
    )
    .fetch_one(db)
    .await?;
    Ok(checkpoint)
}
