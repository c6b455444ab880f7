//! Writing events that are rows of their own, and giving numbers.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::EventType;
use crate::{StoreError, TIP_CHANNEL};

/// What happened longer ago is history and no news: nobody can have been listening, and the first
/// reading of an oracle or of the registry must not flood the log. As long as the log is kept at
/// least, Unix seconds.
pub const NEWS_AGE_S_MAX: i64 = 3 * 24 * 3_600;

/// An event that has no number yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewEvent {
    kind: EventType,
    data: Value,
    address_key: Option<Uuid>,
    identity_id: Option<Vec<u8>>,
}

impl NewEvent {
    /// What happened, and what it says: nothing that not everybody may know.
    pub(crate) fn new(kind: EventType, data: Value) -> Self {
        Self { kind, data, address_key: None, identity_id: None }
    }

    /// Whom it concerns.
    pub(crate) fn about(self, address_key: Option<Uuid>, identity_id: Option<Vec<u8>>) -> Self {
        Self { address_key, identity_id, ..self }
    }
}

/// Gives `count` numbers, the first of them, and wakes readers when the transaction commits.
///
/// Holds every other writer of events until the transaction ends: to be called as its last step
/// but one, and after every other lock.
pub(super) async fn take_numbers(db: &mut PgConnection, count: i64) -> Result<i64, StoreError> {
    let row = sqlx::query!(
        "UPDATE event_head SET last_seq = last_seq + $1 WHERE id = 1
         RETURNING last_seq, pg_notify($2, '')::text AS woken",
        count,
        TIP_CHANNEL
    )
    .fetch_one(db)
    .await?;
    Ok(row.last_seq - count + 1)
}

/// Writes events in their order, learned under a block where one is given; the last step of a
/// transaction before its commit. Nothing happens without events.
pub(crate) async fn put_events(
    db: &mut PgConnection,
    events: &[NewEvent],
    under: Option<(i64, &[u8])>,
    now_s: i64,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let first = take_numbers(db, i64::try_from(events.len()).unwrap_or(i64::MAX)).await?;
    put_numbered(db, events, first, under, now_s).await
}

/// Writes events whose numbers, from `first` on, have been given.
pub(super) async fn put_numbered(
    db: &mut PgConnection,
    events: &[NewEvent],
    first: i64,
    under: Option<(i64, &[u8])>,
    now_s: i64,
) -> Result<(), StoreError> {
    let kinds: Vec<&str> = events.iter().map(|e| e.kind.as_str()).collect();
    let keys: Vec<Option<Uuid>> = events.iter().map(|e| e.address_key).collect();
    let identities: Vec<Option<&[u8]>> = events.iter().map(|e| e.identity_id.as_deref()).collect();
    let data: Vec<&Value> = events.iter().map(|e| &e.data).collect();
    sqlx::query!(
        "INSERT INTO event_log (seq, type, height, hash, created_at, address_key, identity_id, data)
         SELECT $1 + t.n - 1, t.type, $2, $3, $4, t.address_key, t.identity_id, t.data
         FROM UNNEST($5::text[], $6::uuid[], $7::bytea[], $8::jsonb[]) WITH ORDINALITY
             AS t(type, address_key, identity_id, data, n)",
        first,
        under.map(|(height, _)| height),
        under.map(|(_, hash)| hash),
        now_s,
        &kinds as &[&str],
        &keys as &[Option<Uuid>],
        &identities as &[Option<&[u8]>],
        &data as &[&Value]
    )
    .execute(db)
    .await?;
    Ok(())
}
