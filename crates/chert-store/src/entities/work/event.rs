//! The timeline of a submission: every revision that was taken in.

use std::collections::BTreeMap;

use silica_models::{RewardStatus, Timestamp, WorkStatus};
use sqlx::PgConnection;

use super::submission::Submission;
use crate::StoreError;

/// A revision. The key of its row is (submission, epoch, revision).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) status: i16,
    pub(super) reward_status: i16,
    pub(super) at: Option<i64>,
    pub(super) feed_seq: i64,
    pub(super) anomaly: Option<&'static str>,
}

/// Events by (submission, epoch, revision).
pub(super) type Events = BTreeMap<(Vec<u8>, i32, i64), Event>;

impl Event {
    pub(super) fn new(submission: &Submission, anomaly: Option<&'static str>) -> Self {
        Self {
            status: submission.status,
            reward_status: submission.reward_status,
            at: moment(submission),
            feed_seq: submission.feed_seq,
            anomaly,
        }
    }
}

/// When the step was made that led to the submission's state, where the record says so.
fn moment(submission: &Submission) -> Option<i64> {
    let detail = |object: &str, member: &str| {
        let value = submission.detail.get(object)?.get(member)?;
        Timestamp::parse(value).ok().map(|t| t.unix_ms)
    };
    let (status, reward) = submission.state();
    let of_reward = match reward {
        RewardStatus::Finalized => detail("reward", "finalized_at"),
        RewardStatus::Claimed => detail("reward", "claimed_at"),
        _ => None,
    };
    let of_status = match status {
        WorkStatus::Assigned => submission.assigned_at,
        WorkStatus::Submitted => submission.submitted_at,
        WorkStatus::Validated | WorkStatus::Rejected => submission.validated_at,
        WorkStatus::Disputed => detail("dispute", "opened_at"),
        WorkStatus::TimedOut => None,
    };
    of_reward.or(of_status)
}

/// Adds to the timelines. A revision that came again keeps its first form and gets the anomaly.
pub(super) async fn put_events(db: &mut PgConnection, events: &Events) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let ids: Vec<&[u8]> = events.keys().map(|(id, ..)| id.as_slice()).collect();
    let epochs: Vec<i32> = events.keys().map(|(_, epoch, _)| *epoch).collect();
    let revisions: Vec<i64> = events.keys().map(|(.., revision)| *revision).collect();
    let values = || events.values();
    let statuses: Vec<i16> = values().map(|e| e.status).collect();
    let reward_statuses: Vec<i16> = values().map(|e| e.reward_status).collect();
    let moments: Vec<Option<i64>> = values().map(|e| e.at).collect();
    let seqs: Vec<i64> = values().map(|e| e.feed_seq).collect();
    let anomalies: Vec<Option<&str>> = values().map(|e| e.anomaly).collect();
    sqlx::query!(
        "INSERT INTO work_submission_events AS e (submission_id, feed_epoch, revision, status,
                                                  reward_status, at, feed_seq, anomaly)
         SELECT * FROM UNNEST($1::bytea[], $2::int[], $3::bigint[], $4::smallint[],
                              $5::smallint[], $6::bigint[], $7::bigint[], $8::text[])
         ON CONFLICT (submission_id, feed_epoch, revision) DO UPDATE SET
             anomaly = COALESCE(EXCLUDED.anomaly, e.anomaly)
         WHERE EXCLUDED.anomaly IS NOT NULL",
        &ids as &[&[u8]],
        &epochs,
        &revisions,
        &statuses,
        &reward_statuses,
        &moments as &[Option<i64>],
        &seqs,
        &anomalies as &[Option<&str>]
    )
    .execute(db)
    .await?;
    Ok(())
}
