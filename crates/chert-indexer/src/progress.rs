//! What the indexer tells those who watch it.

/// What it is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Waiting for a node or the database.
    #[default]
    Waiting,
    /// Filling an empty store without secondary indexes.
    Bulk,
    /// Building indexes and derived tables after the bulk backfill.
    BuildingIndexes,
    /// Catching up with everything in place.
    Backfill,
    /// At the tip.
    Follow,
}

impl Mode {
    /// Blocks are being filled in. What is read beside them waits, so that it does not slow them
    /// down, and because it would be stored under a block that is left at once.
    pub fn is_filling(self) -> bool {
        matches!(self, Self::Bulk | Self::BuildingIndexes | Self::Backfill)
    }
}

/// A moment of the indexer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub mode: Mode,
    /// Last committed height; −1 for none.
    pub height: i64,
    /// Best height a node reported; −1 for none.
    pub node_height: i64,
    /// Blocks committed since the process started.
    pub blocks: u64,
    /// Reorganisations followed since the process started.
    pub reorgs: u64,
}
