//! Writing the states of submissions.

use sqlx::PgConnection;
use uuid::Uuid;

use super::submission::Submission;
use crate::StoreError;

/// What all submissions of a page have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteContext<'a> {
    pub(super) oracle_id: &'a str,
    /// A bulk backfill runs: transactions cannot be found by id.
    pub(super) bulk: bool,
    pub(super) now_s: i64,
}

/// Writes states, new or changed, and derives who held the account and which block holds the
/// claimed transaction. Whether another oracle's claim counts instead is left as it was.
pub(super) async fn put_submissions(
    db: &mut PgConnection,
    context: WriteContext<'_>,
    rows: &[&Submission],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(rows: &[&'a Submission], field: impl Fn(&'a Submission) -> T) -> Vec<T> {
        rows.iter().map(|row| field(row)).collect()
    }
    sqlx::query_file!(
        "src/entities/work/upsert_submissions.sql",
        context.oracle_id,
        context.bulk,
        context.now_s,
        &column(rows, |r| r.submission_id.as_slice()) as &[&[u8]],
        &column(rows, |r| r.miner_address.as_str()) as &[&str],
        &column(rows, |r| r.account_key) as &[Uuid],
        &column(rows, |r| r.miner_id.as_str()) as &[&str],
        &column(rows, |r| r.worker_name.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.work_kind),
        &column(rows, |r| r.task_type.as_str()) as &[&str],
        &column(rows, |r| r.work_type.as_str()) as &[&str],
        &column(rows, |r| r.task_id.as_str()) as &[&str],
        &column(rows, |r| r.attempt),
        &column(rows, |r| r.project.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.project_slug.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.status),
        &column(rows, |r| r.reward_status),
        &column(rows, |r| r.difficulty.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.credits.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.credits_claimed.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.reward.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.cpu_time_seconds.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.compute_time_ms) as &[Option<i64>],
        &column(rows, |r| r.assigned_at) as &[Option<i64>],
        &column(rows, |r| r.submitted_at) as &[Option<i64>],
        &column(rows, |r| r.validated_at) as &[Option<i64>],
        &column(rows, |r| r.held_at()) as &[Option<i64>],
        &column(rows, |r| r.tx_hash.as_deref()) as &[Option<&[u8]>],
        &column(rows, Submission::tx_key) as &[Option<i64>],
        &column(rows, |r| r.claimed_height) as &[Option<i64>],
        &column(rows, |r| r.signature_status),
        &column(rows, |r| r.claim_key.as_slice()) as &[&[u8]],
        &column(rows, |r| r.anomaly.as_deref()) as &[Option<&str>],
        &column(rows, |r| &r.detail) as &[&serde_json::Value],
        &column(rows, |r| r.feed_epoch),
        &column(rows, |r| r.revision),
        &column(rows, |r| r.feed_seq)
    )
    .execute(&mut *db)
    .await?;
    spell_accounts(db, rows).await
}

/// Keeps the first spelling of each account.
async fn spell_accounts(db: &mut PgConnection, rows: &[&Submission]) -> Result<(), StoreError> {
    let keys: Vec<Uuid> = rows.iter().map(|r| r.account_key).collect();
    let addresses: Vec<&str> = rows.iter().map(|r| r.miner_address.as_str()).collect();
    sqlx::query!(
        "INSERT INTO pouw_accounts (account_key, miner_address)
         SELECT DISTINCT ON (k) k, a FROM UNNEST($1::uuid[], $2::text[]) AS t(k, a) ORDER BY k
         ON CONFLICT (account_key) DO NOTHING",
        &keys,
        &addresses as &[&str]
    )
    .execute(db)
    .await?;
    Ok(())
}
