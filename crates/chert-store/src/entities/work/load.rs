//! Reading the submissions that a page is about.

use sqlx::PgConnection;

use super::merge::Submissions;
use super::submission::Submission;
use crate::StoreError;

/// The stored submissions among `ids`. Index: `work_submissions_pkey`.
pub(super) async fn load_submissions(
    db: &mut PgConnection,
    ids: &[Vec<u8>],
) -> Result<Submissions, StoreError> {
    let rows = sqlx::query_as!(
        Submission,
        r#"SELECT submission_id, miner_address, account_key, miner_id, worker_name, work_kind,
                  task_type, work_type, task_id, attempt, project, project_slug, status,
                  reward_status, trim_scale(difficulty)::text AS difficulty,
                  trim_scale(credits)::text AS credits,
                  trim_scale(credits_claimed)::text AS credits_claimed, reward::text AS reward,
                  trim_scale(cpu_time_seconds)::text AS cpu_time_seconds, compute_time_ms,
                  assigned_at, submitted_at, validated_at, tx_hash, claimed_height, block_height,
                  signature_status, claim_key, anomaly, detail, feed_epoch, revision, feed_seq
           FROM work_submissions WHERE submission_id = ANY($1)"#,
        ids
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.submission_id.clone(), row)).collect())
}
