//! Forgetting old events, in small steps and from the old end only.

use sqlx::PgConnection;

use crate::StoreError;

/// Copies of removed blocks' transactions that one step forgets at most.
const COPIES_MAX: i64 = 100;

/// Removes up to `rows_max` of the oldest rows of the log, all written before `before_s` (Unix
/// seconds), and gives how many went. What remains has no holes: a row stays if an older one does.
///
/// What removed blocks held is forgotten once no event speaks of them; the blocks themselves stay
/// in `orphans`. Indexes: `event_log_pkey`, `orphans_told`, `event_log_block`.
pub async fn prune_events(
    db: &mut PgConnection,
    before_s: i64,
    rows_max: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "WITH oldest AS (SELECT seq, created_at FROM event_log ORDER BY seq LIMIT $2),
         stays AS (SELECT min(seq) AS seq FROM oldest WHERE created_at >= $1)
         DELETE FROM event_log e USING oldest o, stays s
         WHERE e.seq = o.seq AND (s.seq IS NULL OR o.seq < s.seq)",
        before_s,
        rows_max
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "UPDATE orphans o SET transactions = NULL
         FROM (SELECT height, hash FROM orphans
               WHERE transactions IS NOT NULL AND orphaned_at < $1
               ORDER BY orphaned_at LIMIT $2) old
         WHERE o.height = old.height AND o.hash = old.hash
           AND NOT EXISTS (SELECT 1 FROM event_log e
                           WHERE e.type IN ('block.applied', 'block.retracted')
                             AND e.height = o.height AND e.hash = o.hash)",
        before_s,
        COPIES_MAX
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
