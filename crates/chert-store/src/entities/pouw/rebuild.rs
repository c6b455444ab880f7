//! The rollups rebuilt: compared with what is stored (`chert verify`), or put in its place.

use sqlx::PgConnection;

use super::definition::{
    daily, hourly, latency, oracle_hourly, score_columns, scores, stats, totals, window,
};
use crate::StoreError;

struct Rollup {
    table: &'static str,
    /// Counts the rows that differ.
    differing: &'static str,
    clear: &'static str,
    fill: &'static str,
}

/// `$columns` are compared; `$fresh` yields them in this order, `$fill` inserts them.
macro_rules! rollup {
    ($table:literal, $columns:expr, $fresh:expr) => {
        rollup!(
            $table,
            $columns,
            $fresh,
            concat!("INSERT INTO ", $table, " (", $columns, ") ", $fresh)
        )
    };
    ($table:literal, $columns:expr, $fresh:expr, $fill:expr) => {
        Rollup {
            table: $table,
            differing: concat!(
                "WITH fresh (",
                $columns,
                ") AS MATERIALIZED (",
                $fresh,
                ")
                 SELECT count(*) FROM (
                     (SELECT * FROM fresh EXCEPT ALL SELECT ",
                $columns,
                " FROM ",
                $table,
                ")
                     UNION ALL
                     (SELECT ",
                $columns,
                " FROM ",
                $table,
                " EXCEPT ALL SELECT * FROM fresh)) d"
            ),
            clear: concat!("DELETE FROM ", $table),
            fill: $fill,
        }
    };
}

/// Not compared: the spelling of a project, the time of an update and the percentile of the last
/// hour, which do not follow from the submissions.
const ROLLUPS: [Rollup; 7] = [
    rollup!(
        "pouw_hourly",
        "hour, account_key, identity_id, work_kind, tasks, credits, rewards",
        hourly!("", "")
    ),
    rollup!(
        "pouw_daily",
        "day, account_key, identity_id, work_kind, task_type, project_slug, oracle_id, validated,
         rejected, timed_out, credits, rewards, difficulty, compute_ms",
        daily!("", "")
    ),
    rollup!(
        "pouw_totals",
        "work_kind, task_type, project_slug, validated, rejected, timed_out, credits, rewards,
         difficulty",
        concat!(
            "SELECT work_kind, task_type, project_slug, validated, rejected, timed_out, credits,
                    rewards, difficulty FROM (",
            totals!("", ""),
            ") t"
        ),
        concat!(
            "INSERT INTO pouw_totals (work_kind, task_type, project_slug, project, validated,
                                      rejected, timed_out, credits, rewards, difficulty) ",
            totals!("", "")
        )
    ),
    rollup!(
        "oracle_hourly",
        "oracle_id, hour, validated, rejected, timed_out, credits, rewards",
        oracle_hourly!("", "")
    ),
    rollup!("oracle_latency_hourly", "oracle_id, hour, bucket, decided", latency!("", "")),
    rollup!("pouw_scores", score_columns!(), scores!("", "")),
    rollup!(
        "pouw_stats",
        "identity_id, total_nuw_completed, total_boinc_credits, total_rewards, pending_rewards,
         work_breakdown, active_since, last_contribution",
        stats!("", ""),
        concat!(
            "INSERT INTO pouw_stats (identity_id, total_nuw_completed, total_boinc_credits,
                                     total_rewards, pending_rewards, work_breakdown, active_since,
                                     last_contribution, updated_at)
             SELECT t.*, floor(extract(epoch FROM now()))::bigint FROM (",
            stats!("", ""),
            ") t"
        )
    ),
];

/// Accounts without their spelling.
const UNSPELLED: &str = "SELECT count(*) FROM (
         SELECT DISTINCT account_key FROM work_submissions
         EXCEPT SELECT account_key FROM pouw_accounts
                WHERE chert_address_key(miner_address) = account_key) a";
const SPELL: &str = "INSERT INTO pouw_accounts (account_key, miner_address)
     SELECT DISTINCT ON (account_key) account_key, miner_address FROM work_submissions
     ORDER BY account_key, id
     ON CONFLICT (account_key) DO UPDATE SET miner_address = EXCLUDED.miner_address
     WHERE chert_address_key(pouw_accounts.miner_address) <> EXCLUDED.account_key";

/// Rows of each rollup that differ from a rebuild, for those where some do.
pub(crate) async fn differing_rollups(
    db: &mut PgConnection,
) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut found = Vec::new();
    let rollups = ROLLUPS.iter().map(|r| (r.table, r.differing));
    for (table, statement) in rollups.chain([("pouw_accounts", UNSPELLED)]) {
        let rows: i64 = sqlx::query_scalar(statement).fetch_one(&mut *db).await?;
        if rows > 0 {
            found.push((table, rows));
        }
    }
    Ok(found)
}

/// Fills every rollup from the submissions. The caller holds `feeds('work')` and the clock.
pub(crate) async fn rebuild_rollups(db: &mut PgConnection) -> Result<(), StoreError> {
    for rollup in &ROLLUPS {
        sqlx::query(rollup.clear).execute(&mut *db).await?;
        sqlx::query(rollup.fill).execute(&mut *db).await?;
    }
    sqlx::query(SPELL).execute(&mut *db).await?;
    Ok(())
}
