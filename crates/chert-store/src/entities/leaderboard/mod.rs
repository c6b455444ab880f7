//! Leaderboards: rank snapshots, computed in the background from `pouw_scores`.
//!
//! Ranking needs everybody's figures at once, so it cannot be done by deltas. A board is instead
//! sorted as a whole, seconds after a change, and stored as pages of encoded lines under a new
//! snapshot id; a walk through its pages stays with one snapshot. Nothing here is a source of
//! truth: all of it can be made again from `pouw_scores` at any time.

pub mod board;
pub mod edition;
mod encoding;
mod figure;
mod figures;
mod percentile;
pub mod query;
mod ranking;
mod refresh;
mod snapshot;
mod standings;
#[cfg(test)]
mod testing;

pub use board::{Board, Kind, Metric, Scope, Timeframe};
pub(crate) use encoding::find_place;
pub(crate) use percentile::percentile_boards;
pub use percentile::percentile_hundredths;
pub use refresh::Refreshed;
pub(crate) use refresh::identities_changed;

/// What a registry commit (or its unwind) changed, as far as boards care.
#[derive(Debug, Default)]
pub(crate) struct IdentityChanges {
    /// Identities that were public and are not any more.
    pub hidden: Vec<Vec<u8>>,
    /// Identities that have become public.
    pub shown: Vec<Vec<u8>>,
}
