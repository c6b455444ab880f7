//! Proposals and votes, read from every shape of contract §2.10, §3.9 and §8.11.

mod proposal;
mod state;
mod vote;

pub use proposal::{PROPOSAL_ID_CHARS_MAX, Proposal};
pub use state::ProposalState;
pub use vote::{Vote, VoteChoice};

#[cfg(test)]
mod tests;
