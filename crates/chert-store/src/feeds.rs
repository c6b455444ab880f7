//! Progress of what is read from the node beside its blocks: the identity registry and governance;
//! and the rule under which it may be stored.
//!
//! A feed transaction first holds the chain's checkpoint and checks that the block under which the
//! node was read is still on the indexed chain, then its own row of `feeds`, then writes. Lock order
//! of every writer: checkpoints, identity, governance, work, `pouw_clock`, `event_head`.

use silica_models::Height;
use sqlx::{PgConnection, PgExecutor};

use crate::locks::AdvisoryLock;
use crate::{Store, StoreError, TIP_CHANNEL};

/// What is read beside the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// The node's identity registry.
    Identity,
    /// Proposals, votes, delegations and voting power.
    Governance,
    /// The oracles' work feeds. Their progress is kept per oracle; this row is only locked and
    /// counted.
    Work,
}

impl Feed {
    /// Name in `feeds` and `feed_quarantine`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Governance => "governance",
            Self::Work => "work",
        }
    }
}

/// How far a feed has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedCheckpoint {
    /// Everything up to this block is in; −1 before the first round.
    pub height: i64,
    /// Hash of the block under which it was read; empty before the first round.
    pub hash: Vec<u8>,
    /// Unix seconds of the last complete round; 0 before it.
    pub synced_at: i64,
    /// Commits of the feed so far.
    pub generation: i64,
}

/// A record that could not be understood or trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRecord {
    /// What distinguishes it inside its feed; cut to [`REJECTED_KEY_BYTES_MAX`].
    pub key: String,
    /// Block it belongs to, where it has one.
    pub height: Option<i64>,
    /// Why it was refused.
    pub reason: String,
    /// The record as it came; cut to [`REJECTED_RAW_BYTES_MAX`].
    pub raw: Vec<u8>,
}

/// Longest key of a rejected record that is kept, in bytes.
pub const REJECTED_KEY_BYTES_MAX: usize = 256;
/// As much of a rejected record as is kept, in bytes.
pub const REJECTED_RAW_BYTES_MAX: usize = 64 * 1024;
/// Rejected records that are kept per feed; further ones are only counted by the caller.
pub const REJECTED_ROWS_MAX: i64 = 10_000;

/// What became of a feed's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedOutcome {
    /// It is stored.
    Stored,
    /// The block under which the node was read is not on the indexed chain (any more): nothing was
    /// stored, the node is to be read again.
    Moved,
}

/// Keeps the indexed chain as it is until the transaction ends.
pub(crate) async fn hold_chain(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", AdvisoryLock::ChainGate.key())
        .execute(db)
        .await?;
    Ok(())
}

/// Waits until nobody needs the indexed chain to stand still, and keeps others waiting until the
/// transaction ends.
pub(crate) async fn move_chain(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", AdvisoryLock::ChainGate.key())
        .execute(db)
        .await?;
    Ok(())
}

/// Holds the chain until the transaction ends and tells whether the block `hash` at `height` is on
/// it, so that the answer stays true until the commit.
///
/// `false` also during a bulk backfill, when feeds do not run.
pub(crate) async fn lock_chain_at(
    db: &mut PgConnection,
    height: Height,
    hash: &[u8],
) -> Result<bool, StoreError> {
    let height = i64::try_from(height).unwrap_or(i64::MAX);
    hold_chain(db).await?;
    let held = sqlx::query_scalar!(
        "SELECT NOT c.bulk AND EXISTS (SELECT 1 FROM blocks b
                                       WHERE b.height = $1 AND b.hash = $2) AS \"same!\"
         FROM checkpoints c WHERE c.pipeline = 'chain'",
        height,
        hash
    )
    .fetch_one(db)
    .await?;
    Ok(held)
}

/// Locks a feed's row until the transaction ends and reads it.
pub(crate) async fn lock_feed(
    db: &mut PgConnection,
    feed: Feed,
) -> Result<FeedCheckpoint, StoreError> {
    let checkpoint = sqlx::query_as!(
        FeedCheckpoint,
        "SELECT height, hash, synced_at, generation FROM feeds WHERE feed = $1 FOR UPDATE",
        feed.as_str()
    )
    .fetch_one(db)
    .await?;
    Ok(checkpoint)
}

/// Sets how far a locked feed has come and counts the commit.
pub(crate) async fn advance_feed(
    db: &mut PgConnection,
    feed: Feed,
    height: Height,
    hash: &[u8],
    now_s: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE feeds SET height = $2, hash = $3, synced_at = $4, generation = generation + 1
         WHERE feed = $1",
        feed.as_str(),
        i64::try_from(height).unwrap_or(i64::MAX),
        hash,
        now_s
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sets a feed back to the ancestor of a reorganisation, if it had come further, so that it reads
/// everything above again; and counts the change.
pub(crate) async fn unwind_feed(
    db: &mut PgConnection,
    feed: Feed,
    ancestor: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE feeds SET height = $2, generation = generation + 1,
                hash = COALESCE((SELECT b.hash FROM blocks b WHERE b.height = $2), '')
         WHERE feed = $1 AND height > $2",
        feed.as_str(),
        ancestor
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Wakes the caches of every process when the transaction commits.
pub(crate) async fn notify_readers(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_notify($1, '')", TIP_CHANNEL).execute(db).await?;
    Ok(())
}

/// Keeps rejected records of a feed (`identity`, `governance`, `oracle:<oracle_id>`), the latest
/// per key, while the feed holds fewer than [`REJECTED_ROWS_MAX`].
pub(crate) async fn put_rejected(
    db: &mut PgConnection,
    feed_name: &str,
    rejected: &[RejectedRecord],
    now_s: i64,
) -> Result<(), StoreError> {
    if rejected.is_empty() {
        return Ok(());
    }
    // The last record of a key wins: one statement must not touch a row twice.
    let latest: std::collections::BTreeMap<String, &RejectedRecord> = rejected
        .iter()
        .map(|record| (cut_text(&record.key, REJECTED_KEY_BYTES_MAX), record))
        .collect();
    let keys: Vec<&str> = latest.keys().map(String::as_str).collect();
    let heights: Vec<Option<i64>> = latest.values().map(|r| r.height).collect();
    let reasons: Vec<String> =
        latest.values().map(|r| cut_text(&r.reason, REJECTED_KEY_BYTES_MAX)).collect();
    let raws: Vec<&[u8]> =
        latest.values().map(|r| &r.raw[..r.raw.len().min(REJECTED_RAW_BYTES_MAX)]).collect();
    sqlx::query!(
        "INSERT INTO feed_quarantine AS q (feed, key, height, reason, raw, seen_at)
         SELECT $1, t.key, t.height, t.reason, t.raw, $6
         FROM UNNEST($2::text[], $3::bigint[], $4::text[], $5::bytea[])
             AS t(key, height, reason, raw)
         WHERE (SELECT count(*) FROM (SELECT 1 FROM feed_quarantine
                                      WHERE feed = $1 LIMIT $7) f) < $7
         ON CONFLICT (feed, key) DO UPDATE SET height = EXCLUDED.height,
             reason = EXCLUDED.reason, raw = EXCLUDED.raw, seen_at = EXCLUDED.seen_at",
        feed_name,
        &keys as &[&str],
        &heights as &[Option<i64>],
        &reasons,
        &raws as &[&[u8]],
        now_s,
        REJECTED_ROWS_MAX
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets rejected records of a feed that belong to blocks above `ancestor`.
pub(crate) async fn unwind_rejected(
    db: &mut PgConnection,
    feed_name: &str,
    ancestor: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM feed_quarantine WHERE feed = $1 AND height > $2",
        feed_name,
        ancestor
    )
    .execute(db)
    .await?;
    Ok(())
}

impl Store {
    /// How far a feed has come.
    pub async fn feed_checkpoint(&self, feed: Feed) -> Result<FeedCheckpoint, StoreError> {
        load_feed(self.pool(), feed).await
    }
}

/// Reads a feed's row without locking it. Index: `feeds_pkey`.
pub(crate) async fn load_feed(
    db: impl PgExecutor<'_>,
    feed: Feed,
) -> Result<FeedCheckpoint, StoreError> {
    let checkpoint = sqlx::query_as!(
        FeedCheckpoint,
        "SELECT height, hash, synced_at, generation FROM feeds WHERE feed = $1",
        feed.as_str()
    )
    .fetch_one(db)
    .await?;
    Ok(checkpoint)
}

/// At most `bytes_max` bytes of `text`, cut between characters, without NUL, which the database
/// does not take.
fn cut_text(text: &str, bytes_max: usize) -> String {
    let text = text.replace('\0', "");
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut_text("abc", 10), "abc");
        assert_eq!(cut_text("a\0bc", 2), "ab");
        assert_eq!(cut_text("aé", 2), "a");
        assert_eq!(cut_text("é", 0), "");
    }
}
