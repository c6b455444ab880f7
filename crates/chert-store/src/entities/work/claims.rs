//! Work that two oracles claim: it counts once.
//!
//! Of the validated submissions with one claim key whose reward is not lost, the one with the
//! earliest (validated_at, oracle_id, submission_id) decides which oracle's claim counts; those of
//! other oracles are duplicates. Several submissions of one oracle with one claim key (attempts,
//! machines of one account) are that oracle's own affair and count, whoever else claims them: or
//! an oracle could take away another's.

use sqlx::PgConnection;

use crate::StoreError;
use crate::entities::pouw::Rollups;

/// Submissions with these claim keys that are marked wrongly: id and the right mark.
/// Index: `work_submissions_claim`.
async fn wrong_marks(
    db: &mut PgConnection,
    keys: &[Vec<u8>],
) -> Result<(Vec<Vec<u8>>, Vec<bool>), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT w.submission_id, NOT w.duplicate_claim AS "duplicate!"
           FROM work_submissions w
           LEFT JOIN (
               SELECT DISTINCT ON (claim_key) claim_key, oracle_id FROM work_submissions
               WHERE claim_key = ANY($1) AND status = 2 AND reward_status NOT IN (4, 5)
               ORDER BY claim_key, validated_at, oracle_id COLLATE "C", submission_id) f
             ON f.claim_key = w.claim_key
           WHERE w.claim_key = ANY($1)
             AND w.duplicate_claim <> (w.status = 2 AND w.reward_status NOT IN (4, 5)
                                       AND w.oracle_id <> f.oracle_id)
                                   IS TRUE"#,
        keys
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.submission_id, row.duplicate)).unzip())
}

/// Marks anew which submissions with these claim keys are duplicates and moves what they count for;
/// gives how many were turned.
pub(super) async fn settle_claims(
    db: &mut PgConnection,
    keys: &[Vec<u8>],
    rollups: &mut Rollups,
    now_s: i64,
) -> Result<usize, StoreError> {
    let (ids, marks) = wrong_marks(db, keys).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    rollups.subtract(db, &ids, now_s).await?;
    sqlx::query!(
        "UPDATE work_submissions w SET duplicate_claim = t.duplicate
         FROM UNNEST($1::bytea[], $2::boolean[]) AS t(submission_id, duplicate)
         WHERE w.submission_id = t.submission_id",
        &ids,
        &marks
    )
    .execute(&mut *db)
    .await?;
    rollups.add(db, &ids, now_s).await?;
    Ok(ids.len())
}
