//! Totals of the network, of its types of task and of its projects.

use sqlx::PgExecutor;

use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, Store, StoreError};

/// Types of task that are shown at most, those with most validated work.
pub const TASK_TYPES_MAX: i64 = 100;

/// Decided work and what it earned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkTotals {
    /// Counted submissions.
    pub validated: i64,
    /// Rejected submissions.
    pub rejected: i64,
    /// Submissions that ran out of time.
    pub timed_out: i64,
    /// Granted, decimal text.
    pub credits: String,
    /// Base units, decimal text.
    pub rewards: String,
    /// Decimal text.
    pub difficulty: String,
}

/// A type of task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskTypeRow {
    /// 0 nuw, 1 boinc.
    pub work_kind: i16,
    /// Canonical name; empty for the total of the kind.
    pub task_type: String,
    /// Its totals.
    pub totals: WorkTotals,
}

/// Subjects on the newest board of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantsRow {
    /// E.g. `addresses/nuw/day/tasks`.
    pub board: String,
    /// Subjects with a score above zero.
    pub participants: i64,
    /// Unix milliseconds.
    pub computed_at_ms: i64,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRow {
    /// What projects are told apart by.
    pub slug: String,
    /// A spelling.
    pub project: String,
    /// Its totals.
    pub totals: WorkTotals,
}

/// Builds [`WorkTotals`] from a row.
macro_rules! totals_of {
    ($row:expr) => {
        WorkTotals {
            validated: present("pouw_totals.validated", $row.validated)?,
            rejected: present("pouw_totals.rejected", $row.rejected)?,
            timed_out: present("pouw_totals.timed_out", $row.timed_out)?,
            credits: present("pouw_totals.credits", $row.credits)?,
            rewards: present("pouw_totals.rewards", $row.rewards)?,
            difficulty: present("pouw_totals.difficulty", $row.difficulty)?,
        }
    };
}

/// The network's totals and the participants of some boards, of one snapshot.
pub async fn get_network(
    store: &Store,
    boards: &[String],
) -> Result<(Checkpoint, Vec<TaskTypeRow>, Vec<ParticipantsRow>), StoreError> {
    let mut tx = store.begin_snapshot().await?;
    let (checkpoint, types) = list_task_types(&mut *tx).await?;
    let participants = list_participants(&mut *tx, boards).await?;
    tx.commit().await?;
    Ok((checkpoint, types, participants))
}

/// Totals of both kinds (with an empty type) and of types of task, most validated first.
/// `pouw_totals` has a row per kind, type and project only and is read whole.
async fn list_task_types(
    db: impl PgExecutor<'_>,
) -> Result<(Checkpoint, Vec<TaskTypeRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  t.work_kind AS "work_kind?", t.task_type AS "task_type?", t.validated,
                  t.rejected, t.timed_out, t.credits, t.rewards, t.difficulty
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT work_kind, task_type, sum(validated)::bigint AS validated,
                      sum(rejected)::bigint AS rejected, sum(timed_out)::bigint AS timed_out,
                      trim_scale(sum(credits))::text AS credits,
                      trim_scale(sum(rewards))::text AS rewards,
                      trim_scale(sum(difficulty))::text AS difficulty
               FROM pouw_totals GROUP BY work_kind, task_type
               ORDER BY task_type <> '', sum(validated) DESC, work_kind, task_type LIMIT $1
           ) t ON TRUE
           WHERE c.pipeline = 'chain'
           ORDER BY t.task_type <> '', t.validated DESC, t.work_kind, t.task_type"#,
        TASK_TYPES_MAX
    );
    let rows = timed!("list_task_types", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut types = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(work_kind), Some(task_type)) = (row.work_kind, row.task_type) else { continue };
        types.push(TaskTypeRow { work_kind, task_type, totals: totals_of!(row) });
    }
    Ok((checkpoint, types))
}

/// Participants of the newest boards of some names. Index: `leaderboard_snapshots_board`.
async fn list_participants(
    db: impl PgExecutor<'_>,
    boards: &[String],
) -> Result<Vec<ParticipantsRow>, StoreError> {
    let statement = sqlx::query_as!(
        ParticipantsRow,
        r#"SELECT b.board AS "board!", s.participants, s.computed_at AS computed_at_ms
           FROM UNNEST($1::text[]) b(board)
           CROSS JOIN LATERAL (
               SELECT participants, computed_at FROM leaderboard_snapshots
               WHERE board = b.board ORDER BY snapshot_id DESC LIMIT 1
           ) s"#,
        boards
    );
    timed!("list_participants", statement.fetch_all(db)).await
}

/// Projects after a slug, by slug. `pouw_totals` is read whole.
pub async fn list_projects(
    db: impl PgExecutor<'_>,
    after: &str,
    offset: u32,
    rows: i64,
) -> Result<(Checkpoint, Vec<ProjectRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  p.project_slug AS "slug?", p.project, p.validated, p.rejected, p.timed_out,
                  p.credits, p.rewards, p.difficulty
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT project_slug, COALESCE(min(project), project_slug) AS project,
                      sum(validated)::bigint AS validated, sum(rejected)::bigint AS rejected,
                      sum(timed_out)::bigint AS timed_out,
                      trim_scale(sum(credits))::text AS credits,
                      trim_scale(sum(rewards))::text AS rewards,
                      trim_scale(sum(difficulty))::text AS difficulty
               FROM pouw_totals
               WHERE project_slug <> '' AND task_type <> '' AND project_slug COLLATE "C" > $1
               GROUP BY project_slug ORDER BY project_slug COLLATE "C" OFFSET $2 LIMIT $3
           ) p ON TRUE
           WHERE c.pipeline = 'chain'
           ORDER BY p.project_slug COLLATE "C""#,
        after,
        i64::from(offset),
        rows
    );
    let rows = timed!("list_projects", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut projects = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(slug) = row.slug else { continue };
        projects.push(ProjectRow {
            slug,
            project: present("pouw_totals.project", row.project)?,
            totals: totals_of!(row),
        });
    }
    Ok((checkpoint, projects))
}
