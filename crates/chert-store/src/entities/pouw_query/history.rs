//! Submissions of an identity, newest first.

use silica_models::IdentityId;
use sqlx::PgExecutor;

use crate::privacy::Guarded;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Rows that a page of the history may read at most: a full page and one more. It stands in the
/// SQL as a constant, for the reason given at [`crate::read::PAGE_ROWS_MAX`].
pub const HISTORY_ROWS_MAX: i64 = 501;
/// Above every submission id, which has 32 bytes.
const ABOVE_ALL: [u8; 33] = [0xff; 33];

/// A submission as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionRow {
    /// 32 bytes.
    pub submission_id: Vec<u8>,
    /// Who reported it.
    pub oracle_id: String,
    /// The account it was done for.
    pub miner_address: String,
    /// 0 nuw, 1 boinc.
    pub work_kind: i16,
    /// Public type of work.
    pub work_type: String,
    /// As the oracle spells it.
    pub project: Option<String>,
    /// Decimal text.
    pub difficulty: Option<String>,
    /// Granted, decimal text.
    pub credits: Option<String>,
    /// Base units, decimal text.
    pub reward: Option<String>,
    /// See `work_submissions.status`.
    pub status: i16,
    /// See `work_submissions.reward_status`.
    pub reward_status: i16,
    /// Unix milliseconds.
    pub submitted_at_ms: Option<i64>,
    /// Unix milliseconds.
    pub validated_at_ms: Option<i64>,
    /// Block in which we found the claimed transaction.
    pub block_height: Option<i64>,
    /// The claimed transaction.
    pub tx_hash: Option<Vec<u8>>,
    /// 0 unsigned, 1 verified.
    pub signature_status: i16,
}

/// A place in the history: what was not decided yet comes first, then by time of the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPlace {
    /// Unix milliseconds; absent for what was not decided.
    pub validated_at_ms: Option<i64>,
    /// Tie-breaker.
    pub submission_id: Vec<u8>,
}

/// An identity's submissions after a place, newest first.
///
/// Indexes: `identities_pkey`; `work_submissions_identity` once for what is open and once for what
/// is decided, each in its order.
pub async fn list_history(
    db: impl PgExecutor<'_>,
    identity: &IdentityId,
    after: Option<&HistoryPlace>,
    rows: i64,
) -> Result<(Checkpoint, Guarded<Vec<SubmissionRow>>), StoreError> {
    let id_below = after.map_or(&ABOVE_ALL[..], |place| &place.submission_id);
    let time_below = after.and_then(|place| place.validated_at_ms);
    let open = time_below.is_none();
    // After an open one all decided ones follow; after a decided one those below it.
    let (time_below, decided_id_below) = match time_below {
        Some(time) => (time, id_below),
        None => (i64::MAX, &ABOVE_ALL[..]),
    };
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  i.stats_visibility AS "visibility?", w.submission_id AS "submission_id?",
                  w.oracle_id AS "oracle_id?", w.miner_address AS "miner_address?",
                  w.work_kind AS "work_kind?", w.work_type AS "work_type?",
                  w.project AS "project?", trim_scale(w.difficulty)::text AS difficulty,
                  trim_scale(w.credits)::text AS credits, w.reward::text AS reward,
                  w.status AS "status?", w.reward_status AS "reward_status?",
                  w.submitted_at AS "submitted_at?", w.validated_at AS "validated_at?",
                  w.block_height AS "block_height?", w.tx_hash AS "tx_hash?",
                  w.signature_status AS "signature_status?"
           FROM checkpoints c
           LEFT JOIN identities i ON i.identity_id = $1
           LEFT JOIN LATERAL (
               SELECT * FROM (
                   (SELECT * FROM work_submissions
                    WHERE identity_id = $1 AND validated_at IS NULL AND $2 AND submission_id < $3
                    ORDER BY validated_at DESC NULLS FIRST, submission_id DESC LIMIT 501)
                   UNION ALL
                   (SELECT * FROM work_submissions
                    WHERE identity_id = $1 AND (validated_at, submission_id) < ($4, $5)
                    ORDER BY validated_at DESC NULLS FIRST, submission_id DESC LIMIT 501)
               ) u ORDER BY validated_at DESC NULLS FIRST, submission_id DESC LIMIT $6
           ) w ON TRUE
           WHERE c.pipeline = 'chain'"#,
        identity.as_bytes(),
        open,
        id_below,
        time_below,
        decided_id_below,
        rows
    );
    let rows = timed!("list_pouw_history", statement.fetch_all(db)).await?;
    let first = rows.first().ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(first);
    let visibility = first.visibility.clone();
    let mut history = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(submission_id) = row.submission_id else { continue };
        history.push(SubmissionRow {
            submission_id,
            oracle_id: present("work_submissions.oracle_id", row.oracle_id)?,
            miner_address: present("work_submissions.miner_address", row.miner_address)?,
            work_kind: present("work_submissions.work_kind", row.work_kind)?,
            work_type: present("work_submissions.work_type", row.work_type)?,
            project: row.project,
            difficulty: row.difficulty,
            credits: row.credits,
            reward: row.reward,
            status: present("work_submissions.status", row.status)?,
            reward_status: present("work_submissions.reward_status", row.reward_status)?,
            submitted_at_ms: row.submitted_at,
            validated_at_ms: row.validated_at,
            block_height: row.block_height,
            tx_hash: row.tx_hash,
            signature_status: present("work_submissions.signature_status", row.signature_status)?,
        });
    }
    Ok((checkpoint, Guarded::new(identity, visibility.as_deref(), history)))
}

/// Place of the submission that ends the first `offset` ones; `None` where there are fewer.
/// Index: `work_submissions_identity`, at most as many entries as the offset's cap.
pub async fn find_history_place(
    db: impl PgExecutor<'_>,
    identity: &IdentityId,
    offset: u32,
) -> Result<Option<HistoryPlace>, StoreError> {
    let statement = sqlx::query!(
        "SELECT validated_at, submission_id FROM work_submissions WHERE identity_id = $1
         ORDER BY validated_at DESC NULLS FIRST, submission_id DESC OFFSET $2 LIMIT 1",
        identity.as_bytes(),
        i64::from(offset.saturating_sub(1))
    );
    let row = timed!("find_pouw_history_place", statement.fetch_optional(db)).await?;
    Ok(row
        .map(|r| HistoryPlace { validated_at_ms: r.validated_at, submission_id: r.submission_id }))
}
