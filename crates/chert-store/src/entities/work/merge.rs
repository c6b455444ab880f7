//! Deciding what a page changes. Pure: no database, no clock.

use std::collections::BTreeMap;

use silica_models::{SignatureStatus, WorkRecord, transition_is_legal};

use super::event::{Event, Events};
use super::page::PageCounts;
use super::submission::Submission;

/// A step outside the life cycle of contract §3.6.
pub(super) const ILLEGAL_TRANSITION: &str = "illegal_transition";
/// A revision that came again with other contents.
pub(super) const SAME_REVISION_DIFFERS: &str = "same_revision_differs";

/// Submissions by id.
pub(super) type Submissions = BTreeMap<Vec<u8>, Submission>;

/// What a page changes.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// New states of the submissions that the page changes.
    pub(super) changed: Submissions,
    /// Revisions for the timelines.
    pub(super) events: Events,
    /// What was in the page, as far as submissions are concerned.
    pub(super) counts: PageCounts,
}

/// Applies revisions in the order of the feed to what is stored.
///
/// The greatest (epoch, revision) wins. The oracle is the source of truth for its records, so that a
/// step outside the life cycle is taken over and flagged, unless nobody signed it and a block of
/// the chain bears witness to what it would undo. Within another feed of the oracle there is no
/// step to judge, because it states everything anew.
pub(super) fn merge<'a>(
    stored: &Submissions,
    feed_epoch: i32,
    revisions: impl Iterator<Item = (i64, SignatureStatus, &'a WorkRecord)>,
) -> Merged {
    let mut merged = Merged::default();
    for (seq, signature, record) in revisions {
        let new = Submission::new(record, feed_epoch, seq, signature);
        let known =
            merged.changed.get(&new.submission_id).or_else(|| stored.get(&new.submission_id));
        let Some(known) = known.cloned() else {
            merged.apply(new, None);
            continue;
        };
        match (new.feed_epoch, new.revision).cmp(&(known.feed_epoch, known.revision)) {
            std::cmp::Ordering::Less => {
                merged.counts.stale += 1;
                merged.note(&new, None);
            }
            std::cmp::Ordering::Equal if new.says_the_same(&known) => merged.counts.repeated += 1,
            std::cmp::Ordering::Equal => {
                merged.note(&new, Some(SAME_REVISION_DIFFERS));
                merged.flag(known, SAME_REVISION_DIFFERS);
            }
            std::cmp::Ordering::Greater => merged.step(&known, new),
        }
    }
    merged
}

impl Merged {
    /// The submission takes a newer state.
    fn step(&mut self, known: &Submission, new: Submission) {
        let legal = transition_is_legal(known.state(), new.state());
        let anchored = known.block_height.is_some();
        let verified = new.signature_status == SignatureStatus::Verified.as_i16();
        if !legal && anchored && !verified {
            self.note(&new, Some(ILLEGAL_TRANSITION));
            self.flag(known.clone(), ILLEGAL_TRANSITION);
            return;
        }
        let same_feed = new.feed_epoch == known.feed_epoch;
        // Corroboration is that of the transaction, which the write looks up again.
        let witness = known.block_height.filter(|_| known.tx_hash == new.tx_hash);
        let anomaly = (!legal && same_feed).then_some(ILLEGAL_TRANSITION);
        self.apply(Submission { block_height: witness, ..new }, anomaly);
    }

    fn apply(&mut self, mut new: Submission, anomaly: Option<&'static str>) {
        self.note(&new, anomaly);
        self.counts.applied += 1;
        new.anomaly = anomaly.map(str::to_owned);
        self.changed.insert(new.submission_id.clone(), new);
    }

    /// What is known stays, with a mark.
    fn flag(&mut self, mut known: Submission, anomaly: &'static str) {
        known.anomaly = Some(anomaly.to_owned());
        self.changed.insert(known.submission_id.clone(), known);
    }

    fn note(&mut self, revision: &Submission, anomaly: Option<&'static str>) {
        self.counts.anomalies += usize::from(anomaly.is_some());
        let key = (revision.submission_id.clone(), revision.feed_epoch, revision.revision);
        let event = Event::new(revision, anomaly);
        match self.events.get_mut(&key) {
            // One page holds the revision twice: its first form stays, as it does between pages.
            Some(first) => first.anomaly = anomaly.or(first.anomaly),
            None => drop(self.events.insert(key, event)),
        }
    }
}
