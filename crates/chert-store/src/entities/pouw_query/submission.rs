//! One submission with everything that happened to it.

use sqlx::PgExecutor;

use super::history::SubmissionRow;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Steps of a timeline that are shown at most, the latest.
pub const TIMELINE_ROWS_MAX: i64 = 200;

/// A submission in full. What it says is on record at the oracle and belongs to the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionDetail {
    /// What lists show.
    pub row: SubmissionRow,
    /// The identity that held the account, where that is public.
    pub identity_id: Option<Vec<u8>>,
    /// Its name.
    pub display_name: Option<String>,
    /// Canonical type of the task.
    pub task_type: String,
    /// The oracle's id of the task.
    pub task_id: String,
    /// From 0; counts reassignments.
    pub attempt: i32,
    /// Decimal text.
    pub credits_claimed: Option<String>,
    /// Decimal text.
    pub cpu_time_seconds: Option<String>,
    /// Milliseconds.
    pub compute_time_ms: Option<i64>,
    /// Unix milliseconds.
    pub assigned_at_ms: Option<i64>,
    /// The oracle's claim.
    pub claimed_height: Option<i64>,
    /// Another oracle's claim of the same work counts instead.
    pub duplicate_claim: bool,
    /// A code; absent where nothing is odd.
    pub anomaly: Option<String>,
    /// The oracle's latest revision that we have.
    pub revision: i64,
    /// Unix seconds when we took it in.
    pub updated_at: i64,
    /// Validation, reward and dispute as the oracle states them, JSON text.
    pub detail: String,
    /// The latest [`TIMELINE_ROWS_MAX`] steps, oldest first.
    pub timeline: Vec<TimelineStep>,
}

/// A revision that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineStep {
    /// Counts the oracle's feeds.
    pub feed_epoch: i32,
    /// The oracle's revision.
    pub revision: i64,
    /// See `work_submissions.status`.
    pub status: i16,
    /// See `work_submissions.reward_status`.
    pub reward_status: i16,
    /// Unix milliseconds that the record gives for the step.
    pub at_ms: Option<i64>,
    /// A code; absent where nothing is odd.
    pub anomaly: Option<String>,
}

/// The steps in the rows of the statement below.
macro_rules! timeline_of {
    ($rows:expr) => {{
        let mut timeline = Vec::with_capacity($rows.len());
        for row in &$rows {
            let Some(revision) = row.event_revision else { continue };
            timeline.push(TimelineStep {
                feed_epoch: present("work_submission_events.feed_epoch", row.event_epoch)?,
                revision,
                status: present("work_submission_events.status", row.event_status)?,
                reward_status: present(
                    "work_submission_events.reward_status",
                    row.event_reward_status,
                )?,
                at_ms: row.event_at,
                anomaly: row.event_anomaly.clone(),
            });
        }
        timeline
    }};
}

/// What lists show, from a row of the statement below.
macro_rules! submission_of {
    ($row:expr, $submission_id:expr) => {
        SubmissionRow {
            submission_id: $submission_id,
            oracle_id: present("work_submissions.oracle_id", $row.oracle_id)?,
            miner_address: present("work_submissions.miner_address", $row.miner_address)?,
            work_kind: present("work_submissions.work_kind", $row.work_kind)?,
            work_type: present("work_submissions.work_type", $row.work_type)?,
            project: $row.project,
            difficulty: $row.difficulty,
            credits: $row.credits,
            reward: $row.reward,
            status: present("work_submissions.status", $row.status)?,
            reward_status: present("work_submissions.reward_status", $row.reward_status)?,
            submitted_at_ms: $row.submitted_at,
            validated_at_ms: $row.validated_at,
            block_height: $row.block_height,
            tx_hash: $row.tx_hash,
            signature_status: present("work_submissions.signature_status", $row.signature_status)?,
        }
    };
}

/// A submission by its id (32 bytes).
///
/// Indexes: `work_submissions_pkey`, `identities_pkey`, `work_submission_events_pkey` backwards.
pub async fn find_submission(
    db: impl PgExecutor<'_>,
    submission_id: &[u8],
) -> Result<(Checkpoint, Option<SubmissionDetail>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  w.submission_id AS "submission_id?", w.oracle_id AS "oracle_id?",
                  w.miner_address AS "miner_address?", w.work_kind AS "work_kind?",
                  w.work_type AS "work_type?", w.project AS "project?",
                  trim_scale(w.difficulty)::text AS difficulty,
                  trim_scale(w.credits)::text AS credits, w.reward::text AS reward,
                  w.status AS "status?", w.reward_status AS "reward_status?",
                  w.submitted_at AS "submitted_at?", w.validated_at AS "validated_at?",
                  w.block_height AS "block_height?", w.tx_hash AS "tx_hash?",
                  w.signature_status AS "signature_status?", i.identity_id AS "identity_id?",
                  i.display_name AS "display_name?", w.task_type AS "task_type?",
                  w.task_id AS "task_id?", w.attempt AS "attempt?",
                  trim_scale(w.credits_claimed)::text AS credits_claimed,
                  trim_scale(w.cpu_time_seconds)::text AS cpu_time_seconds,
                  w.compute_time_ms AS "compute_time_ms?", w.assigned_at AS "assigned_at?",
                  w.claimed_height AS "claimed_height?", w.duplicate_claim AS "duplicate_claim?",
                  w.anomaly AS "anomaly?", w.revision AS "revision?",
                  w.updated_at AS "updated_at?", w.detail::text AS detail,
                  e.feed_epoch AS "event_epoch?", e.revision AS "event_revision?",
                  e.status AS "event_status?", e.reward_status AS "event_reward_status?",
                  e.at AS "event_at?", e.anomaly AS "event_anomaly?"
           FROM checkpoints c
           LEFT JOIN work_submissions w ON w.submission_id = $1
           LEFT JOIN public_identities i ON i.identity_id = w.identity_id
           LEFT JOIN LATERAL (
               SELECT * FROM work_submission_events
               WHERE submission_id = w.submission_id
               ORDER BY feed_epoch DESC, revision DESC LIMIT 200
           ) e ON TRUE
           WHERE c.pipeline = 'chain'
           ORDER BY e.feed_epoch, e.revision"#,
        submission_id
    );
    let rows = timed!("find_submission", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let timeline = timeline_of!(rows);
    let Some(row) = rows.into_iter().next() else { return Err(no_checkpoint()) };
    let Some(submission_id) = row.submission_id else { return Ok((checkpoint, None)) };
    let detail = SubmissionDetail {
        row: submission_of!(row, submission_id),
        identity_id: row.identity_id,
        display_name: row.display_name,
        task_type: present("work_submissions.task_type", row.task_type)?,
        task_id: present("work_submissions.task_id", row.task_id)?,
        attempt: present("work_submissions.attempt", row.attempt)?,
        credits_claimed: row.credits_claimed,
        cpu_time_seconds: row.cpu_time_seconds,
        compute_time_ms: row.compute_time_ms,
        assigned_at_ms: row.assigned_at,
        claimed_height: row.claimed_height,
        duplicate_claim: present("work_submissions.duplicate_claim", row.duplicate_claim)?,
        anomaly: row.anomaly,
        revision: present("work_submissions.revision", row.revision)?,
        updated_at: present("work_submissions.updated_at", row.updated_at)?,
        detail: present("work_submissions.detail", row.detail)?,
        timeline,
    };
    Ok((checkpoint, Some(detail)))
}
