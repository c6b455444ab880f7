//! Who delegates how much to whom. Delegations stand for some hundreds of blocks, then others do.

use super::Governance;
use crate::account::Account;
use crate::rng::Rng;

const DELEGATION_DOMAIN: u64 = 0x6465_6c65;
/// Only the busiest accounts delegate, so that all delegations can be summed at once.
const DELEGATORS_MAX: u64 = 200;

/// One delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delegation {
    pub(crate) delegator: Account,
    pub(crate) delegatee: Account,
    /// Base units.
    pub(crate) amount: u64,
    /// Unix seconds.
    pub(crate) delegated_at: u64,
}

impl Governance<'_> {
    /// All delegations of this state of the chain.
    pub(crate) fn delegations(&self) -> impl Iterator<Item = Delegation> + '_ {
        let delegators = self.view.recipe.book.pool_size(0).min(DELEGATORS_MAX);
        (0..delegators).filter_map(|number| self.delegation(number))
    }

    fn delegation(&self, number: u64) -> Option<Delegation> {
        let blocks = self.voting.delegation_blocks;
        // Not everybody changes in the same block.
        let phase = number * 7 % blocks;
        let since = ((self.view.tip + phase) / blocks * blocks).saturating_sub(phase);
        let (key, salt) = (self.view.recipe.key, self.view.salt(since));
        let rng = &mut Rng::new(&[key, DELEGATION_DOMAIN, number, since, salt]);
        let book = &self.view.recipe.book;
        let delegator = Account::Pool(number);
        let delegatee = match rng.below(6) {
            0 | 1 => book.pick_validator(rng),
            2 => book.pick(rng, 0),
            _ => return None,
        };
        let magnitude = 20 + rng.below(20);
        let amount = 1 + rng.below(1 << magnitude);
        let delegated_at = self.view.time_s(since);
        (delegator != delegatee).then_some(Delegation {
            delegator,
            delegatee,
            amount,
            delegated_at,
        })
    }
}
