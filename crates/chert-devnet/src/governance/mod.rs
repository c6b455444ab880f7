//! Governance (§2.10): proposals that open, are voted on and close, by height.
//!
//! Everything follows from (seed, height, branch), so that a reorg changes the votes of the blocks
//! it replaces, and with them tallies and outcomes. Two levers of [`Chain`] are the exception: a
//! proposal can vanish, and its votes can turn out to be others.

mod json;
mod power;
mod proposal;
mod vote;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use serde_json::Value;

use crate::chain::Chain;
use crate::profile::Profile;
use crate::schedule::Schedule;
use crate::view::View;
pub(crate) use json::{amount, explorer_proposal, put_twice};
pub(crate) use power::Delegation;
use proposal::Proposal;
pub(crate) use proposal::Standing;

/// When proposals are made, and how long what follows takes, in blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voting {
    births: Schedule,
    /// From birth to the first vote.
    delay: u64,
    /// In which votes are cast.
    window: u64,
    /// Between two states after the window.
    step: u64,
    /// A block holds fewer votes than this.
    votes_per_block: u64,
    /// Delegations stand for so many blocks.
    delegation_blocks: u64,
}

impl Voting {
    pub(crate) fn of(profile: Profile) -> Voting {
        match profile.is_small() {
            true => Voting {
                births: Schedule { every: 8, dense: 1000, sparse: 160 },
                delay: 2,
                window: 12,
                step: 4,
                votes_per_block: 3,
                delegation_blocks: 16,
            },
            false => Voting {
                births: Schedule { every: 120, dense: 100, sparse: 2400 },
                delay: 10,
                window: 200,
                step: 30,
                votes_per_block: 3,
                delegation_blocks: 500,
            },
        }
    }
}

/// What was done to governance on purpose.
#[derive(Debug, Default)]
pub(crate) struct Levers {
    vanished: BTreeSet<u64>,
    /// How often the votes of a proposal were changed.
    twists: BTreeMap<u64, u64>,
}

impl Chain {
    /// The truth: all proposals in detail, exactly as `governance_get_proposal` answers, oldest
    /// first.
    pub fn proposals(&self) -> Vec<Value> {
        self.with_governance(0, |governance| {
            let numbers = governance.numbers();
            numbers.filter_map(|number| Some(governance.find(number)?.detail())).collect()
        })
    }

    /// The truth: all votes on a proposal, exactly as `governance_get_proposal_votes` answers, in
    /// the order in which they were cast; none for a proposal that does not exist.
    pub fn votes(&self, proposal_id: u64) -> Vec<Value> {
        self.with_governance(0, |governance| match governance.find(proposal_id) {
            Some(proposal) => {
                proposal.votes.iter().map(|vote| vote.json(governance.view, proposal_id)).collect()
            }
            None => Vec::new(),
        })
    }

    /// Makes a proposal vanish as if it had never been, or brings it back. Blocks stay as they
    /// are.
    pub fn hide_proposal(&self, proposal_id: u64, hidden: bool) {
        let mut levers = self.levers();
        match hidden {
            true => levers.vanished.insert(proposal_id),
            false => levers.vanished.remove(&proposal_id),
        };
    }

    /// Changes votes that were cast on a proposal already: some choose otherwise, some weigh
    /// otherwise, some are gone. Each call changes them again. Blocks stay as they are.
    pub fn change_votes(&self, proposal_id: u64) {
        *self.levers().twists.entry(proposal_id).or_default() += 1;
    }

    /// Runs on one state of the chain. The chain must not be locked again inside.
    pub(crate) fn with_governance<T>(
        &self,
        lag: u64,
        read: impl FnOnce(&Governance<'_>) -> T,
    ) -> T {
        let levers = self.levers();
        let view = self.view(lag);
        let voting = Voting::of(view.recipe.profile);
        read(&Governance { view: &view, voting, levers: &levers })
    }

    fn levers(&self) -> MutexGuard<'_, Levers> {
        // Every change under the lock is complete in itself, so poisoning means nothing.
        self.0.levers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Governance as seen at one tip.
#[derive(Debug)]
pub(crate) struct Governance<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) voting: Voting,
    levers: &'a Levers,
}

impl Governance<'_> {
    /// Numbers of all proposals born so far, vanished ones included.
    pub(crate) fn numbers(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.voting.births.last_at(self.view.tip)
    }

    /// The proposal of this number with its votes, unless it is not born or has vanished.
    pub(crate) fn find(&self, number: u64) -> Option<Standing> {
        if !self.numbers().contains(&number) || self.levers.vanished.contains(&number) {
            return None;
        }
        let twist = self.levers.twists.get(&number).copied().unwrap_or(0);
        let proposal = Proposal::new(self.view, &self.voting, number);
        Some(proposal.stand(self.view, &self.voting, twist))
    }
}
