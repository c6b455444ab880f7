//! The rows of blocks alone, for readers who wait until a block has enough others above it.

use sqlx::PgExecutor;

use crate::StoreError;
use crate::read::timed;

/// Rows before a number at most.
const BLOCK_ROWS_MAX: i64 = 1_024;
/// Rows at some heights at most: a height has few, as often as it was reorganised.
const BLOCK_ROWS_AT_MAX: i64 = 50_000;

/// A block applied or retracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRow {
    /// First number of its events.
    pub first_seq: i64,
    /// Last number of its events.
    pub last_seq: i64,
    /// Applied, else retracted.
    pub applied: bool,
    /// The block's height.
    pub height: i64,
}

/// The last rows of blocks that begin before the number `seq`, newest first. Index:
/// `event_log_type`, once for each type.
pub async fn list_block_rows_before(
    db: impl PgExecutor<'_>,
    seq: i64,
    limit: i64,
) -> Result<Vec<BlockRow>, StoreError> {
    let statement = sqlx::query_as!(
        BlockRow,
        r#"SELECT e.seq - e.spans AS "first_seq!", e.seq AS "last_seq!",
                  e.type = 'block.applied' AS "applied!", e.height AS "height!"
           FROM ((SELECT * FROM event_log WHERE type = 'block.applied' AND seq < $1
                  ORDER BY seq DESC LIMIT $2)
                 UNION ALL
                 (SELECT * FROM event_log WHERE type = 'block.retracted' AND seq < $1
                  ORDER BY seq DESC LIMIT $2)) e
           ORDER BY e.seq DESC LIMIT $2"#,
        seq,
        limit.clamp(0, BLOCK_ROWS_MAX)
    );
    timed!("list_block_rows_before", statement.fetch_all(db)).await
}

/// The rows of all blocks at `heights`, and of those at `from_height` and above, by number. Index:
/// `event_log_block`, twice.
pub async fn list_block_rows_at(
    db: impl PgExecutor<'_>,
    heights: &[i64],
    from_height: i64,
) -> Result<Vec<BlockRow>, StoreError> {
    let statement = sqlx::query_as!(
        BlockRow,
        r#"SELECT e.seq - e.spans AS "first_seq!", e.seq AS "last_seq!",
                  e.type = 'block.applied' AS "applied!", e.height AS "height!"
           FROM (SELECT seq, spans, type, height FROM event_log
                 WHERE type IN ('block.applied', 'block.retracted') AND height = ANY($1)
                 UNION
                 SELECT seq, spans, type, height FROM event_log
                 WHERE type IN ('block.applied', 'block.retracted') AND height >= $2) e
           ORDER BY e.seq LIMIT $3"#,
        heights,
        from_height,
        BLOCK_ROWS_AT_MAX
    );
    timed!("list_block_rows_at", statement.fetch_all(db)).await
}
