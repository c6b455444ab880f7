//! What an identity did day by day.

use silica_models::IdentityId;
use sqlx::PgExecutor;

use crate::privacy::Guarded;
use crate::read::{checkpoint_of, no_checkpoint, timed};
use crate::{Checkpoint, StoreError};

/// Days of a page at most.
pub const SERIES_ROWS_MAX: i64 = 367;

/// A UTC day on which something was counted or decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesDay {
    /// Unix seconds / 86400.
    pub day: i64,
    /// Counted tasks of the network's own kind.
    pub nuw_tasks: i64,
    /// Counted BOINC results.
    pub boinc_tasks: i64,
    /// Granted credits, decimal text.
    pub credits: String,
    /// Base units, decimal text.
    pub rewards: String,
    /// Submissions that were rejected.
    pub rejected: i64,
    /// Submissions that ran out of time.
    pub timed_out: i64,
}

/// An identity's days before `before` (Unix seconds / 86400), newest first; days without anything
/// are left out. Indexes: `identities_pkey`, `pouw_daily_identity` backwards.
pub async fn list_series(
    db: impl PgExecutor<'_>,
    identity: &IdentityId,
    before: Option<i64>,
    offset: u32,
    rows: i64,
) -> Result<(Checkpoint, Guarded<Vec<SeriesDay>>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  i.stats_visibility AS "visibility?", d.day AS "day?", d.nuw_tasks, d.boinc_tasks,
                  d.credits, d.rewards, d.rejected, d.timed_out
           FROM checkpoints c
           LEFT JOIN identities i ON i.identity_id = $1
           LEFT JOIN LATERAL (
               SELECT day,
                      COALESCE(sum(validated) FILTER (WHERE work_kind = 0), 0)::bigint AS nuw_tasks,
                      COALESCE(sum(validated) FILTER (WHERE work_kind = 1), 0)::bigint
                          AS boinc_tasks,
                      trim_scale(sum(credits))::text AS credits,
                      trim_scale(sum(rewards))::text AS rewards,
                      sum(rejected)::bigint AS rejected, sum(timed_out)::bigint AS timed_out
               FROM pouw_daily
               WHERE identity_id = $1 AND identity_id <> '' AND day < $2
               GROUP BY day ORDER BY day DESC OFFSET $4 LIMIT $3
           ) d ON TRUE
           WHERE c.pipeline = 'chain'
           ORDER BY d.day DESC"#,
        identity.as_bytes(),
        before.unwrap_or(i64::MAX),
        rows,
        i64::from(offset)
    );
    let rows = timed!("list_pouw_series", statement.fetch_all(db)).await?;
    let first = rows.first().ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(first);
    let visibility = first.visibility.clone();
    let days = rows.into_iter().filter_map(|row| {
        Some(SeriesDay {
            day: row.day?,
            nuw_tasks: row.nuw_tasks?,
            boinc_tasks: row.boinc_tasks?,
            credits: row.credits?,
            rewards: row.rewards?,
            rejected: row.rejected?,
            timed_out: row.timed_out?,
        })
    });
    Ok((checkpoint, Guarded::new(identity, visibility.as_deref(), days.collect())))
}
