//! The one way a chain changes: blocks are taken off its top and others put on, in one
//! step. Mining is the case of taking off none.

use std::sync::{MutexGuard, PoisonError};

use crate::block::BlockSpec;
use crate::chain::Chain;
use crate::ids::{HEIGHT_MAX, Place, SALT_MAX};
use crate::ledger::{Direction, Ledger};
use crate::rng::to_index;
use crate::state::{Clock, Record, carries, next_time};

impl Chain {
    /// Removes `depth` blocks and appends `new_len`; returns the new tip.
    pub(crate) fn replace(&self, depth: u64, new_len: u64, clock: Clock) -> u64 {
        let _writer: MutexGuard<'_, ()> =
            self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let recipe = self.recipe();
        let (removed, fork, salt) = {
            let state = self.read();
            let tip = state.tip();
            let depth = depth.min(self.0.branch_window).min(tip);
            let new_branch = depth > 0;
            if new_branch && state.branch_starts.len() > SALT_MAX as usize {
                tracing::warn!(reorgs_max = SALT_MAX, "this chain cannot reorganise any more");
                return tip;
            }
            let removed: Vec<BlockSpec> =
                (tip - depth + 1..=tip).map(|height| state.spec(recipe, height)).collect();
            let fork = state.spec(recipe, tip - depth);
            let salt = match new_branch {
                true => u32::try_from(state.branch_starts.len()).unwrap_or(SALT_MAX),
                // Going on where the tip stands: the branch that was started last, even if
                // it was so short that none of its blocks is left.
                false => u32::try_from(state.branch_starts.len() - 1).unwrap_or(SALT_MAX),
            };
            (removed, fork, salt)
        };
        let start = fork.place.height + 1;
        let new_len = new_len.min(HEIGHT_MAX - fork.place.height);
        let branch_start =
            if removed.is_empty() { self.read().branch_starts[salt as usize] } else { start };

        let mut change = Ledger::default();
        for spec in &removed {
            recipe.transactions(*spec).for_each(|tx| change.record(&tx, Direction::Unwind));
        }
        let mut records = Vec::new();
        let mut parent = fork;
        for left in (0..new_len).rev() {
            let time_ms = next_time(parent.time_ms, recipe.block_time_ms, left == 0, clock);
            let place = Place { height: parent.place.height + 1, salt };
            let carries = carries(place, branch_start);
            parent = BlockSpec { place, parent_salt: parent.place.salt, time_ms, carries };
            recipe.transactions(parent).for_each(|tx| change.record(&tx, Direction::Apply));
            records.push(Record { time_ms, salt });
        }
        self.commit(!removed.is_empty(), start, records, change)
    }

    fn commit(&self, new_branch: bool, start: u64, records: Vec<Record>, change: Ledger) -> u64 {
        let mut state = self.write();
        if new_branch {
            state.branch_starts.push(start);
        }
        match start.checked_sub(state.first_recorded) {
            Some(kept) => state.records.truncate(to_index(kept)),
            None => {
                state.records.clear();
                state.first_recorded = start;
            }
        }
        state.records.extend(records);
        state.ledger.merge(change);
        state.tip()
    }
}
