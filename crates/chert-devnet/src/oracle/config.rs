//! What an oracle is made from.

use crate::chain::Chain;
use crate::config::GENESIS_TIME_MS_DEFAULT;

/// Distance of two items in the log unless configured otherwise, in milliseconds.
pub const ORACLE_STEP_MS_DEFAULT: u64 = 1000;

/// Two oracles of equal configuration give equal feeds to the byte, as long as the same calls
/// are made on both and the chain, where there is one, stands at the same tip.
///
/// The time of an item follows from its number alone, so that an oracle which is started again
/// with the same configuration continues the feed it had.
#[derive(Clone, Debug)]
pub struct OracleConfig {
    /// The key, and with it the id, and all activity follow from this number.
    pub seed: u64,
    /// Whether items carry a hash chain and signatures.
    pub signed: bool,
    /// Items that the log holds from the start.
    pub items: u64,
    /// Payout accounts, busiest first; others than `0x` and 40 hex digits are left out. Without
    /// any the oracle makes up a few.
    pub accounts: Vec<String>,
    /// Time of the first item, milliseconds since the Unix epoch.
    pub start_time_ms: u64,
    /// Distance of the first [`OracleConfig::items`] items in milliseconds; at least 1.
    pub history_step_ms: u64,
    /// Distance of all later items in milliseconds, and the pace of [`crate::OraclePacer`]; at
    /// least 1.
    pub step_ms: u64,
    /// Oracles of one shared seed and one list of accounts sometimes claim the same work.
    pub shared_seed: Option<u64>,
    /// Whether rare items are such that a reader has to skip, quarantine or flag them: unknown
    /// kinds and fields, malformed records, illegal transitions, a revision told in two ways.
    pub odd_records: bool,
    /// What `/oracle/v1/info` says about the network.
    pub network_id: String,
    /// Some claimed rewards name a transaction of this chain.
    pub chain: Option<Chain>,
}

impl Default for OracleConfig {
    fn default() -> OracleConfig {
        OracleConfig {
            seed: 1,
            signed: true,
            items: 0,
            accounts: Vec::new(),
            start_time_ms: GENESIS_TIME_MS_DEFAULT,
            history_step_ms: ORACLE_STEP_MS_DEFAULT,
            step_ms: ORACLE_STEP_MS_DEFAULT,
            shared_seed: None,
            odd_records: true,
            network_id: "chert-devnet".to_owned(),
            chain: None,
        }
    }
}

impl OracleConfig {
    /// When the item of this number (from 1, over all feeds) is recorded.
    pub(crate) fn time_ms(&self, number: u64) -> u64 {
        let old = number.min(self.items);
        self.start_time_ms
            .saturating_add(old.saturating_mul(self.history_step_ms.max(1)))
            .saturating_add((number - old).saturating_mul(self.step_ms.max(1)))
    }

    /// Items that a log of this configuration holds at a time, the initial ones included.
    pub(crate) fn items_due(&self, now_ms: u64) -> u64 {
        let live_ms = now_ms.saturating_sub(self.time_ms(self.items));
        self.items.saturating_add(live_ms / self.step_ms.max(1))
    }
}
