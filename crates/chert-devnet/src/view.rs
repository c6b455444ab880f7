//! One state of the chain, held still: what is derived from blocks by height must not mix two
//! branches in one answer.

use std::sync::RwLockReadGuard;

use crate::block::{BlockSpec, Recipe};
use crate::chain::Chain;
use crate::state::State;

/// The chain up to a tip. While it is held the chain cannot change; nothing that locks the chain
/// again may be called.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) tip: u64,
    state: RwLockReadGuard<'a, State>,
}

impl Chain {
    /// As seen `lag` blocks below the tip.
    pub(crate) fn view(&self, lag: u64) -> View<'_> {
        let state = self.read();
        View { recipe: self.recipe(), tip: state.visible_tip(lag), state }
    }
}

impl View<'_> {
    fn spec(&self, height: u64) -> BlockSpec {
        self.state.spec(self.recipe, height)
    }

    /// Which branch the block of this height is of; what differs between branches follows from it.
    pub(crate) fn salt(&self, height: u64) -> u64 {
        u64::from(self.spec(height).place.salt)
    }

    /// Unix seconds of the block of this height, at most that of the tip.
    pub(crate) fn time_s(&self, height: u64) -> u64 {
        self.spec(height.min(self.tip)).time_ms / 1000
    }
}
