//! What is derived inside `work_submissions`, and the rollups: compared with their definition, or
//! derived again. Link intervals come first: work belongs to whom they say.

use sqlx::PgConnection;

use super::anchors::corroborate_all;
use crate::StoreError;
use crate::entities::pouw::{differing_rollups, hold_clock, rebuild_rollups};
use crate::feeds::{Feed, lock_feed};

macro_rules! duplicates {
    () => {
        "SELECT submission_id, (status = 2 AND reward_status NOT IN (4, 5)
                AND oracle_id <> first_value(oracle_id) OVER (
                    PARTITION BY claim_key, status = 2 AND reward_status NOT IN (4, 5)
                    ORDER BY validated_at, oracle_id COLLATE \"C\", submission_id)) AS duplicate
         FROM work_submissions"
    };
}

/// Rules that are one query each; the query counts the rows that break the rule.
const RULES: [(&str, &str); 3] = [
    (
        "work belongs to the identity that held the account",
        "SELECT count(*) FROM work_submissions WHERE identity_id IS DISTINCT FROM
             chert_identity_at(account_key, COALESCE(validated_s, submitted_at / 1000))",
    ),
    (
        "work that two oracles claim counts once",
        concat!(
            "SELECT count(*) FROM work_submissions w JOIN (",
            duplicates!(),
            ") d USING (submission_id) WHERE w.duplicate_claim <> d.duplicate"
        ),
    ),
    (
        "corroborated claims are those whose transaction is indexed",
        "SELECT count(*) FROM work_submissions w WHERE w.block_height IS DISTINCT FROM
             (SELECT min(t.pos) >> 20 FROM transactions t
              WHERE t.tx_key = w.tx_key AND t.tx_id = w.tx_hash)",
    ),
];

/// Rows of each derived part that differ from its definition, for those where some do.
pub(crate) async fn differing_work(
    db: &mut PgConnection,
) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut found = Vec::new();
    for (rule, sql) in RULES {
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
        if rows > 0 {
            found.push((rule, rows));
        }
    }
    found.extend(differing_rollups(db).await?);
    Ok(found)
}

/// Derives everything again from the submissions and the link intervals.
pub(crate) async fn rebuild_work(db: &mut PgConnection) -> Result<(), StoreError> {
    lock_feed(db, Feed::Work).await?;
    hold_clock(db).await?;
    sqlx::query(
        "UPDATE work_submissions w SET identity_id = x.identity_id
         FROM (SELECT submission_id, chert_identity_at(
                   account_key, COALESCE(validated_s, submitted_at / 1000)) AS identity_id
               FROM work_submissions) x
         WHERE x.submission_id = w.submission_id
           AND w.identity_id IS DISTINCT FROM x.identity_id",
    )
    .execute(&mut *db)
    .await?;
    sqlx::query(concat!(
        "UPDATE work_submissions w SET duplicate_claim = d.duplicate FROM (",
        duplicates!(),
        ") d WHERE d.submission_id = w.submission_id AND w.duplicate_claim <> d.duplicate"
    ))
    .execute(&mut *db)
    .await?;
    corroborate_all(db).await?;
    rebuild_rollups(db).await?;
    sqlx::query("UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'")
        .execute(&mut *db)
        .await?;
    Ok(())
}
