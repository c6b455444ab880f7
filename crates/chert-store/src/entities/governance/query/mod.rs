//! Reads of governance: proposals and votes; figures of identities; what the feed has to know.

mod feed;
pub mod node;
pub mod node_sums;
mod power;
mod proposal;
mod stats;
mod vote;

pub use feed::KnownProposal;
pub(super) use power::POWER_URGENT;
pub use power::{IdentityPower, POWER_AGE_MAX_S, PowerFigures, WalletPower, ask_powers, get_power};
pub use proposal::{
    ProposalDetail, ProposalRow, TIMELINE_POINTS_MAX, TRANSITIONS_MAX, TallyRow, TimelineRow,
    TransitionRow, find_proposal, find_proposal_position, list_proposals,
};
pub use stats::{CastVote, GovernanceStats, STATS_VOTES_MAX, get_stats};
pub use vote::{VoteRow, list_votes};
