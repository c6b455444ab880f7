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
    /// Height up to which a proposal is read in every round.
    until: HashMap<String, Height>,
}

impl Watch {
    /// Watches what was read within `depth` blocks below `tip`, after a start or a reorganisation.
    pub(crate) fn resume(
        &mut self,
        known: &HashMap<String, KnownProposal>,
        tip: Height,
        depth: Height,
    ) {
        for proposal in known.values() {
            let height = Height::try_from(proposal.height).unwrap_or(0);
            if height.saturating_add(depth) > tip {
                self.until.insert(proposal.proposal_id.clone(), tip.saturating_add(depth));
            }
        }
    }

    /// Whether all of a proposal has to be read now.
    pub(crate) fn wants(
        &mut self,
        listed: &Proposal,
        known: Option<&KnownProposal>,
        tip: Height,
        depth: Height,
    ) -> bool {
        let id = listed.proposal_id.as_str();
        if known.is_none_or(|known| is_other(listed, known)) {
            self.until.insert(id.to_owned(), tip.saturating_add(depth));
            return true;
        }
        if !listed.state.is_final() {
            return true;
        }
        match self.until.get(id) {
            Some(until) if *until >= tip => true,
            Some(_) => {
                self.until.remove(id);
                // Once more, with everything it was read in final.
                true
            }
            None => false,
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
        assert!(watch.wants(&listed(ProposalState::Executed, 5), None, 100, DEPTH));
        let mut watch = Watch::default();
        let open = known("active", 5, 1);
        assert!(watch.wants(&listed(ProposalState::Active, 5), Some(&open), 100, DEPTH));
        let done = known("executed", 5, 1);
        assert!(!watch.wants(&listed(ProposalState::Executed, 5), Some(&done), 100, DEPTH));
        assert!(watch.wants(&listed(ProposalState::Executed, 6), Some(&done), 100, DEPTH));
    }

    #[test]
    fn changed_proposals_are_read_until_what_changed_is_final() {
        let mut watch = Watch::default();
        let executed = listed(ProposalState::Executed, 5);
        assert!(watch.wants(&executed, Some(&known("active", 5, 1)), 100, DEPTH));
        let done = known("executed", 5, 100);
        for tip in 101..=113 {
            assert!(watch.wants(&executed, Some(&done), tip, DEPTH), "at {tip}");
        }
        assert!(!watch.wants(&executed, Some(&done), 114, DEPTH));
    }

    #[test]
    fn after_a_start_what_was_read_lately_is_read_again() {
        let mut watch = Watch::default();
        let all = |height| HashMap::from([("7".to_owned(), known("executed", 5, height))]);
        let executed = listed(ProposalState::Executed, 5);
        watch.resume(&all(88), 100, DEPTH);
        assert!(!watch.wants(&executed, Some(&known("executed", 5, 88)), 100, DEPTH));
        watch.resume(&all(89), 100, DEPTH);
        assert!(watch.wants(&executed, Some(&known("executed", 5, 89)), 100, DEPTH));
    }
}
