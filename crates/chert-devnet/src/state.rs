//! What a chain remembers: only what was mined or reorganised since it was made.

use crate::block::{BlockSpec, Recipe};
use crate::ids::Place;
use crate::ledger::Ledger;
use crate::rng::to_index;

/// 16 bytes per live block, 8 per reorg, one ledger entry per address touched by a live
/// block (never more than the pool). The history has no record: its salt is 0 and its
/// time nominal.
#[derive(Debug)]
pub(crate) struct State {
    /// The height of `records[0]`; everything below is history.
    pub(crate) first_recorded: u64,
    pub(crate) records: Vec<Record>,
    /// By salt, the lowest height mined on that branch.
    pub(crate) branch_starts: Vec<u64>,
    pub(crate) ledger: Ledger,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) time_ms: u64,
    pub(crate) salt: u32,
}

/// Where the timestamps of new blocks come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// One block time after the parent.
    Steady,
    /// The newest block is as young as this; milliseconds since the Unix epoch.
    Now(u64),
}

impl State {
    pub(crate) fn tip(&self) -> u64 {
        (self.first_recorded + self.records.len() as u64).saturating_sub(1)
    }

    pub(crate) fn visible_tip(&self, lag: u64) -> u64 {
        self.tip().saturating_sub(lag)
    }

    fn record(&self, recipe: &Recipe, height: u64) -> Record {
        match height.checked_sub(self.first_recorded) {
            Some(offset) => self.records[to_index(offset)],
            None => Record { time_ms: recipe.nominal_time_ms(height), salt: 0 },
        }
    }

    /// The canonical block at a height that is not above the tip.
    pub(crate) fn spec(&self, recipe: &Recipe, height: u64) -> BlockSpec {
        let Record { time_ms, salt } = self.record(recipe, height);
        let parent_salt =
            height.checked_sub(1).map_or(0, |parent| self.record(recipe, parent).salt);
        let place = Place { height, salt };
        let carries = carries(place, self.branch_starts[salt as usize]);
        BlockSpec { place, parent_salt, time_ms, carries }
    }
}

/// Odd branches include carried transactions one block later. The first block of such a
/// branch carries none, so that no transaction ever stands in two canonical blocks.
pub(crate) fn carries(place: Place, branch_start: u64) -> Option<u64> {
    match place.salt % 2 {
        0 => Some(place.height),
        _ => (place.height > branch_start).then(|| place.height - 1),
    }
}

/// Timestamps always grow, by at least a millisecond.
pub(crate) fn next_time(parent_ms: u64, block_time_ms: u64, newest: bool, clock: Clock) -> u64 {
    let steady = parent_ms.saturating_add(block_time_ms);
    match clock {
        Clock::Steady => steady,
        Clock::Now(now_ms) if newest => now_ms.max(parent_ms + 1),
        Clock::Now(now_ms) => steady.min(now_ms).max(parent_ms + 1),
    }
}
