//! What can happen, and under which names the log tells it.

/// A type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A block became part of the chain.
    BlockApplied,
    /// A reorganisation removed a block.
    BlockRetracted,
    /// A transaction is in an applied block.
    TransactionConfirmed,
    /// The block of a transaction was removed.
    TransactionRetracted,
    /// Work counts.
    WorkValidated,
    /// Work was refused.
    WorkRejected,
    /// The reward of validated work was taken back or voided.
    WorkClawedBack,
    /// Work that had lost its reward counts again.
    WorkReinstated,
    /// A proposal was seen for the first time.
    ProposalCreated,
    /// A proposal has another state.
    ProposalStateChanged,
    /// A proposal is not there any more: a reorganisation, or the node does not list it.
    ProposalRetracted,
    /// A vote was cast or changed.
    VoteCast,
    /// A vote is not there any more.
    VoteRetracted,
    /// A registry record is another than before, or is gone.
    IdentityUpdated,
    /// Leaderboards have new snapshots.
    LeaderboardChanged,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 15] = [
        Self::BlockApplied,
        Self::BlockRetracted,
        Self::TransactionConfirmed,
        Self::TransactionRetracted,
        Self::WorkValidated,
        Self::WorkRejected,
        Self::WorkClawedBack,
        Self::WorkReinstated,
        Self::ProposalCreated,
        Self::ProposalStateChanged,
        Self::ProposalRetracted,
        Self::VoteCast,
        Self::VoteRetracted,
        Self::IdentityUpdated,
        Self::LeaderboardChanged,
    ];

    /// Its name in the log and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlockApplied => "block.applied",
            Self::BlockRetracted => "block.retracted",
            Self::TransactionConfirmed => "transaction.confirmed",
            Self::TransactionRetracted => "transaction.retracted",
            Self::WorkValidated => "work.validated",
            Self::WorkRejected => "work.rejected",
            Self::WorkClawedBack => "work.clawed_back",
            Self::WorkReinstated => "work.reinstated",
            Self::ProposalCreated => "proposal.created",
            Self::ProposalStateChanged => "proposal.state_changed",
            Self::ProposalRetracted => "proposal.retracted",
            Self::VoteCast => "vote.cast",
            Self::VoteRetracted => "vote.retracted",
            Self::IdentityUpdated => "identity.updated",
            Self::LeaderboardChanged => "leaderboard.changed",
        }
    }

    /// The type of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// An event of a block's row besides the block itself.
    pub fn is_transaction(self) -> bool {
        matches!(self, Self::TransactionConfirmed | Self::TransactionRetracted)
    }

    /// The type of the row that holds it.
    pub(super) fn row(self) -> Self {
        match self {
            Self::TransactionConfirmed => Self::BlockApplied,
            Self::TransactionRetracted => Self::BlockRetracted,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_lead_back_to_their_types() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
        }
        let mut all = EventType::ALL.to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), EventType::ALL.len());
        assert_eq!(EventType::parse("block.Applied"), None);
    }
}
