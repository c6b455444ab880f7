//! Heights, and the position of a transaction on the chain.

use crate::FormatError;

/// Number of a block, starting at 0 for genesis.
pub type Height = u64;

/// Bits of a [`TxPosition`] that hold the index inside the block.
pub const TX_INDEX_BITS: u32 = 20;
/// Largest transaction index inside a block (the node's own bound is 10 000, contract §3.1).
pub const TX_INDEX_MAX: u32 = (1 << TX_INDEX_BITS) - 1;
/// Largest height a position can hold; the node's clients assert heights below 10^12.
pub const HEIGHT_MAX: Height = (1 << (63 - TX_INDEX_BITS)) - 1;

const _: () = assert!(HEIGHT_MAX > 1_000_000_000_000);

/// Where a transaction stands: `height × 2^20 + index`, one `BIGINT` that orders the whole chain.
///
/// One number instead of a pair keeps keys, cursors and range deletes narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxPosition(i64);

impl TxPosition {
    /// Position of transaction `index` of block `height`; an error beyond the named limits.
    pub fn new(height: Height, index: u32) -> Result<Self, FormatError> {
        if height > HEIGHT_MAX {
            return Err(FormatError::new("height", format!("{height} is above {HEIGHT_MAX}")));
        }
        if index > TX_INDEX_MAX {
            let reason = format!("{index} is above {TX_INDEX_MAX}");
            return Err(FormatError::new("transaction index", reason));
        }
        #[expect(clippy::cast_possible_wrap, reason = "height ≤ 2^43 − 1, checked above")]
        let high = (height as i64) << TX_INDEX_BITS;
        Ok(Self(high | i64::from(index)))
    }

    /// First position of a block; heights beyond [`HEIGHT_MAX`] saturate.
    pub fn block_start(height: Height) -> Self {
        let height = height.min(HEIGHT_MAX);
        #[expect(clippy::cast_possible_wrap, reason = "height ≤ 2^43 − 1")]
        Self((height as i64) << TX_INDEX_BITS)
    }

    /// A stored position; an error where the number is negative.
    pub fn from_i64(value: i64) -> Result<Self, FormatError> {
        if value < 0 {
            return Err(FormatError::new("position", "must not be negative"));
        }
        Ok(Self(value))
    }

    /// The number as stored.
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// Height of the block.
    pub fn height(self) -> Height {
        #[expect(clippy::cast_sign_loss, reason = "never negative, see the constructors")]
        let height = (self.0 >> TX_INDEX_BITS) as u64;
        height
    }

    /// Index inside the block, from 0.
    pub fn index(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "20 bits")]
        let index = (self.0 & i64::from(TX_INDEX_MAX)) as u32;
        index
    }
}
