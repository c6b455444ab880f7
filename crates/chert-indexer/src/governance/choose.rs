//! Which proposals have to be read with all their votes, as a pure function of what the node lists,
//! what is stored, and what was looked at lately.

use std::collections::HashMap;

use chert_store::entities::governance::query::KnownProposal;
use silica_models::{Height, Proposal};

/// Proposals that are read again although nothing seems to have changed.
///
/// A node lists a proposal as of its own tip, which may be a block that is reorganised away, and
/// votes can change without the tally changing. So whatever was new or has changed is read until
/// the blocks it was read in are final.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Height up to which a proposal is read in every round; [`UNREAD`] until it was read in full.
    until: HashMap<String, Height>,
}

/// Not read in full since something changed, so that nobody knows yet until when to watch it.
const UNREAD: Height = Height::MAX;

impl Watch {
    /// Watches what speaks of blocks within `depth` below `tip`, after a start or a reorganisation.
    pub(crate) fn resume(
        &mut self,
        known: &HashMap<String, KnownProposal>,
        tip: Height,
        depth: Height,
    ) {
        for proposal in known.values() {
            let height = Height::try_from(proposal.height).unwrap_or(0);
            if height.saturating_add(depth) > tip {
                self.until.insert(proposal.proposal_id.clone(), UNREAD);
            }
        }
    }

    /// Whether all of a proposal has to be read now.
    pub(crate) fn wants(&mut self, listed: &Proposal, known: Option<&KnownProposal>) -> bool {
        let id = listed.proposal_id.as_str();
        if known.is_none_or(|known| known.height < 0 || is_other(listed, known)) {
            self.until.insert(id.to_owned(), UNREAD);
            return true;
        }
        !listed.state.is_final() || self.until.contains_key(id)
    }

    /// A proposal was read in full and stored, under the block at `under`; what was read may speak
    /// of blocks up to `spoken_to`.
    pub(crate) fn was_read(&mut self, id: &str, under: Height, spoken_to: Height, depth: Height) {
        match self.until.get_mut(id) {
            Some(until) if *until == UNREAD => *until = spoken_to.saturating_add(depth),
            // It was read once more, with everything it was read in final.
            Some(until) if *until < under => {
                self.until.remove(id);
            }
            _ => {}
        }
    }
}

fn is_other(listed: &Proposal, known: &KnownProposal) -> bool {
    let tally = [listed.votes_for, listed.votes_against, listed.votes_abstain];
    listed.state.as_str() != known.state
        || tally != known.tally
        || listed.updated_at.is_some_and(|at| known.updated_at != Some(at))
}

#[cfg(test)]
mod tests {
    use silica_models::ProposalState;

    use super::*;

    const DEPTH: Height = 12;

    fn listed(state: ProposalState, votes_for: u128) -> Proposal {
        let json = r#"{"proposal_id": 7, "state": "Active", "created_at": 1782800000,
            "votes_for": 0, "votes_against": 0, "votes_abstain": 0,
            "vote_start": 1782800000, "vote_end": 1782900000, "description": "x"}"#;
        Proposal { state, votes_for, ..Proposal::parse(json).unwrap() }
    }

    fn known(state: &str, votes_for: u128, height: i64) -> KnownProposal {
        KnownProposal {
            proposal_id: "7".into(),
            state: state.into(),
            tally: [votes_for, 0, 0],
            updated_at: None,
            height,
            votes: 0,
        }
    }

    #[test]
    fn new_open_and_changed_proposals_are_read() {
        let mut watch = Watch::default();
        assert!(watch.wants(&listed(ProposalState::Executed, 5), None));
        let mut watch = Watch::default();
        let open = known("active", 5, 1);
        assert!(watch.wants(&listed(ProposalState::Active, 5), Some(&open)));
        let done = known("executed", 5, 1);
        assert!(!watch.wants(&listed(ProposalState::Executed, 5), Some(&done)));
        assert!(watch.wants(&listed(ProposalState::Executed, 6), Some(&done)));
    }

    #[test]
    fn changed_proposals_are_read_until_what_changed_is_final() {
        let mut watch = Watch::default();
        let executed = listed(ProposalState::Executed, 5);
        assert!(watch.wants(&executed, Some(&known("active", 5, 1))));
        // The node was three blocks ahead of the index.
        watch.was_read("7", 100, 103, DEPTH);
        let done = known("executed", 5, 103);
        for tip in 101..=116 {
            assert!(watch.wants(&executed, Some(&done)), "at {tip}");
            watch.was_read("7", tip, tip, DEPTH);
        }
        assert!(!watch.wants(&executed, Some(&done)));
    }

    #[test]
    fn what_could_not_be_read_in_full_is_tried_again() {
        let mut watch = Watch::default();
        let executed = listed(ProposalState::Executed, 5);
        assert!(watch.wants(&executed, Some(&known("active", 5, 1))));
        // Stored as listed: the list tells nothing new any more.
        let listed_only = known("executed", 5, 1);
        assert!(watch.wants(&executed, Some(&listed_only)));
        // Another process finds it marked in the store.
        assert!(Watch::default().wants(&executed, Some(&known("executed", 5, -1))));
    }

    #[test]
    fn after_a_start_what_was_read_lately_is_read_again() {
        let mut watch = Watch::default();
        let all = |height| HashMap::from([("7".to_owned(), known("executed", 5, height))]);
        let executed = listed(ProposalState::Executed, 5);
        watch.resume(&all(88), 100, DEPTH);
        assert!(!watch.wants(&executed, Some(&known("executed", 5, 88))));
        watch.resume(&all(89), 100, DEPTH);
        assert!(watch.wants(&executed, Some(&known("executed", 5, 89))));
    }
}
