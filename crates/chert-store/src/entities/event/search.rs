//! Reading what meets a filter, at a cost that the page bounds and not the length of the log.
//!
//! Where every event is a row of its own, the indexes of subjects and types lead to it.
//! Transactions have no rows: they are looked for in a window of numbers, which begins where the
//! indexes say that the next one can stand at the earliest. So a page may hold fewer events than
//! were asked for although more follow; `scanned_to` says where to read on.

use sqlx::PgConnection;
use uuid::Uuid;

use super::query::{Span, events_of, list_numbers};
use super::row::EventRow;
use super::{Event, EventFilter, EventType};
use crate::StoreError;
use crate::read::timed;

/// Numbers that are looked at for one page where transactions are looked for by their type.
const TYPE_WINDOW: i64 = 2_000;
/// The same where they are looked for by address, which reads nothing of other addresses.
const ADDRESS_WINDOW: i64 = 10_000;

/// Events of the span that meet the filter, and how far was looked.
pub(super) async fn search(
    db: &mut PgConnection,
    span: Span,
    filter: &EventFilter,
) -> Result<(Vec<Event>, i64), StoreError> {
    let wanted = filter.wanted();
    if !wanted.iter().any(|kind| kind.is_transaction()) {
        let events = list_subjects(db, span, filter, &wanted).await?;
        return Ok(cut(events, span.limit, span.last));
    }
    match filter.address {
        Some(key) => search_address(db, span, filter, &wanted, key.to_uuid()).await,
        None => search_types(db, span, filter, &wanted).await,
    }
}

/// At most `limit` events, and how far they reach where everything up to `scanned_to` was seen.
fn cut(mut events: Vec<Event>, limit: i64, scanned_to: i64) -> (Vec<Event>, i64) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if events.len() < limit {
        return (events, scanned_to);
    }
    events.truncate(limit);
    let reached = events.last().map_or(scanned_to, |event| event.seq);
    (events, reached)
}

/// Names of the rows that hold these types.
fn rows_of(kinds: &[EventType]) -> Vec<&'static str> {
    let mut rows: Vec<&str> = kinds.iter().map(|kind| kind.row().as_str()).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

async fn search_types(
    db: &mut PgConnection,
    span: Span,
    filter: &EventFilter,
    wanted: &[EventType],
) -> Result<(Vec<Event>, i64), StoreError> {
    let Some(first) = find_next_row(db, span.after, &rows_of(wanted)).await? else {
        return Ok((Vec::new(), span.last));
    };
    let after = span.after.max(first - 1);
    let last = span.last.min(after.saturating_add(TYPE_WINDOW.max(span.limit)));
    if after >= last {
        return Ok((Vec::new(), span.last));
    }
    let mut events = list_numbers(db, after, last).await?;
    events.retain(|event| filter.matches(event));
    Ok(cut(events, span.limit, last))
}

async fn search_address(
    db: &mut PgConnection,
    span: Span,
    filter: &EventFilter,
    wanted: &[EventType],
    key: Uuid,
) -> Result<(Vec<Event>, i64), StoreError> {
    let (moved, own): (Vec<EventType>, Vec<EventType>) =
        wanted.iter().partition(|kind| kind.is_transaction());
    let mut events = list_subjects(db, span, filter, &own).await?;
    // No later than where the rows' events end, so that none is passed over.
    let (_, seen) = cut(events.clone(), span.limit, span.last);
    let next = sqlx::query_file_scalar!("src/entities/event/next_party.sql", span.after, key);
    let next = timed!("find_next_party", next.fetch_one(&mut *db)).await?;
    let after = span.after.max(next.map_or(seen, |first| first - 1));
    let last = seen.min(after.saturating_add(ADDRESS_WINDOW));
    if after >= last {
        return Ok(cut(events, span.limit, seen));
    }
    let rows = rows_of(&moved);
    let statement = sqlx::query_file_as!(
        EventRow,
        "src/entities/event/party.sql",
        after,
        last,
        key,
        &rows as &[&str],
        span.limit
    );
    let found = events_of(timed!("list_party_events", statement.fetch_all(db)).await?)?;
    events.retain(|event| event.seq <= last);
    events.extend(found);
    events.sort_unstable_by_key(|event| event.seq);
    Ok(cut(events, span.limit, last))
}

/// Number with which the next row of one of these types begins. Index: `event_log_type`.
async fn find_next_row(
    db: &mut PgConnection,
    after: i64,
    rows: &[&str],
) -> Result<Option<i64>, StoreError> {
    let statement = sqlx::query_scalar!(
        r#"SELECT min(e.first) FROM UNNEST($2::text[]) t(type)
           CROSS JOIN LATERAL (SELECT seq - spans AS first FROM event_log
                               WHERE type = t.type AND seq > $1 ORDER BY seq LIMIT 1) e"#,
        after,
        rows as &[&str]
    );
    timed!("find_next_event", statement.fetch_one(db)).await
}

/// Events that are rows of their own, at most the span's limit.
async fn list_subjects(
    db: &mut PgConnection,
    span: Span,
    filter: &EventFilter,
    kinds: &[EventType],
) -> Result<Vec<Event>, StoreError> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let kinds = rows_of(kinds);
    let seqs = match (&filter.identity, filter.address) {
        (Some(id), key) => {
            list_of_identity(db, span, &kinds, id.as_bytes(), key.map(|k| k.to_uuid())).await?
        }
        (None, Some(key)) => list_of_address(db, span, &kinds, key.to_uuid()).await?,
        (None, None) => list_of_types(db, span, &kinds).await?,
    };
    let statement = sqlx::query_file_as!(EventRow, "src/entities/event/subjects.sql", &seqs);
    let mut events = events_of(timed!("list_subject_events", statement.fetch_all(db)).await?)?;
    // The row of a block may lie half inside.
    events.retain(|event| event.seq > span.after && event.seq <= span.last);
    Ok(events)
}

/// Index: `event_log_identity`, per type.
async fn list_of_identity(
    db: &mut PgConnection,
    span: Span,
    kinds: &[&str],
    identity: &[u8],
    key: Option<Uuid>,
) -> Result<Vec<i64>, StoreError> {
    let statement = sqlx::query_scalar!(
        r#"SELECT e.seq FROM UNNEST($3::text[]) t(type)
           CROSS JOIN LATERAL (
               SELECT seq FROM event_log
               WHERE identity_id = $5 AND type = t.type AND seq > $1 AND seq <= $2
                 AND ($6::uuid IS NULL OR address_key = $6)
               ORDER BY seq LIMIT $4) e
           ORDER BY e.seq LIMIT $4"#,
        span.after,
        span.last,
        kinds as &[&str],
        span.limit,
        identity,
        key
    );
    timed!("list_identity_events", statement.fetch_all(db)).await
}

/// Index: `event_log_address`, per type.
async fn list_of_address(
    db: &mut PgConnection,
    span: Span,
    kinds: &[&str],
    key: Uuid,
) -> Result<Vec<i64>, StoreError> {
    let statement = sqlx::query_scalar!(
        r#"SELECT e.seq FROM UNNEST($3::text[]) t(type)
           CROSS JOIN LATERAL (
               SELECT seq FROM event_log
               WHERE address_key = $5 AND type = t.type AND seq > $1 AND seq <= $2
               ORDER BY seq LIMIT $4) e
           ORDER BY e.seq LIMIT $4"#,
        span.after,
        span.last,
        kinds as &[&str],
        span.limit,
        key
    );
    timed!("list_address_events", statement.fetch_all(db)).await
}

/// Index: `event_log_type`, per type.
async fn list_of_types(
    db: &mut PgConnection,
    span: Span,
    kinds: &[&str],
) -> Result<Vec<i64>, StoreError> {
    // The event of an applied block is the first number of its row: only the row that `after` cuts
    // and the one that `last` cuts may be without it.
    let statement = sqlx::query_scalar!(
        r#"SELECT e.seq FROM UNNEST($3::text[]) t(type)
           CROSS JOIN LATERAL (
               SELECT seq FROM event_log
               WHERE type = t.type AND seq > $1
                 AND CASE type WHEN 'block.applied' THEN seq - spans ELSE seq END > $1
                 AND seq <= COALESCE((SELECT min(seq) FROM event_log WHERE seq >= $2), $2)
               ORDER BY seq LIMIT $4) e
           ORDER BY e.seq LIMIT $4"#,
        span.after,
        span.last,
        kinds as &[&str],
        span.limit
    );
    timed!("list_type_events", statement.fetch_all(db)).await
}
