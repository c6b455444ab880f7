//! Votes: some in each block of a proposal's window, at most one per voter.

use std::collections::HashSet;

use super::Voting;
use super::proposal::Proposal;
use crate::account::Account;
use crate::rng::Rng;
use crate::view::View;

const VOTE_DOMAIN: u64 = 0x766f_7465;
const TWIST_DOMAIN: u64 = 0x7477_6973;

/// As numbered on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Against = 0,
    For = 1,
    Abstain = 2,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) voter: Account,
    /// Hex digits of the voter in upper case.
    pub(crate) upper_case: bool,
    pub(crate) choice: Choice,
    /// Base units; rarely near the end of `u64`.
    pub(crate) weight: u128,
    pub(crate) reason: Option<&'static str>,
    /// Unix seconds.
    pub(crate) cast_at: u64,
}

/// All votes up to the tip of the view, in the order in which they were cast.
pub(crate) fn cast_votes(
    view: &View<'_>,
    voting: &Voting,
    proposal: &Proposal,
    (vote_start, vote_end): (u64, u64),
    twist: u64,
) -> Vec<Vote> {
    let mut votes = Vec::new();
    let mut voters = HashSet::new();
    for height in proposal.opens..proposal.closes.min(view.tip + 1) {
        let parts = [view.recipe.key, VOTE_DOMAIN, proposal.number, height, view.salt(height)];
        let rng = &mut Rng::new(&parts);
        for _ in 0..rng.below(voting.votes_per_block) {
            // Late blocks do not lengthen the vote.
            let cast_at = view.time_s(height).clamp(vote_start, vote_end);
            let vote = cast(view, proposal, rng, height, cast_at);
            if voters.insert(vote.voter) {
                votes.push(vote);
            }
        }
    }
    if twist > 0 {
        votes = twisted(votes, &mut Rng::new(&[TWIST_DOMAIN, proposal.number, twist]));
    }
    votes
}

fn cast(view: &View<'_>, proposal: &Proposal, rng: &mut Rng, height: u64, cast_at: u64) -> Vote {
    let book = &view.recipe.book;
    let voter = match rng.below(8) {
        0 => book.pick_validator(rng),
        _ => book.pick(rng, height),
    };
    let choice = match rng.below(10) {
        9 => Choice::Abstain,
        roll if roll < proposal.favour => Choice::For,
        _ => Choice::Against,
    };
    Vote {
        voter,
        upper_case: rng.one_in(16),
        choice,
        weight: u128::from(pick_weight(rng)),
        reason: rng.one_in(5).then(|| rng.pick(&REASONS)),
        cast_at,
    }
}

const REASONS: [&str; 5] =
    ["agreed in the forum", "zu teuer", "لا أوافق", "🦀🦀", "see \"discussion\" #12"];

fn pick_weight(rng: &mut Rng) -> u64 {
    match rng.below(1000) {
        0 => u64::MAX - rng.below(1000),
        1..4 => 0,
        _ => {
            let magnitude = 10 + rng.below(30);
            1 + rng.below(1 << magnitude)
        }
    }
}

/// The votes as they are said to be after somebody meddled with them.
fn twisted(votes: Vec<Vote>, rng: &mut Rng) -> Vec<Vote> {
    let change = |mut vote: Vote| {
        match rng.below(5) {
            0 => return None,
            1 | 2 => {
                vote.choice = match vote.choice {
                    Choice::For => Choice::Against,
                    Choice::Against => Choice::Abstain,
                    Choice::Abstain => Choice::For,
                }
            }
            3 => vote.weight += 1 + u128::from(rng.below(1000)),
            _ => {}
        }
        Some(vote)
    };
    votes.into_iter().filter_map(change).collect()
}
