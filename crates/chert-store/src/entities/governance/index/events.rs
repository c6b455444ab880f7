//! What governance has to tell the event log.

use serde_json::{Value, json};
use silica_models::VoteChoice;
use uuid::Uuid;

use crate::entities::event::{EventType, NewEvent};

/// A vote that came, changed or went, with its identity before and after.
#[derive(Debug)]
pub(super) struct ChangedVote {
    pub proposal_id: String,
    pub voter: String,
    pub voter_key: Uuid,
    pub voter_identity: Option<Vec<u8>>,
    /// The identity before.
    pub before: Option<Vec<u8>>,
    /// Decimal text.
    pub power: String,
    pub choice: i16,
    /// Unix seconds.
    pub cast_at: i64,
    /// The voter had voted on the proposal before.
    pub existed: bool,
}

impl ChangedVote {
    fn data(&self) -> Value {
        json!({
            "proposal_id": self.proposal_id,
            "voter": self.voter,
            "choice": VoteChoice::from_i16(self.choice).unwrap_or(VoteChoice::Abstain).as_str(),
            "power": self.power,
            "cast_at": self.cast_at,
        })
    }

    fn event(&self, kind: EventType, data: Value) -> NewEvent {
        NewEvent::new(kind, data).about(Some(self.voter_key), self.voter_identity.clone())
    }

    /// It is there now.
    pub(super) fn cast(&self) -> NewEvent {
        let mut data = self.data();
        if let Value::Object(members) = &mut data {
            members.insert("changed".to_owned(), self.existed.into());
        }
        self.event(EventType::VoteCast, data)
    }

    /// It is not there any more.
    pub(super) fn retracted(&self) -> NewEvent {
        self.event(EventType::VoteRetracted, self.data())
    }
}

/// A proposal as the log tells of it.
pub(super) struct ToldProposal {
    pub proposal_id: String,
    pub title: Option<String>,
    pub proposer: Option<String>,
    pub proposer_key: Option<Uuid>,
    pub proposer_identity: Option<Vec<u8>>,
    /// State before; absent where it was not there.
    pub from: Option<String>,
    /// State after; absent where it is not there any more.
    pub to: Option<String>,
}

impl ToldProposal {
    /// Created, changed or retracted, as the states say; seen at a block of the time `at_s`, Unix
    /// seconds.
    pub(super) fn event(self, at_s: i64) -> NewEvent {
        let kind = match (&self.from, &self.to) {
            (None, _) => EventType::ProposalCreated,
            (Some(_), Some(_)) => EventType::ProposalStateChanged,
            (Some(_), None) => EventType::ProposalRetracted,
        };
        let data = json!({
            "proposal_id": self.proposal_id,
            "title": self.title,
            "proposer": self.proposer,
            "from": self.from,
            "to": self.to,
            "at": at_s,
        });
        NewEvent::new(kind, data).about(self.proposer_key, self.proposer_identity)
    }
}
