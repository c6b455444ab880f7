//! How far an oracle's feed has been taken in, what was missed, and the items as they came.

use sqlx::PgConnection;

use crate::feeds::{RejectedRecord, put_rejected};
use crate::{Store, StoreError};

/// Items deleted in one step of [`Store::prune_feed_items`] at most.
pub const PRUNE_ITEMS_MAX: i64 = 5_000;

/// Where to read a feed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFeed {
    /// Counts the feeds seen of this oracle, from 1.
    pub feed_epoch: i32,
    /// Last item taken in; the next one to ask for is the one after it.
    pub cursor_seq: i64,
    /// Its hash; `None` before the first item and after a gap.
    pub last_hash: Option<[u8; 32]>,
}

fn open_feed(row: (i32, i64, Option<Vec<u8>>)) -> OpenFeed {
    let last_hash = row.2.and_then(|hash| <[u8; 32]>::try_from(hash).ok());
    OpenFeed { feed_epoch: row.0, cursor_seq: row.1, last_hash }
}

impl Store {
    /// Finds where to read on in the feed that an oracle serves now.
    ///
    /// A feed that was not the oracle's current one gets the next epoch and begins at its oldest
    /// item, also when it was seen earlier: what the oracle says last counts. The feed before it is
    /// marked as replaced. The oracle must have been stored.
    pub async fn open_feed(
        &self,
        oracle_id: &str,
        feed_id: &str,
        oldest_seq: i64,
        head_seq: i64,
        now_s: i64,
    ) -> Result<OpenFeed, StoreError> {
        let mut tx = self.begin().await?;
        // Held until the commit: two processes must not number epochs at once.
        sqlx::query!("SELECT oracle_id FROM oracles WHERE oracle_id = $1 FOR UPDATE", oracle_id)
            .fetch_optional(&mut *tx)
            .await?;
        let current = sqlx::query!(
            "UPDATE oracle_feeds SET oldest_seq = $3, head_seq = $4, updated_at = $5
             WHERE oracle_id = $1 AND feed_id = $2 AND state = 'current'
             RETURNING feed_epoch, cursor_seq, last_hash",
            oracle_id,
            feed_id,
            oldest_seq,
            head_seq,
            now_s
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = current {
            tx.commit().await?;
            return Ok(open_feed((row.feed_epoch, row.cursor_seq, row.last_hash)));
        }
        sqlx::query!(
            "UPDATE oracle_feeds SET state = 'replaced', updated_at = $2
             WHERE oracle_id = $1 AND state = 'current'",
            oracle_id,
            now_s
        )
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query!(
            "INSERT INTO oracle_feeds (oracle_id, feed_id, feed_epoch, cursor_seq, head_seq,
                                       oldest_seq, state, updated_at)
             SELECT $1, $2, COALESCE(max(feed_epoch), 0) + 1, $3::bigint - 1, $4, $3, 'current', $5
             FROM oracle_feeds WHERE oracle_id = $1
             ON CONFLICT (oracle_id, feed_id) DO UPDATE SET
                 feed_epoch = EXCLUDED.feed_epoch, cursor_seq = EXCLUDED.cursor_seq,
                 head_seq = EXCLUDED.head_seq, oldest_seq = EXCLUDED.oldest_seq, last_hash = NULL,
                 state = EXCLUDED.state, updated_at = EXCLUDED.updated_at
             RETURNING feed_epoch, cursor_seq, last_hash",
            oracle_id,
            feed_id,
            oldest_seq.max(1),
            head_seq,
            now_s
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(open_feed((row.feed_epoch, row.cursor_seq, row.last_hash)))
    }

    /// Records that items `from_seq..=to_seq` had expired before they could be read, and moves the
    /// cursor over them; `false` where the cursor is not just before them.
    pub async fn record_gap(
        &self,
        oracle_id: &str,
        feed_id: &str,
        from_seq: i64,
        to_seq: i64,
        now_s: i64,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "WITH moved AS (
                 UPDATE oracle_feeds SET cursor_seq = $4, last_hash = NULL, updated_at = $5,
                        oldest_seq = GREATEST(oldest_seq, $4::bigint + 1),
                        head_seq = GREATEST(head_seq, $4)
                 WHERE oracle_id = $1 AND feed_id = $2 AND state = 'current'
                   AND cursor_seq = $3::bigint - 1 AND $4 >= $3
                 RETURNING 1)
             INSERT INTO oracle_feed_gaps (oracle_id, feed_id, from_seq, to_seq, recorded_at)
             SELECT $1, $2, $3, $4, $5 FROM moved
             ON CONFLICT (oracle_id, feed_id, from_seq) DO UPDATE SET
                 to_seq = EXCLUDED.to_seq, recorded_at = EXCLUDED.recorded_at",
            oracle_id,
            feed_id,
            from_seq,
            to_seq,
            now_s
        )
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps an item that is not to be trusted (a wrong hash or signature) and counts it, without
    /// moving the cursor.
    pub async fn put_untrusted_item(
        &self,
        oracle_id: &str,
        feed_id: &str,
        item: &RejectedRecord,
        now_s: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        put_rejected(&mut tx, &quarantine_name(oracle_id), std::slice::from_ref(item), now_s)
            .await?;
        sqlx::query!(
            "UPDATE oracle_feeds SET invalid = invalid + 1, quarantined = quarantined + 1,
                    updated_at = $3
             WHERE oracle_id = $1 AND feed_id = $2",
            oracle_id,
            feed_id,
            now_s
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes at most [`PRUNE_ITEMS_MAX`] items that were received before `before_s`; what they
    /// said stays in the submissions. Index: `oracle_feed_items_received`.
    pub async fn prune_feed_items(&self, before_s: i64) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM oracle_feed_items i USING (
                 SELECT oracle_id, feed_epoch, seq FROM oracle_feed_items
                 WHERE received_at < $1 ORDER BY received_at LIMIT $2) old
             WHERE i.oracle_id = old.oracle_id AND i.feed_epoch = old.feed_epoch
               AND i.seq = old.seq",
            before_s,
            PRUNE_ITEMS_MAX
        )
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }
}

/// Name of an oracle's feed in `feed_quarantine`.
pub(crate) fn quarantine_name(oracle_id: &str) -> String {
    format!("oracle:{oracle_id}")
}

/// What a page adds to its feed's row.
#[derive(Debug, Default)]
pub(crate) struct FeedStep<'a> {
    pub(crate) cursor_seq: i64,
    pub(crate) head_seq: i64,
    pub(crate) oldest_seq: i64,
    /// Hash of the item at the new cursor.
    pub(crate) last_hash: Option<&'a [u8]>,
    pub(crate) items: usize,
    pub(crate) verified: i64,
    pub(crate) unsigned: i64,
    pub(crate) invalid: i64,
    pub(crate) quarantined: i64,
}

/// Locks a feed's row and tells whether it is the current one and stands at `after`.
pub(crate) async fn lock_cursor(
    db: &mut PgConnection,
    oracle_id: &str,
    feed_id: &str,
    feed_epoch: i32,
    after: i64,
) -> Result<bool, StoreError> {
    let row = sqlx::query_scalar!(
        r#"SELECT state = 'current' AND feed_epoch = $3 AND cursor_seq = $4 AS "same!"
           FROM oracle_feeds WHERE oracle_id = $1 AND feed_id = $2 FOR UPDATE"#,
        oracle_id,
        feed_id,
        feed_epoch,
        after
    )
    .fetch_optional(db)
    .await?;
    Ok(row.unwrap_or(false))
}

/// Moves a locked feed's cursor.
pub(crate) async fn advance_cursor(
    db: &mut PgConnection,
    oracle_id: &str,
    feed_id: &str,
    step: &FeedStep<'_>,
    now_s: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE oracle_feeds SET cursor_seq = $3, head_seq = $4, oldest_seq = $5,
                last_hash = CASE WHEN $6 THEN $7 ELSE last_hash END,
                last_item_at = CASE WHEN $6 THEN $8 ELSE last_item_at END,
                verified = verified + $9, unsigned = unsigned + $10, invalid = invalid + $11,
                quarantined = quarantined + $12, updated_at = $8
         WHERE oracle_id = $1 AND feed_id = $2",
        oracle_id,
        feed_id,
        step.cursor_seq,
        step.head_seq.max(step.cursor_seq),
        step.oldest_seq,
        step.items > 0,
        step.last_hash,
        now_s,
        step.verified,
        step.unsigned,
        step.invalid,
        step.quarantined
    )
    .execute(db)
    .await?;
    Ok(())
}
