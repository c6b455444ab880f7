//! Live maintenance of the rollups: what submissions counted for before a change is subtracted,
//! what they count for after it is added, in the transaction of the change.
//!
//! Callers hold `feeds('work')` and the clock (`hold_clock`), subtract before they write and add
//! after it, and settle once at the end.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::definition::{
    daily, hourly, latency, oracle_hourly, score_columns, scores, stats, totals, window,
};
use crate::StoreError;
use crate::feeds::notify_readers;

/// Each upsert adds `$2` times the contributions of the submissions `$1`. Sorted by key, so that
/// neighbours fall on the same index pages.
const UPSERTS: [&str; 6] = [
    concat!(
        "INSERT INTO pouw_hourly AS s (hour, account_key, identity_id, work_kind, tasks, credits,
                                       rewards) ",
        hourly!(" * $2::bigint", " AND submission_id = ANY($1)"),
        " ORDER BY hour, account_key
         ON CONFLICT (hour, account_key, identity_id, work_kind) DO UPDATE SET
             tasks = s.tasks + EXCLUDED.tasks, credits = s.credits + EXCLUDED.credits,
             rewards = s.rewards + EXCLUDED.rewards"
    ),
    concat!(
        "INSERT INTO pouw_daily AS s (day, account_key, identity_id, work_kind, task_type,
                                      project_slug, oracle_id, validated, rejected, timed_out,
                                      credits, rewards, difficulty, compute_ms) ",
        daily!(" * $2::bigint", " AND submission_id = ANY($1)"),
        " ORDER BY day, account_key
         ON CONFLICT (day, account_key, identity_id, work_kind, task_type, project_slug, oracle_id)
         DO UPDATE SET
             validated = s.validated + EXCLUDED.validated,
             rejected = s.rejected + EXCLUDED.rejected,
             timed_out = s.timed_out + EXCLUDED.timed_out,
             credits = s.credits + EXCLUDED.credits, rewards = s.rewards + EXCLUDED.rewards,
             difficulty = s.difficulty + EXCLUDED.difficulty,
             compute_ms = s.compute_ms + EXCLUDED.compute_ms"
    ),
    concat!(
        "INSERT INTO pouw_totals AS s (work_kind, task_type, project_slug, project, validated,
                                       rejected, timed_out, credits, rewards, difficulty) ",
        totals!(" * $2::bigint", " AND submission_id = ANY($1)"),
        " ON CONFLICT (work_kind, task_type, project_slug) DO UPDATE SET
             project = COALESCE(s.project, EXCLUDED.project),
             validated = s.validated + EXCLUDED.validated,
             rejected = s.rejected + EXCLUDED.rejected,
             timed_out = s.timed_out + EXCLUDED.timed_out,
             credits = s.credits + EXCLUDED.credits, rewards = s.rewards + EXCLUDED.rewards,
             difficulty = s.difficulty + EXCLUDED.difficulty"
    ),
    concat!(
        "INSERT INTO oracle_hourly AS s (oracle_id, hour, validated, rejected, timed_out, credits,
                                         rewards) ",
        oracle_hourly!(" * $2::bigint", " AND submission_id = ANY($1)"),
        " ON CONFLICT (oracle_id, hour) DO UPDATE SET
             validated = s.validated + EXCLUDED.validated,
             rejected = s.rejected + EXCLUDED.rejected,
             timed_out = s.timed_out + EXCLUDED.timed_out,
             credits = s.credits + EXCLUDED.credits, rewards = s.rewards + EXCLUDED.rewards"
    ),
    concat!(
        "INSERT INTO oracle_latency_hourly AS s (oracle_id, hour, bucket, decided) ",
        latency!(" * $2::bigint", " AND submission_id = ANY($1)"),
        " ON CONFLICT (oracle_id, hour, bucket) DO UPDATE SET
             decided = s.decided + EXCLUDED.decided"
    ),
    concat!(
        "INSERT INTO pouw_scores AS s (",
        score_columns!(),
        ") ",
        scores!(" * $2::bigint", " AND submission_id = ANY($1)"),
        " ORDER BY scope, work_kind, subject
         ON CONFLICT (scope, work_kind, subject) DO UPDATE SET
             tasks_all = s.tasks_all + EXCLUDED.tasks_all,
             credits_all = s.credits_all + EXCLUDED.credits_all,
             rewards_all = s.rewards_all + EXCLUDED.rewards_all,
             tasks_24 = s.tasks_24 + EXCLUDED.tasks_24,
             credits_24 = s.credits_24 + EXCLUDED.credits_24,
             rewards_24 = s.rewards_24 + EXCLUDED.rewards_24,
             tasks_48 = s.tasks_48 + EXCLUDED.tasks_48,
             credits_48 = s.credits_48 + EXCLUDED.credits_48,
             rewards_48 = s.rewards_48 + EXCLUDED.rewards_48,
             tasks_168 = s.tasks_168 + EXCLUDED.tasks_168,
             credits_168 = s.credits_168 + EXCLUDED.credits_168,
             rewards_168 = s.rewards_168 + EXCLUDED.rewards_168,
             tasks_192 = s.tasks_192 + EXCLUDED.tasks_192,
             credits_192 = s.credits_192 + EXCLUDED.credits_192,
             rewards_192 = s.rewards_192 + EXCLUDED.rewards_192,
             tasks_720 = s.tasks_720 + EXCLUDED.tasks_720,
             credits_720 = s.credits_720 + EXCLUDED.credits_720,
             rewards_720 = s.rewards_720 + EXCLUDED.rewards_720,
             tasks_744 = s.tasks_744 + EXCLUDED.tasks_744,
             credits_744 = s.credits_744 + EXCLUDED.credits_744,
             rewards_744 = s.rewards_744 + EXCLUDED.rewards_744,
             rac_weight = s.rac_weight + EXCLUDED.rac_weight,
             first_at = CASE WHEN $2::bigint > 0 THEN LEAST(s.first_at, EXCLUDED.first_at)
                             ELSE s.first_at END,
             last_at = CASE WHEN $2::bigint > 0 THEN GREATEST(s.last_at, EXCLUDED.last_at)
                            ELSE s.last_at END"
    ),
];

const UPSERT_STATS: &str = concat!(
    "INSERT INTO pouw_stats AS s (identity_id, total_nuw_completed, total_boinc_credits,
                                  total_rewards, pending_rewards, work_breakdown, active_since,
                                  last_contribution, updated_at)
     SELECT identity_id, total_nuw_completed, total_boinc_credits, total_rewards, pending_rewards,
            chert_breakdown_add('{}', work_breakdown), active_since, last_contribution, $3
     FROM (",
    stats!(" * $2::bigint", " AND submission_id = ANY($1)"),
    ") d ORDER BY identity_id
     ON CONFLICT (identity_id) DO UPDATE SET
         total_nuw_completed = s.total_nuw_completed + EXCLUDED.total_nuw_completed,
         total_boinc_credits = s.total_boinc_credits + EXCLUDED.total_boinc_credits,
         total_rewards = s.total_rewards + EXCLUDED.total_rewards,
         pending_rewards = s.pending_rewards + EXCLUDED.pending_rewards,
         work_breakdown = chert_breakdown_add(s.work_breakdown, EXCLUDED.work_breakdown),
         updated_at = EXCLUDED.updated_at
     RETURNING identity_id"
);

/// Rows that hold nothing any more after the submissions `$1` were subtracted and before they are
/// changed: afterwards nothing names the keys.
const DELETE_EMPTY: [&str; 6] = [
    "DELETE FROM pouw_hourly s USING (
         SELECT DISTINCT hour, account_key, identity_id, work_kind
         FROM work_contributions WHERE submission_id = ANY($1)) k
     WHERE s.hour = k.hour AND s.account_key = k.account_key AND s.identity_id = k.identity_id
       AND s.work_kind = k.work_kind AND s.tasks = 0",
    "DELETE FROM pouw_daily s USING (
         SELECT DISTINCT day, account_key, identity_id, work_kind, task_type, project_slug, oracle_id
         FROM work_contributions WHERE submission_id = ANY($1)) k
     WHERE s.day = k.day AND s.account_key = k.account_key AND s.identity_id = k.identity_id
       AND s.work_kind = k.work_kind AND s.task_type = k.task_type
       AND s.project_slug = k.project_slug AND s.oracle_id = k.oracle_id
       AND s.validated = 0 AND s.rejected = 0 AND s.timed_out = 0",
    "DELETE FROM pouw_totals s USING (
         SELECT DISTINCT work_kind, task_type, project_slug
         FROM work_contributions WHERE submission_id = ANY($1)) k
     WHERE s.work_kind = k.work_kind AND s.task_type IN (k.task_type, '')
       AND s.project_slug IN (k.project_slug, '')
       AND s.validated = 0 AND s.rejected = 0 AND s.timed_out = 0",
    "DELETE FROM oracle_hourly s USING (
         SELECT DISTINCT oracle_id, hour FROM work_contributions WHERE submission_id = ANY($1)) k
     WHERE s.oracle_id = k.oracle_id AND s.hour = k.hour
       AND s.validated = 0 AND s.rejected = 0 AND s.timed_out = 0",
    "DELETE FROM oracle_latency_hourly s USING (
         SELECT DISTINCT oracle_id, hour, latency_bucket
         FROM work_contributions WHERE submission_id = ANY($1)) k
     WHERE s.oracle_id = k.oracle_id AND s.hour = k.hour AND s.bucket = k.latency_bucket
       AND s.decided = 0",
    "DELETE FROM pouw_scores s USING (
         SELECT DISTINCT x.scope, c.work_kind, x.subject FROM work_contributions c
         CROSS JOIN LATERAL (VALUES (0::smallint, uuid_send(c.account_key)),
                                    (1::smallint, c.identity_id)) AS x(scope, subject)
         WHERE c.submission_id = ANY($1)) k
     WHERE s.scope = k.scope AND s.work_kind = k.work_kind AND s.subject = k.subject
       AND s.tasks_all = 0",
];

/// A change under way.
#[derive(Debug, Default)]
pub(crate) struct Rollups {
    changed: bool,
    identities: BTreeSet<Vec<u8>>,
    /// Accounts and identities that lost their first or last contribution: (kind, subject).
    account_edges: BTreeSet<(i16, Vec<u8>)>,
    identity_edges: BTreeSet<(i16, Vec<u8>)>,
}

impl Rollups {
    /// Takes away what these submissions count for, as they stand.
    pub(crate) async fn subtract(
        &mut self,
        db: &mut PgConnection,
        ids: &[Vec<u8>],
        now_s: i64,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.note_edges(db, ids).await?;
        self.apply(db, ids, -1, now_s).await?;
        for statement in DELETE_EMPTY {
            sqlx::query(statement).bind(ids).execute(&mut *db).await?;
        }
        Ok(())
    }

    /// Adds what these submissions count for, as they stand.
    pub(crate) async fn add(
        &mut self,
        db: &mut PgConnection,
        ids: &[Vec<u8>],
        now_s: i64,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.apply(db, ids, 1, now_s).await
    }

    async fn apply(
        &mut self,
        db: &mut PgConnection,
        ids: &[Vec<u8>],
        sign: i64,
        now_s: i64,
    ) -> Result<(), StoreError> {
        self.changed = true;
        for statement in UPSERTS {
            sqlx::query(statement).bind(ids).bind(sign).execute(&mut *db).await?;
        }
        let touched: Vec<Vec<u8>> = sqlx::query_scalar(UPSERT_STATS)
            .bind(ids)
            .bind(sign)
            .bind(now_s)
            .fetch_all(&mut *db)
            .await?;
        self.identities.extend(touched);
        Ok(())
    }

    /// Notes the subjects whose first or last contribution is among these.
    async fn note_edges(
        &mut self,
        db: &mut PgConnection,
        ids: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        let rows = sqlx::query!(
            r#"SELECT s.scope, s.work_kind, s.subject
               FROM (SELECT x.scope, c.work_kind, x.subject, min(c.placed_s) AS first_at,
                            max(c.placed_s) AS last_at
                     FROM work_contributions c
                     CROSS JOIN LATERAL (VALUES (0::smallint, uuid_send(c.account_key)),
                                                (1::smallint, c.identity_id)) AS x(scope, subject)
                     WHERE c.counted AND c.submission_id = ANY($1)
                     GROUP BY x.scope, c.work_kind, x.subject) lost
               JOIN pouw_scores s ON s.scope = lost.scope AND s.work_kind = lost.work_kind
                                 AND s.subject = lost.subject
               WHERE lost.first_at <= s.first_at OR lost.last_at >= s.last_at"#,
            ids
        )
        .fetch_all(db)
        .await?;
        for row in rows {
            let edges =
                if row.scope == 0 { &mut self.account_edges } else { &mut self.identity_edges };
            edges.insert((row.work_kind, row.subject));
        }
        Ok(())
    }

    /// Finds the first and last contributions again where they were lost, deletes what is empty and
    /// counts the change.
    pub(crate) async fn settle(self, db: &mut PgConnection) -> Result<(), StoreError> {
        if !self.changed {
            return Ok(());
        }
        settle_accounts(db, &self.account_edges).await?;
        settle_identities(db, &self.identity_edges).await?;
        let identities: Vec<Vec<u8>> = self.identities.into_iter().collect();
        sqlx::query!(
            "UPDATE pouw_stats s SET active_since = x.first_at, last_contribution = x.last_at
             FROM (SELECT subject, min(first_at) AS first_at, max(last_at) AS last_at
                   FROM pouw_scores WHERE scope = 1 AND work_kind = ANY('{0,1}')
                     AND subject = ANY($1)
                   GROUP BY subject) x
             WHERE s.identity_id = x.subject",
            &identities
        )
        .execute(&mut *db)
        .await?;
        sqlx::query!(
            "DELETE FROM pouw_stats WHERE identity_id = ANY($1) AND work_breakdown = '{}'",
            &identities
        )
        .execute(&mut *db)
        .await?;
        sqlx::query!("UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'")
            .execute(&mut *db)
            .await?;
        notify_readers(db).await
    }
}

type Edges = BTreeSet<(i16, Vec<u8>)>;

fn columns(edges: &Edges) -> (Vec<i16>, Vec<Vec<u8>>) {
    edges.iter().cloned().unzip()
}

/// Index: `work_submissions_account`, from either end.
async fn settle_accounts(db: &mut PgConnection, edges: &Edges) -> Result<(), StoreError> {
    if edges.is_empty() {
        return Ok(());
    }
    let (kinds, subjects) = columns(edges);
    sqlx::query!(
        "UPDATE pouw_scores s SET first_at = e.first_at, last_at = e.last_at
         FROM (SELECT t.kind, t.subject,
                      (SELECT w.validated_s FROM work_submissions w
                       WHERE w.account_key = encode(t.subject, 'hex')::uuid
                         AND w.work_kind = t.kind AND w.validated_at IS NOT NULL
                         AND w.status = 2 AND w.reward_status NOT IN (4, 5)
                         AND NOT w.duplicate_claim
                       ORDER BY w.validated_at LIMIT 1) AS first_at,
                      (SELECT w.validated_s FROM work_submissions w
                       WHERE w.account_key = encode(t.subject, 'hex')::uuid
                         AND w.work_kind = t.kind AND w.validated_at IS NOT NULL
                         AND w.status = 2 AND w.reward_status NOT IN (4, 5)
                         AND NOT w.duplicate_claim
                       ORDER BY w.validated_at DESC NULLS FIRST LIMIT 1) AS last_at
               FROM UNNEST($1::smallint[], $2::bytea[]) AS t(kind, subject)) e
         WHERE s.scope = 0 AND s.work_kind = e.kind AND s.subject = e.subject
           AND e.first_at IS NOT NULL",
        &kinds,
        &subjects
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Index: `work_submissions_identity`, from either end.
async fn settle_identities(db: &mut PgConnection, edges: &Edges) -> Result<(), StoreError> {
    if edges.is_empty() {
        return Ok(());
    }
    let (kinds, subjects) = columns(edges);
    sqlx::query!(
        "UPDATE pouw_scores s SET first_at = e.first_at, last_at = e.last_at
         FROM (SELECT t.kind, t.subject,
                      (SELECT w.validated_s FROM work_submissions w
                       WHERE w.identity_id = t.subject
                         AND w.work_kind = t.kind AND w.validated_at IS NOT NULL
                         AND w.status = 2 AND w.reward_status NOT IN (4, 5)
                         AND NOT w.duplicate_claim
                       ORDER BY w.validated_at LIMIT 1) AS first_at,
                      (SELECT w.validated_s FROM work_submissions w
                       WHERE w.identity_id = t.subject
                         AND w.work_kind = t.kind AND w.validated_at IS NOT NULL
                         AND w.status = 2 AND w.reward_status NOT IN (4, 5)
                         AND NOT w.duplicate_claim
                       ORDER BY w.validated_at DESC NULLS FIRST LIMIT 1) AS last_at
               FROM UNNEST($1::smallint[], $2::bytea[]) AS t(kind, subject)) e
         WHERE s.scope = 1 AND s.work_kind = e.kind AND s.subject = e.subject
           AND e.first_at IS NOT NULL",
        &kinds,
        &subjects
    )
    .execute(db)
    .await?;
    Ok(())
}
