//! Moving work to the identities that held its accounts, when link intervals change.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::entities::pouw::{Rollups, hold_clock};
use crate::feeds::{Feed, lock_feed};

/// Submissions moved by one set of statements.
const CHUNK_ROWS: i64 = 10_000;

/// Moves the submissions of these accounts, and their contributions, to the identities that held
/// the accounts when the work was validated. Called in the transaction that changed link intervals.
///
/// Locks `feeds('work')` and the clock, after whatever the caller holds.
pub(crate) async fn reattribute(db: &mut PgConnection, wallets: &[Uuid]) -> Result<(), StoreError> {
    if wallets.is_empty() {
        return Ok(());
    }
    lock_feed(db, Feed::Work).await?;
    hold_clock(db).await?;
    let mut rollups = Rollups::default();
    loop {
        // Index: work_submissions_account.
        let rows = sqlx::query!(
            r#"SELECT w.submission_id, x.identity_id AS "identity_id?",
                      floor(extract(epoch FROM now()))::bigint AS "now_s!"
               FROM work_submissions w
               CROSS JOIN LATERAL (SELECT chert_identity_at(
                   w.account_key, COALESCE(w.validated_s, w.submitted_at / 1000))) AS x(identity_id)
               WHERE w.account_key = ANY($1) AND w.identity_id IS DISTINCT FROM x.identity_id
               LIMIT $2"#,
            wallets,
            CHUNK_ROWS
        )
        .fetch_all(&mut *db)
        .await?;
        let Some(now_s) = rows.first().map(|row| row.now_s) else { break };
        let (ids, identities): (Vec<Vec<u8>>, Vec<Option<Vec<u8>>>) =
            rows.into_iter().map(|row| (row.submission_id, row.identity_id)).unzip();
        rollups.subtract(db, &ids, now_s).await?;
        sqlx::query!(
            "UPDATE work_submissions w SET identity_id = t.identity_id
             FROM UNNEST($1::bytea[], $2::bytea[]) AS t(submission_id, identity_id)
             WHERE w.submission_id = t.submission_id",
            &ids,
            &identities as &[Option<Vec<u8>>]
        )
        .execute(&mut *db)
        .await?;
        rollups.add(db, &ids, now_s).await?;
    }
    rollups.settle(db).await
}
