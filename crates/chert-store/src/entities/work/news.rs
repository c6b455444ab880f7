//! What a page of an oracle's feed has to tell the event log.

use std::collections::BTreeMap;

use serde_json::json;
use silica_models::{RewardStatus, TxId, WorkKind, WorkStatus};
use sqlx::PgConnection;

use super::merge::Submissions;
use super::submission::Submission;
use crate::StoreError;
use crate::entities::event::{EventType, NEWS_AGE_S_MAX, NewEvent};

/// What the log says that a submission is; `None` for what it does not speak of.
fn verdict(submission: &Submission) -> Option<EventType> {
    match submission.state() {
        (WorkStatus::Validated, RewardStatus::ClawedBack | RewardStatus::Voided) => {
            Some(EventType::WorkClawedBack)
        }
        (WorkStatus::Validated, _) => Some(EventType::WorkValidated),
        (WorkStatus::Rejected, _) => Some(EventType::WorkRejected),
        _ => None,
    }
}

/// The event of a step, if it is one.
///
/// News is what was decided lately, and a step of work that was known before, told by a feed that
/// is read to its end. Everything else is an oracle's history being read for the first time.
fn step(old: Option<&Submission>, new: &Submission, at_end: bool, now_s: i64) -> Option<EventType> {
    let before = old.and_then(verdict);
    let after = verdict(new).filter(|after| before != Some(*after))?;
    let moments = new.validated_at.or(new.submitted_at).or(new.assigned_at);
    let lately = moments.is_some_and(|ms| ms / 1_000 >= now_s.saturating_sub(NEWS_AGE_S_MAX));
    let known = at_end && old.is_some();
    let back = before == Some(EventType::WorkClawedBack) && after == EventType::WorkValidated;
    (lately || known).then_some(if back { EventType::WorkReinstated } else { after })
}

/// Who holds these submissions. Index: `work_submissions_pkey`.
async fn load_holders(
    db: &mut PgConnection,
    ids: &[&[u8]],
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT submission_id, identity_id AS "identity_id!" FROM work_submissions
           WHERE submission_id = ANY($1) AND identity_id IS NOT NULL"#,
        ids as &[&[u8]]
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.submission_id, row.identity_id)).collect())
}

/// Events of the submissions that a page changed, in the order of the feed; asked after they were
/// written. `at_end`: the page ends where the feed ends.
pub(super) async fn news(
    db: &mut PgConnection,
    oracle_id: &str,
    (stored, changed): (&Submissions, &Submissions),
    at_end: bool,
    now_s: i64,
) -> Result<Vec<NewEvent>, StoreError> {
    let mut steps: Vec<(EventType, &Submission)> = changed
        .iter()
        .filter_map(|(id, new)| Some((step(stored.get(id), new, at_end, now_s)?, new)))
        .collect();
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    steps.sort_by_key(|(_, submission)| submission.feed_seq);
    let ids: Vec<&[u8]> = steps.iter().map(|(_, s)| s.submission_id.as_slice()).collect();
    let mut holders = load_holders(db, &ids).await?;
    let events = steps.into_iter().map(|(kind, submission)| {
        let holder = holders.remove(&submission.submission_id);
        event(kind, oracle_id, submission).about(Some(submission.account_key), holder)
    });
    Ok(events.collect())
}

fn event(kind: EventType, oracle_id: &str, submission: &Submission) -> NewEvent {
    let (status, reward_status) = submission.state();
    let work_kind = WorkKind::from_i16(submission.work_kind).map(WorkKind::as_str);
    let tx_id = submission.tx_hash.clone().map(|hash| TxId::from_bytes(hash).to_string());
    let data = json!({
        "submission_id": hex::encode(&submission.submission_id),
        "oracle_id": oracle_id,
        "miner_address": submission.miner_address,
        "work_kind": work_kind,
        "work_type": submission.work_type,
        "credits": submission.credits,
        "reward": submission.reward,
        "status": status.as_str(),
        "reward_status": reward_status.as_str(),
        "tx_id": tx_id,
    });
    NewEvent::new(kind, data)
}
