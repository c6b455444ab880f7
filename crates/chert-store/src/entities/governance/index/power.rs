//! Voting power and delegations: whose are to be read, and what was read.

use std::collections::BTreeMap;

use silica_models::{Address, AddressKey, Delegation, Height, VotingPower};
use sqlx::PgConnection;
use uuid::Uuid;

use super::stats::{holders, refresh_stats};
use super::time_of;
use crate::entities::governance::query::POWER_URGENT;
use crate::feeds::{Feed, lock_chain_at, lock_feed};
use crate::{FeedOutcome, Store, StoreError};

/// Readings of linked wallets that a complete round of the feed queues again at most.
const POWERS_REQUEUED_MAX: i64 = 200;
/// A reading of a linked wallet is repeated when it is older than this.
const POWER_AGE_S: i64 = 300;

/// The node's figures for one address.
#[derive(Debug, Clone)]
pub struct PowerReading {
    /// Whose.
    pub address: Address,
    /// Its power.
    pub power: VotingPower,
    /// All its delegations. Only those that it made are kept: what others delegate to it comes
    /// with their own readings.
    pub delegations: Vec<Delegation>,
}

impl Store {
    /// Addresses whose power is to be read: first those that somebody waits for, then the longest
    /// waiting; at most `rows_max`. Index: `power_queue_asked`.
    pub async fn list_queued_powers(&self, rows_max: i64) -> Result<Vec<Address>, StoreError> {
        let rows = sqlx::query_scalar!(
            "SELECT address FROM power_queue ORDER BY asked_at, address_key LIMIT $1",
            rows_max
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Address::from_stored).collect())
    }

    /// Puts addresses that could not be read at the end of the queue.
    pub async fn postpone_powers(
        &self,
        addresses: &[Address],
        now_s: i64,
    ) -> Result<(), StoreError> {
        let keys: Vec<Uuid> = addresses.iter().map(|a| a.key().to_uuid()).collect();
        sqlx::query!(
            "UPDATE power_queue SET asked_at = $2 WHERE address_key = ANY($1)",
            &keys,
            now_s
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Stores readings taken under the block `under`, and what follows from them for the
    /// identities that hold the wallets. A reading older than the stored one changes nothing.
    pub async fn put_powers(
        &self,
        under: (Height, &[u8]),
        readings: &[PowerReading],
        now_s: i64,
    ) -> Result<FeedOutcome, StoreError> {
        let mut tx = self.begin().await?;
        if !lock_chain_at(&mut tx, under.0, under.1).await? {
            return Ok(FeedOutcome::Moved);
        }
        lock_feed(&mut tx, Feed::Governance).await?;
        let height = i64::try_from(under.0).unwrap_or(i64::MAX);
        let latest: BTreeMap<AddressKey, &PowerReading> =
            readings.iter().map(|r| (r.address.key(), r)).collect();
        let taken = write_powers(&mut tx, &latest, height, now_s).await?;
        write_delegations(&mut tx, &latest, &taken, height).await?;
        let keys: Vec<Uuid> = latest.keys().map(|key| key.to_uuid()).collect();
        sqlx::query!("DELETE FROM power_queue WHERE address_key = ANY($1)", &keys)
            .execute(&mut *tx)
            .await?;
        let touched = holders(&mut tx, &taken).await?.into_iter().collect();
        refresh_stats(&mut tx, &touched, now_s).await?;
        // Nobody is notified: answers that hold these figures are not kept by any cache.
        tx.commit().await?;
        Ok(FeedOutcome::Stored)
    }
}

/// The delegations that an address made, one per delegatee.
fn made(key: AddressKey, reading: &PowerReading) -> BTreeMap<AddressKey, Delegation> {
    let mut made: BTreeMap<AddressKey, Delegation> = BTreeMap::new();
    for delegation in reading.delegations.iter().filter(|d| d.delegator.key() == key) {
        made.entry(delegation.delegatee.key())
            .and_modify(|sum| {
                sum.amount = sum.amount.saturating_add(delegation.amount);
                sum.delegated_at = sum.delegated_at.max(delegation.delegated_at);
            })
            .or_insert_with(|| delegation.clone());
    }
    made
}

/// Writes the powers that are not older than the stored ones, and tells whose these were.
async fn write_powers(
    db: &mut PgConnection,
    readings: &BTreeMap<AddressKey, &PowerReading>,
    height: i64,
    now_s: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let keys: Vec<Uuid> = readings.keys().map(|key| key.to_uuid()).collect();
    let addresses: Vec<&str> = readings.values().map(|r| r.address.as_str()).collect();
    let texts = |figure: fn(&VotingPower) -> u128| -> Vec<String> {
        readings.values().map(|r| figure(&r.power).to_string()).collect()
    };
    let out: Vec<String> = readings
        .iter()
        .map(|(key, reading)| {
            let made = made(*key, reading);
            made.values().fold(0_u128, |sum, d| sum.saturating_add(d.amount)).to_string()
        })
        .collect();
    let taken = sqlx::query_scalar!(
        "INSERT INTO voting_power AS p (address_key, address, own, delegated_in, total,
                                        delegated_out, height, read_at)
         SELECT k, address, own::numeric, delegated_in::numeric, total::numeric,
                delegated_out::numeric, $7, $8
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
             AS t(k, address, own, delegated_in, total, delegated_out)
         ON CONFLICT (address_key) DO UPDATE SET
             address = EXCLUDED.address, own = EXCLUDED.own,
             delegated_in = EXCLUDED.delegated_in, total = EXCLUDED.total,
             delegated_out = EXCLUDED.delegated_out, height = EXCLUDED.height,
             read_at = EXCLUDED.read_at
         WHERE p.height <= EXCLUDED.height
         RETURNING p.address_key",
        &keys,
        &addresses as &[&str],
        &texts(|p| p.own),
        &texts(|p| p.delegated_in),
        &texts(|p| p.total),
        &out,
        height,
        now_s
    )
    .fetch_all(db)
    .await?;
    Ok(taken)
}

/// Makes the stored delegations of the addresses `taken` those that were read.
async fn write_delegations(
    db: &mut PgConnection,
    readings: &BTreeMap<AddressKey, &PowerReading>,
    taken: &[Uuid],
    height: i64,
) -> Result<(), StoreError> {
    let (mut from_keys, mut to_keys, mut from, mut to) = (vec![], vec![], vec![], vec![]);
    let (mut amounts, mut times) = (vec![], vec![]);
    let current = readings.iter().filter(|(key, _)| taken.contains(&key.to_uuid()));
    for (key, reading) in current {
        for (delegatee, delegation) in made(*key, reading) {
            from_keys.push(key.to_uuid());
            to_keys.push(delegatee.to_uuid());
            from.push(delegation.delegator.as_str().to_owned());
            to.push(delegation.delegatee.as_str().to_owned());
            amounts.push(delegation.amount.to_string());
            times.push(time_of(delegation.delegated_at));
        }
    }
    sqlx::query!(
        "DELETE FROM delegations d WHERE d.delegator_key = ANY($1) AND NOT EXISTS (
             SELECT 1 FROM UNNEST($2::uuid[], $3::uuid[]) AS n(delegator_key, delegatee_key)
             WHERE n.delegator_key = d.delegator_key AND n.delegatee_key = d.delegatee_key)",
        taken,
        &from_keys,
        &to_keys
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "INSERT INTO delegations AS d (delegator_key, delegatee_key, delegator, delegatee, amount,
                                       delegated_at, height)
         SELECT n.delegator_key, n.delegatee_key, n.delegator, n.delegatee, n.amount::numeric,
                n.delegated_at, $7
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
             AS n(delegator_key, delegatee_key, delegator, delegatee, amount, delegated_at)
         ON CONFLICT (delegator_key, delegatee_key) DO UPDATE SET
             delegator = EXCLUDED.delegator, delegatee = EXCLUDED.delegatee,
             amount = EXCLUDED.amount, delegated_at = EXCLUDED.delegated_at,
             height = EXCLUDED.height",
        &from_keys,
        &to_keys,
        &from,
        &to,
        &amounts,
        &times,
        height
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has the powers of those of the wallets read that an identity holds. Index: `wallet_links_key`.
pub(crate) async fn queue_powers(
    db: &mut PgConnection,
    wallets: &[Uuid],
    now_s: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO power_queue (address_key, address, asked_at)
         SELECT wallet_key, min(wallet_address), $2 FROM wallet_links
         WHERE wallet_key = ANY($1) GROUP BY wallet_key
         ON CONFLICT (address_key) DO NOTHING",
        wallets,
        now_s
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has the oldest readings of linked wallets repeated. Index: `voting_power_read`.
pub(super) async fn requeue_old_powers(
    db: &mut PgConnection,
    now_s: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO power_queue (address_key, address, asked_at)
         SELECT p.address_key, p.address, $2 FROM voting_power p
         WHERE p.read_at < $1
           AND EXISTS (SELECT 1 FROM wallet_links l WHERE l.wallet_key = p.address_key)
         ORDER BY p.read_at LIMIT $3
         ON CONFLICT (address_key) DO NOTHING",
        now_s - POWER_AGE_S,
        now_s,
        POWERS_REQUEUED_MAX
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What was read above the ancestor is read again, before anything else, and no longer outranks a
/// newer reading.
pub(super) async fn unwind_powers(db: &mut PgConnection, ancestor: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO power_queue (address_key, address, asked_at)
         SELECT address_key, address, $2 FROM voting_power WHERE height > $1
         ON CONFLICT (address_key) DO NOTHING",
        ancestor,
        POWER_URGENT
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("UPDATE voting_power SET height = $1 WHERE height > $1", ancestor)
        .execute(&mut *db)
        .await?;
    sqlx::query!("UPDATE delegations SET height = $1 WHERE height > $1", ancestor)
        .execute(&mut *db)
        .await?;
    sqlx::query!("UPDATE validators SET height = $1 WHERE height > $1", ancestor)
        .execute(db)
        .await?;
    Ok(())
}
