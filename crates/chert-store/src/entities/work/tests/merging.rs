//! The pure half: which revision wins and what is flagged.

use silica_models::{RewardStatus, SignatureStatus, WorkRecord, WorkStatus};

use super::world::{account, record};
use crate::entities::work::merge::{
    ILLEGAL_TRANSITION, Merged, SAME_REVISION_DIFFERS, Submissions, merge,
};
use crate::entities::work::submission::Submission;

const SIGNED: SignatureStatus = SignatureStatus::Verified;

fn revision(number: i64, status: WorkStatus) -> WorkRecord {
    let reward_status = match status {
        WorkStatus::Validated => RewardStatus::Pending,
        _ => RewardStatus::None,
    };
    WorkRecord { status, reward_status, ..record("o", "t", &account(1), number) }
}

fn stored(record: &WorkRecord, epoch: i32, block_height: Option<i64>) -> Submissions {
    let row = Submission { block_height, ..Submission::new(record, epoch, 1, SIGNED) };
    [(row.submission_id.clone(), row)].into()
}

fn play(known: &Submissions, signature: SignatureStatus, records: &[WorkRecord]) -> Merged {
    merge(known, 1, (10..).zip(records).map(|(seq, r)| (seq, signature, r)))
}

fn state(merged: &Merged) -> Option<(i64, WorkStatus, Option<&str>)> {
    let row = merged.changed.values().next()?;
    Some((row.revision, row.state().0, row.anomaly.as_deref()))
}

#[test]
fn revisions_of_one_page_apply_in_order() {
    let steps = [
        revision(1, WorkStatus::Assigned),
        revision(2, WorkStatus::Submitted),
        revision(3, WorkStatus::Validated),
    ];
    let merged = play(&Submissions::new(), SIGNED, &steps);
    assert_eq!(state(&merged), Some((3, WorkStatus::Validated, None)));
    assert_eq!((merged.counts.applied, merged.events.len()), (3, 3));
}

#[test]
fn the_newest_epoch_and_revision_wins() {
    let known = stored(&revision(5, WorkStatus::Validated), 1, None);
    let merged = play(&known, SIGNED, &[revision(4, WorkStatus::Submitted)]);
    assert_eq!((state(&merged), merged.counts.stale, merged.events.len()), (None, 1, 1));
    // The feed was replaced and counts from 1 again: it states everything anew.
    let old_feed = stored(&revision(5, WorkStatus::Validated), 0, None);
    let merged = play(&old_feed, SIGNED, &[revision(1, WorkStatus::Submitted)]);
    assert_eq!(state(&merged), Some((1, WorkStatus::Submitted, None)));
    let new_feed = stored(&revision(1, WorkStatus::Validated), 2, None);
    assert_eq!(state(&play(&new_feed, SIGNED, &[revision(9, WorkStatus::Rejected)])), None);
}

#[test]
fn a_revision_that_comes_again_changes_nothing() {
    let known = stored(&revision(2, WorkStatus::Validated), 1, None);
    let same = play(&known, SIGNED, &[revision(2, WorkStatus::Validated)]);
    assert_eq!((state(&same), same.counts.repeated, same.events.len()), (None, 1, 0));
    let other = play(&known, SIGNED, &[revision(2, WorkStatus::Rejected)]);
    let flagged = Some((2, WorkStatus::Validated, Some(SAME_REVISION_DIFFERS)));
    assert_eq!((state(&other), other.counts.anomalies), (flagged, 1));
}

#[test]
fn steps_back_are_applied_unless_the_chain_speaks_against_an_unsigned_feed() {
    let back = [revision(3, WorkStatus::Submitted)];
    let open = stored(&revision(2, WorkStatus::Validated), 1, None);
    let flagged = Some((3, WorkStatus::Submitted, Some(ILLEGAL_TRANSITION)));
    assert_eq!(state(&play(&open, SignatureStatus::Unsigned, &back)), flagged);
    let anchored = stored(&revision(2, WorkStatus::Validated), 1, Some(7));
    assert_eq!(state(&play(&anchored, SIGNED, &back)), flagged);
    let kept = play(&anchored, SignatureStatus::Unsigned, &back);
    assert_eq!(state(&kept), Some((2, WorkStatus::Validated, Some(ILLEGAL_TRANSITION))));
    assert_eq!(kept.events.values().filter_map(|e| e.anomaly).count(), 1);
}
