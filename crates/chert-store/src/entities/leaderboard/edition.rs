//! Which edition of a board a reader is shown.

use sqlx::PgExecutor;

use super::board::Board;
use crate::read::{checkpoint_of, no_checkpoint, timed};
use crate::{Checkpoint, StoreError};

/// What the newest page of a board of identities follows from. Two equal ones show the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// The snapshot.
    pub snapshot_id: i64,
    /// When it was computed, Unix milliseconds.
    pub computed_at_ms: i64,
    /// How often anything changed of what identities show.
    pub visibility: i64,
}

/// The present edition of a board of identities; `None` before the first board. Indexes: `leaderboard_snapshots_board`.
///
/// # Errors
/// Where the database does not answer.
pub async fn find_edition(
    db: impl PgExecutor<'_>,
    board: Board,
) -> Result<(Checkpoint, Option<Edition>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk, v.generation,
                  s.snapshot_id AS "snapshot_id?", s.computed_at AS "computed_at?"
           FROM checkpoints c
           CROSS JOIN visibility v
           LEFT JOIN LATERAL (
               SELECT snapshot_id, computed_at FROM leaderboard_snapshots
               WHERE board = $1 ORDER BY snapshot_id DESC LIMIT 1
           ) s ON TRUE
           WHERE c.pipeline = 'chain' AND v.id = 1"#,
        board.to_string()
    );
    let row = timed!("find_board_edition", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let visibility = row.generation;
    let edition = row
        .snapshot_id
        .zip(row.computed_at)
        .map(|(snapshot_id, computed_at_ms)| Edition { snapshot_id, computed_at_ms, visibility });
    Ok((checkpoint_of!(row), edition))
}
