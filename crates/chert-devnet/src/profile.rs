//! How busy a chain is: transactions per block and the size of the address pool.

use crate::rng::Rng;

/// No profile puts more transactions into a block (the limit clients assume).
pub const TXS_PER_BLOCK_MAX: u64 = 10_000;
const FULL_BLOCK_TXS: u64 = 200;

/// The load of a chain; made by one of the constructors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whether rare transactions are records that no indexer can understand: not an
    /// object, no `tx_id`, a negative or fractional amount. They count as transactions.
    pub odd_records: bool,
    load: Load,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Realistic,
    Small,
    Fixed(u64),
    Whale(u64),
}

impl Profile {
    /// About 10 transactions per block, some empty blocks, a rare full one of 200; many
    /// addresses, a few of them very busy.
    pub fn realistic() -> Profile {
        Profile { odd_records: true, load: Load::Realistic }
    }

    /// 0 to 4 transactions per block among few addresses, for simulations.
    pub fn small() -> Profile {
        Profile { odd_records: true, load: Load::Small }
    }

    /// Exactly this many transactions in each block (at most [`TXS_PER_BLOCK_MAX`]), all
    /// well-formed, for benchmarks.
    pub fn fixed(txs_per_block: u64) -> Profile {
        Profile { odd_records: false, load: Load::Fixed(txs_per_block.min(TXS_PER_BLOCK_MAX)) }
    }

    /// Like [`Profile::fixed`], but the first address takes part in nearly every
    /// transaction.
    pub fn whale(txs_per_block: u64) -> Profile {
        Profile { odd_records: false, load: Load::Whale(txs_per_block.min(TXS_PER_BLOCK_MAX)) }
    }

    /// Distinguishes profiles in the chain's key, so that two chains of one seed but
    /// different contents never share a hash.
    pub(crate) fn tag(self) -> u64 {
        let load = match self.load {
            Load::Realistic => 1 << 32,
            Load::Small => 2 << 32,
            Load::Fixed(txs) => (3 << 32) | txs,
            Load::Whale(txs) => (4 << 32) | txs,
        };
        (load << 1) | u64::from(self.odd_records)
    }

    pub(crate) fn transaction_count(self, rng: &mut Rng) -> u64 {
        match self.load {
            Load::Fixed(txs) | Load::Whale(txs) => txs,
            Load::Small => rng.below(5),
            Load::Realistic if rng.one_in(400) => FULL_BLOCK_TXS,
            Load::Realistic => match rng.below(100) {
                0..8 => 0,
                8..92 => 1 + rng.below(10) + rng.below(10),
                _ => 20 + rng.below(11),
            },
        }
    }

    /// Addresses known at genesis, and blocks per newly appearing address.
    pub(crate) fn pool(self) -> (u64, u64) {
        match self.load {
            Load::Small => (12, 64),
            _ => (1000, 2),
        }
    }

    /// One transaction in this many is odd; 0 for none.
    pub(crate) fn odd_every(self) -> u64 {
        match (self.odd_records, self.load) {
            (false, _) => 0,
            (true, Load::Small) => 60,
            (true, _) => 500,
        }
    }

    pub(crate) fn is_small(self) -> bool {
        self.load == Load::Small
    }

    pub(crate) fn is_whale(self) -> bool {
        matches!(self.load, Load::Whale(_))
    }
}
