//! What a proposal is about, and where it stands at a tip.

use super::Voting;
use super::vote::{Choice, Vote, cast_votes};
use crate::account::Account;
use crate::rng::Rng;
use crate::view::View;

const PROPOSAL_DOMAIN: u64 = 0x7072_6f70;
/// Power for a proposal below which it fails, in base units.
pub(crate) const QUORUM: u128 = 1_000_000;

/// A state in the contract's words (§6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Active,
    Succeeded,
    Defeated,
    Queued,
    Executed,
    Cancelled,
    Expired,
    Vetoed,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Active => "active",
            State::Succeeded => "succeeded",
            State::Defeated => "defeated",
            State::Queued => "queued",
            State::Executed => "executed",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
            State::Vetoed => "vetoed",
        }
    }

    /// The explorer's word.
    pub(crate) fn status(self) -> &'static str {
        match self {
            State::Pending | State::Active => "active",
            State::Succeeded | State::Queued => "passed",
            State::Executed => "executed",
            State::Defeated | State::Cancelled | State::Expired | State::Vetoed => "rejected",
        }
    }
}

/// What happens to a proposal, however the votes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// As the votes say.
    Voted,
    /// Taken back in the middle of the voting.
    Cancelled,
    /// Stopped after it was queued.
    Vetoed,
    /// Never executed in time.
    Expired,
}

/// A proposal from its birth on; a pure function of its number and the branch of its birth.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) number: u64,
    pub(crate) birth: u64,
    /// First block with votes, and the first without them again.
    pub(crate) opens: u64,
    pub(crate) closes: u64,
    pub(crate) proposer: Account,
    /// Votes in ten that are for it.
    pub(crate) favour: u64,
    pub(crate) text_seed: u64,
    fate: Fate,
}

/// Sums of the power of votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) votes_for: u128,
    pub(crate) votes_against: u128,
    pub(crate) votes_abstain: u128,
}

/// A proposal as it stands. Times are Unix seconds.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) proposal: Proposal,
    pub(crate) proposer: String,
    pub(crate) votes: Vec<Vote>,
    pub(crate) tally: Tally,
    pub(crate) state: State,
    pub(crate) created_at: u64,
    pub(crate) vote_start: u64,
    pub(crate) vote_end: u64,
    pub(crate) executed_at: Option<u64>,
    pub(crate) updated_at: u64,
}

impl Proposal {
    pub(crate) fn new(view: &View<'_>, voting: &Voting, number: u64) -> Proposal {
        let birth = voting.births.height(number);
        let key = view.recipe.key;
        let rng = &mut Rng::new(&[key, PROPOSAL_DOMAIN, number, view.salt(birth)]);
        let book = &view.recipe.book;
        let proposer = match rng.below(6) {
            0 => book.pick_validator(rng),
            _ => book.pick(rng, birth),
        };
        let opens = birth + voting.delay;
        let fate = match rng.below(12) {
            0 => Fate::Cancelled,
            1 => Fate::Vetoed,
            2 => Fate::Expired,
            _ => Fate::Voted,
        };
        let closes = match fate {
            Fate::Cancelled => opens + voting.window / 2,
            _ => opens + voting.window,
        };
        let (favour, text_seed) = (3 + rng.below(6), rng.next());
        Proposal { number, birth, opens, closes, proposer, favour, text_seed, fate }
    }

    /// The proposal at the tip of the view.
    pub(crate) fn stand(self, view: &View<'_>, voting: &Voting, twist: u64) -> Standing {
        let seconds = |blocks: u64| blocks.saturating_mul(view.recipe.block_time_ms) / 1000;
        let created_at = view.time_s(self.birth);
        let vote_start = created_at + seconds(voting.delay);
        let vote_end = vote_start + seconds(voting.window).max(1);
        let votes = cast_votes(view, voting, &self, (vote_start, vote_end), twist);
        let mut tally = Tally::default();
        for vote in &votes {
            match vote.choice {
                Choice::For => tally.votes_for += vote.weight,
                Choice::Against => tally.votes_against += vote.weight,
                Choice::Abstain => tally.votes_abstain += vote.weight,
            }
        }
        let (state, since) = self.state(voting, view.tip, tally);
        let last_vote = votes.last().map_or(0, |vote| vote.cast_at);
        Standing {
            proposer: view.recipe.book.text(self.proposer),
            created_at,
            vote_start,
            vote_end,
            executed_at: (state == State::Executed).then(|| view.time_s(since)),
            updated_at: view.time_s(since).max(last_vote),
            proposal: self,
            votes,
            tally,
            state,
        }
    }

    /// The state, and the height at which it was entered.
    fn state(&self, voting: &Voting, tip: u64, tally: Tally) -> (State, u64) {
        let (queued, last) = (self.closes + voting.step, self.closes + 2 * voting.step);
        let passed = tally.votes_for > tally.votes_against && tally.votes_for >= QUORUM;
        match tip {
            _ if tip < self.opens => (State::Pending, self.birth),
            _ if tip < self.closes => (State::Active, self.opens),
            _ if self.fate == Fate::Cancelled => (State::Cancelled, self.closes),
            _ if !passed => (State::Defeated, self.closes),
            _ if tip < queued => (State::Succeeded, self.closes),
            _ if self.fate == Fate::Expired && tip >= last => (State::Expired, last),
            _ if self.fate == Fate::Expired => (State::Succeeded, self.closes),
            _ if tip < last => (State::Queued, queued),
            _ if self.fate == Fate::Vetoed => (State::Vetoed, last),
            _ => (State::Executed, last),
        }
    }
}
