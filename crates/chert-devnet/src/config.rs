//! What a chain is made from.

use std::time::Duration;

use crate::profile::Profile;

/// Reorgs may reach this many blocks back unless configured otherwise.
pub const BRANCH_WINDOW_DEFAULT: u64 = 10_000;
/// The shortest accepted distance between two blocks; shorter ones are raised to it.
pub const BLOCK_TIME_MIN: Duration = Duration::from_millis(50);
/// 2026-01-01T00:00:00Z, in milliseconds since the Unix epoch.
pub const GENESIS_TIME_MS_DEFAULT: u64 = 1_767_225_600_000;

/// Two chains of equal configuration give equal blocks to the byte as long as the same
/// calls are made on both.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// Everything random follows from this number.
    pub seed: u64,
    /// Blocks that exist above genesis from the start, so the first tip; costs nothing.
    pub history: u64,
    /// Distance of block timestamps, and the pace of the live miner; at least
    /// [`BLOCK_TIME_MIN`].
    pub block_time: Duration,
    /// Timestamp of genesis, milliseconds since the Unix epoch.
    pub genesis_time_ms: u64,
    /// How many transactions of which kinds.
    pub profile: Profile,
    /// The deepest reorg in blocks; deeper requests are cut to it.
    pub branch_window: u64,
}

impl Default for ChainConfig {
    fn default() -> ChainConfig {
        ChainConfig {
            seed: 1,
            history: 0,
            block_time: Duration::from_secs(2),
            genesis_time_ms: GENESIS_TIME_MS_DEFAULT,
            profile: Profile::realistic(),
            branch_window: BRANCH_WINDOW_DEFAULT,
        }
    }
}
