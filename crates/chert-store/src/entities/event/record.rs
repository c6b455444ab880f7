//! Events as readers get them, and what readers may ask for.

use std::collections::BTreeSet;

use serde_json::Value;
use silica_models::{AddressKey, IdentityId};

use super::EventType;
use crate::Checkpoint;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number: from 1, without gaps, in the order of commits.
    pub seq: i64,
    /// What happened.
    pub kind: EventType,
    /// The block it belongs to, or under which it became known; absent for work and boards.
    pub height: Option<i64>,
    /// Hash of that block.
    pub block_hash: Option<Vec<u8>>,
    /// When it was written, Unix seconds.
    pub at_s: i64,
    /// The identity it belonged to when it was written. May be hidden: to be shown only where the
    /// viewer may see it at the moment of delivery. `data` never names it, except
    /// `identity.updated`, which is of the public registry.
    pub identity_id: Option<IdentityId>,
    /// Keys of the addresses that it concerns, for filters: parties of a transaction, account,
    /// voter, proposer.
    pub address_keys: Vec<AddressKey>,
    /// What it says: an object, complete and fit for anybody. Shapes: `docs/decisions/0022`.
    pub data: Value,
}

/// Which events a reader wants: those that meet every condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of these types; all where empty.
    pub types: BTreeSet<EventType>,
    /// Concerning this address.
    pub address: Option<AddressKey>,
    /// Belonging to this identity.
    pub identity: Option<IdentityId>,
    /// Up to this number.
    pub up_to_seq: Option<i64>,
}

impl EventFilter {
    /// Whether an event meets every condition.
    pub fn matches(&self, event: &Event) -> bool {
        (self.types.is_empty() || self.types.contains(&event.kind))
            && self.address.is_none_or(|key| event.address_keys.contains(&key))
            && (self.identity.is_none() || self.identity == event.identity_id)
            && self.up_to_seq.is_none_or(|last| event.seq <= last)
    }

    /// Whether every event meets it, as far as types and subjects go.
    pub fn is_open(&self) -> bool {
        self.types.is_empty() && self.address.is_none() && self.identity.is_none()
    }

    /// The types wanted, those that a subject rules out left away.
    pub(super) fn wanted(&self) -> Vec<EventType> {
        let possible = |kind: &EventType| {
            let of_address = !matches!(
                kind,
                EventType::BlockApplied
                    | EventType::BlockRetracted
                    | EventType::IdentityUpdated
                    | EventType::LeaderboardChanged
            );
            (self.types.is_empty() || self.types.contains(kind))
                && (self.address.is_none() || of_address)
                && (self.identity.is_none() || !kind.is_transaction())
        };
        EventType::ALL.into_iter().filter(possible).collect()
    }
}

/// The ends of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHead {
    /// Number of the oldest event that is kept; one more than `last_seq` where none is.
    pub oldest_seq: i64,
    /// Number of the newest event; 0 before the first.
    pub last_seq: i64,
}

impl LogHead {
    /// Whether events that follow `after` have been forgotten.
    pub fn has_expired(&self, after: i64) -> bool {
        after.saturating_add(1) < self.oldest_seq
    }
}

/// A part of the log, all of one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// Head of every answer.
    pub checkpoint: Checkpoint,
    /// The ends of the log.
    pub head: LogHead,
    /// By number.
    pub events: Vec<Event>,
    /// Every event up to this number that meets the filter has been given: where to read on. The
    /// log is read to its end where it is `head.last_seq` or the filter's `up_to_seq`.
    pub scanned_to: i64,
}
