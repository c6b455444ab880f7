//! The text of a block (§2.2), and which transactions it holds.

use crate::account::AccountBook;
use crate::config::{BLOCK_TIME_MIN, ChainConfig};
use crate::ids::{Place, SALT_CARRIED, block_hash};
use crate::json::{self, Stamp};
use crate::profile::Profile;
use crate::rng::Rng;
use crate::transaction::{Origin, Transaction};
use crate::transaction_json;

const GAS_PER_TX: u64 = 21_000;
const GAS_LIMIT_MIN: u64 = 10_000_000;
const HEADER_DOMAIN: u64 = 0x6865_6164;
const COUNT_DOMAIN: u64 = 0x636f_756e;
const CARRIED_DOMAIN: u64 = 0x6361_7272;
/// Carried transactions per block.
const CARRIED_MAX: u64 = 2;

/// Everything that decides a block's content, besides the [`Recipe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSpec {
    pub(crate) place: Place,
    pub(crate) parent_salt: u32,
    pub(crate) time_ms: u64,
    /// The height whose carried transactions this block includes. They exist on every
    /// branch, at that height or one above it, so that a reorg moves transactions
    /// instead of only replacing them.
    pub(crate) carries: Option<u64>,
}

/// Which optional parts of a block are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockParts {
    pub(crate) transactions: bool,
    pub(crate) transaction_count: bool,
}

/// The unchanging part of a chain: turns a [`BlockSpec`] into a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) key: u64,
    pub(crate) book: AccountBook,
    pub(crate) profile: Profile,
    pub(crate) genesis_time_ms: u64,
    pub(crate) block_time_ms: u64,
}

impl Recipe {
    pub(crate) fn new(config: &ChainConfig) -> Recipe {
        let key = Rng::new(&[config.seed, config.profile.tag()]).next();
        let block_time = config.block_time.max(BLOCK_TIME_MIN);
        Recipe {
            key,
            book: AccountBook::new(key, config.profile),
            profile: config.profile,
            genesis_time_ms: config.genesis_time_ms,
            block_time_ms: u64::try_from(block_time.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// When a block of this height is due if none is ever late.
    pub(crate) fn nominal_time_ms(&self, height: u64) -> u64 {
        self.genesis_time_ms.saturating_add(height.saturating_mul(self.block_time_ms))
    }

    pub(crate) fn hash_text(&self, place: Place) -> String {
        let mut text = Vec::with_capacity(64);
        json::hex(&mut text, &block_hash(self.key, place));
        String::from_utf8_lossy(&text).into_owned()
    }

    fn transaction_count(&self, place: Place) -> u64 {
        if place.height == 0 {
            return 0;
        }
        let mut rng = Rng::new(&[self.key, COUNT_DOMAIN, place.height, u64::from(place.salt)]);
        self.profile.transaction_count(&mut rng)
    }

    /// The transactions in their order: carried ones first, then the block's own.
    pub(crate) fn transactions(&self, spec: BlockSpec) -> impl Iterator<Item = Transaction> + '_ {
        let count = self.transaction_count(spec.place);
        let source = spec.carries.unwrap_or(0);
        let carried = match source {
            0 => 0,
            source => {
                Rng::new(&[self.key, CARRIED_DOMAIN, source]).below(CARRIED_MAX + 1).min(count)
            }
        };
        (0..count).map(move |index| {
            let origin = if index < carried {
                let place = Place { height: source, salt: SALT_CARRIED };
                Origin { place, index, time_ms: self.nominal_time_ms(source) }
            } else {
                Origin { place: spec.place, index, time_ms: spec.time_ms }
            };
            Transaction::generate(self.key, &self.book, self.profile, origin)
        })
    }

    /// Appends the block as JSON.
    pub(crate) fn write(&self, out: &mut Vec<u8>, spec: BlockSpec, parts: BlockParts) {
        let Place { height, salt } = spec.place;
        let rng = &mut Rng::new(&[self.key, HEADER_DOMAIN, height, u64::from(salt)]);
        json::text(out, "{\"block_number\":");
        json::number(out, height);
        json::text(out, ",\"block_hash\":\"");
        json::hex(out, &block_hash(self.key, spec.place));
        json::text(out, "\",\"previous_block_hash\":\"");
        if let Some(parent) = height.checked_sub(1) {
            json::hex(out, &block_hash(self.key, Place { height: parent, salt: spec.parent_salt }));
        }
        json::text(out, "\",\"transactions\":[");
        if parts.transactions {
            for (index, tx) in self.transactions(spec).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                transaction_json::write(out, &tx, &self.book);
            }
        }
        json::text(out, "],\"timestamp\":");
        let digits = if rng.one_in(10) { 3 } else { 9 };
        json::timestamp(
            out,
            Stamp { time_ms: spec.time_ms, sub_ms_nanos: rng.below(1_000_000), digits },
        );
        json::text(out, ",\"validator_address\":");
        self.book.write(out, self.book.pick_validator(rng), false);
        self.write_state(out, spec.place, rng);
        if parts.transaction_count {
            json::text(out, ",\"transaction_count\":");
            json::number(out, self.transaction_count(spec.place));
        }
        out.push(b'}');
    }

    fn write_state(&self, out: &mut Vec<u8>, place: Place, rng: &mut Rng) {
        let gas_used = GAS_PER_TX * self.transaction_count(place);
        json::text(out, ",\"gas_used\":");
        json::number(out, gas_used);
        json::text(out, ",\"gas_limit\":");
        json::number(out, gas_used.max(GAS_LIMIT_MIN));
        json::text(out, ",\"state_root\":");
        let mut root = [0; 32];
        rng.fill(&mut root);
        if rng.one_in(16) {
            out.push(b'"');
            json::hex(out, &root);
            out.push(b'"');
        } else {
            json::byte_array(out, &root);
        }
        json::text(out, ",\"state_leaf_count\":");
        json::number(out, 9 + place.height.saturating_mul(3) + rng.below(3));
        json::text(out, ",\"shard_commitments\":[]");
    }
}
