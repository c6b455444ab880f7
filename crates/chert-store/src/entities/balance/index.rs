//! Which balances have to be read, and what was read.
//!
//! Balances are not in blocks: the node's `get_balance` is the figure. A batch only notes whose
//! figure it may have changed; the indexer's balance feed reads them and stores them here.

use std::collections::BTreeMap;

use silica_models::{Address, AddressKey, Block, Height};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::entities::address::touched_keys;
use crate::entities::block::height_i64;
use crate::entities::{ApplyContext, Entity, UnwindContext};
use crate::feeds::hold_chain;
use crate::{Store, StoreError};

/// Addresses touched by a batch, with the height of the last touch.
#[derive(Debug, Default)]
pub struct TouchedBalances(BTreeMap<AddressKey, (String, i64)>);

impl Entity for TouchedBalances {
    const NAME: &'static str = "balance_queue";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        let height = height_i64(block)?;
        let touched = block
            .transactions
            .iter()
            .flat_map(|tx| tx.sender.iter().chain(tx.receipts().map(|(address, _)| address)));
        for address in touched {
            self.0.insert(address.key(), (address.as_str().to_owned(), height));
        }
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, context: &ApplyContext) -> Result<(), StoreError> {
        if context.bulk || self.0.is_empty() {
            return Ok(());
        }
        let keys: Vec<Uuid> = self.0.keys().map(|k| k.to_uuid()).collect();
        let addresses: Vec<&str> = self.0.values().map(|(a, _)| a.as_str()).collect();
        let heights: Vec<i64> = self.0.values().map(|(_, h)| *h).collect();
        // While backfilling, only figures already held can be out of date; the others are read
        // when somebody asks.
        sqlx::query!(
            "INSERT INTO balance_queue AS q (address_key, address, height, asked_at)
             SELECT t.k, t.address, t.height, $5
             FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS t(k, address, height)
             WHERE $4 OR EXISTS (SELECT 1 FROM balances b
                                 WHERE b.address_key = t.k AND b.height < t.height)
             ON CONFLICT (address_key) DO UPDATE SET
                 height = GREATEST(q.height, EXCLUDED.height)",
            &keys,
            &addresses as &[&str],
            &heights,
            context.follow,
            context.now_s
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// Everything the removed blocks touched is read again, at the ancestor or above.
    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        let keys = touched_keys(db, context.first_pos()).await?;
        sqlx::query!(
            "UPDATE balance_queue SET height = LEAST(height, $1) WHERE height > $1",
            context.ancestor_i64()
        )
        .execute(&mut *db)
        .await?;
        // A figure read on the abandoned branch must not outrank a newer reading.
        sqlx::query!("UPDATE balances SET height = $1 WHERE height > $1", context.ancestor_i64())
            .execute(&mut *db)
            .await?;
        sqlx::query!(
            "INSERT INTO balance_queue (address_key, address, height, asked_at)
             SELECT a.address_key, a.address, $2, $3 FROM addresses a
             WHERE a.address_key = ANY($1)
             ON CONFLICT (address_key) DO NOTHING",
            &keys,
            context.ancestor_i64(),
            context.now_s
        )
        .execute(&mut *db)
        .await?;
        Ok(())
    }
}

/// An address whose balance is to be read at `height` or later.
#[derive(Debug, Clone)]
pub struct QueuedBalance {
    /// Address in the node's spelling.
    pub address: Address,
    /// Height of the last transaction that touched it.
    pub height: i64,
}

/// A balance as the node gave it.
#[derive(Debug, Clone)]
pub struct BalanceReading {
    /// Whose.
    pub address: Address,
    /// Base units.
    pub balance: u64,
    /// Next nonce.
    pub nonce: u64,
}

impl Store {
    /// Addresses waiting for a reading, longest waiting first, at most `rows_max`.
    pub async fn list_queued_balances(
        &self,
        rows_max: i64,
    ) -> Result<Vec<QueuedBalance>, StoreError> {
        let rows = sqlx::query!(
            "SELECT address, height FROM balance_queue ORDER BY asked_at, address_key LIMIT $1",
            rows_max
        )
        .fetch_all(&self.pool)
        .await?;
        let queued = rows
            .into_iter()
            .map(|r| QueuedBalance { address: Address::from_stored(r.address), height: r.height });
        Ok(queued.collect())
    }

    /// Stores readings taken at `height` of the branch whose block at `height` has `hash`.
    ///
    /// Nothing is stored, and `false` returned, where that block is not on the indexed chain any
    /// more: what was read may belong to the branch that was left. `provisional` readings were
    /// taken while the index was behind the node; [`Store::requeue_provisional`] repeats them.
    pub async fn put_balances(
        &self,
        height: Height,
        hash: &[u8],
        readings: &[BalanceReading],
        provisional: bool,
        now_s: i64,
    ) -> Result<bool, StoreError> {
        let height = i64::try_from(height).unwrap_or(i64::MAX);
        let keys: Vec<Uuid> = readings.iter().map(|r| r.address.key().to_uuid()).collect();
        let addresses: Vec<&str> = readings.iter().map(|r| r.address.as_str()).collect();
        let balances: Vec<String> = readings.iter().map(|r| r.balance.to_string()).collect();
        let nonces: Vec<String> = readings.iter().map(|r| r.nonce.to_string()).collect();
        let mut tx = self.begin().await?;
        hold_chain(&mut tx).await?;
        let held = sqlx::query!(
            "SELECT EXISTS (SELECT 1 FROM blocks b
                            WHERE b.height = $1 AND b.hash = $2) AS \"same!\"",
            height,
            hash
        )
        .fetch_one(&mut *tx)
        .await?;
        if !held.same {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO balances AS b (address_key, address, balance, nonce, height, read_at,
                                         provisional)
             SELECT k, address, balance::numeric, nonce::numeric, $5, $6, $7
             FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[])
                 AS t(k, address, balance, nonce)
             ON CONFLICT (address_key) DO UPDATE SET
                 balance = EXCLUDED.balance, nonce = EXCLUDED.nonce, height = EXCLUDED.height,
                 read_at = EXCLUDED.read_at, provisional = EXCLUDED.provisional
             WHERE b.height <= EXCLUDED.height",
            &keys,
            &addresses as &[&str],
            &balances,
            &nonces,
            height,
            now_s,
            provisional
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "DELETE FROM balance_queue WHERE address_key = ANY($1) AND height <= $2",
            &keys,
            height
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Queues every provisional figure again; called when the index reaches the node's tip.
    pub async fn requeue_provisional(&self, now_s: i64) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO balance_queue (address_key, address, height, asked_at)
             SELECT address_key, address, height, $1 FROM balances WHERE provisional
             ON CONFLICT (address_key) DO NOTHING",
            now_s
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets figures of addresses that never appeared on the chain and were read before
    /// `before_s`: anybody may ask for any text, so they must not pile up.
    pub async fn prune_unseen_balances(
        &self,
        before_s: i64,
        rows_max: i64,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM balances WHERE address_key IN (
                 SELECT b.address_key FROM balances b
                 WHERE b.read_at < $1 AND NOT EXISTS
                     (SELECT 1 FROM addresses a WHERE a.address_key = b.address_key)
                 LIMIT $2)",
            before_s,
            rows_max
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
