//! Reading the log in order.

use sqlx::{PgConnection, PgExecutor};

use super::row::EventRow;
use super::search::search;
use super::{Event, EventFilter, EventPage, LogHead};
use crate::read::{checkpoint_of, no_checkpoint, timed};
use crate::{Checkpoint, Store, StoreError};

/// Most events of a page.
pub const EVENTS_MAX: i64 = 1_000;

impl Store {
    /// A page of events after the number `after`, at most `limit` (1 to [`EVENTS_MAX`]), by number.
    ///
    /// Reading on at `scanned_to` gives every event that meets the filter once. Where events after
    /// `after` are forgotten already ([`LogHead::has_expired`]), the page begins with the oldest
    /// that is kept: whoever must not miss any has to compare.
    pub async fn list_events(
        &self,
        after: i64,
        filter: &EventFilter,
        limit: i64,
    ) -> Result<EventPage, StoreError> {
        let mut tx = self.begin_snapshot().await?;
        // Plans made for any range of numbers look dear enough to be compiled, which takes seconds; a
        // connection through a pooler may not have that turned off.
        sqlx::query!("SET LOCAL jit = off").execute(&mut *tx).await?;
        let (checkpoint, head) = load_head(&mut *tx).await?;
        let span = Span {
            after: after.max(head.oldest_seq - 1),
            last: head.last_seq.min(filter.up_to_seq.unwrap_or(i64::MAX)),
            limit: limit.clamp(1, EVENTS_MAX),
        };
        let (events, scanned_to) = match span.after < span.last {
            false => (Vec::new(), span.after),
            true if filter.is_open() => {
                let last = span.last.min(span.after.saturating_add(span.limit));
                (list_numbers(&mut tx, span.after, last).await?, last)
            }
            true => search(&mut tx, span, filter).await?,
        };
        tx.commit().await?;
        Ok(EventPage { checkpoint, head, events, scanned_to })
    }

    /// The ends of the log, and the checkpoint of the same moment.
    pub async fn event_head(&self) -> Result<(Checkpoint, LogHead), StoreError> {
        load_head(self.readers()).await
    }
}

/// Numbers above `after` up to `last`, at most `limit` events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) after: i64,
    pub(super) last: i64,
    pub(super) limit: i64,
}

/// Indexes: the primary keys of all three tables.
async fn load_head(db: impl PgExecutor<'_>) -> Result<(Checkpoint, LogHead), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk, h.last_seq,
                  COALESCE((SELECT e.seq - e.spans FROM event_log e ORDER BY e.seq LIMIT 1),
                           h.last_seq + 1) AS "oldest_seq!"
           FROM checkpoints c CROSS JOIN event_head h WHERE c.pipeline = 'chain' AND h.id = 1"#
    );
    let row = timed!("get_event_head", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let head = LogHead { oldest_seq: row.oldest_seq, last_seq: row.last_seq };
    Ok((checkpoint_of!(row), head))
}

pub(super) fn events_of(rows: Vec<EventRow>) -> Result<Vec<Event>, StoreError> {
    rows.into_iter().map(EventRow::into_event).collect()
}

/// Everything with the numbers above `after` up to `last`.
pub(super) async fn list_numbers(
    db: &mut PgConnection,
    after: i64,
    last: i64,
) -> Result<Vec<Event>, StoreError> {
    let statement = sqlx::query_file_as!(EventRow, "src/entities/event/numbers.sql", after, last);
    events_of(timed!("list_events", statement.fetch_all(db)).await?)
}
