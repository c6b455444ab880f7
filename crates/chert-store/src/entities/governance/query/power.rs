//! Voting power of an identity's wallets, and asking for figures that are old or were never read.

use silica_models::{Address, IdentityId};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::privacy::Guarded;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// A reading older than this is asked for again when somebody looks at it, seconds.
pub const POWER_AGE_MAX_S: i64 = 60;
/// `asked_at` of addresses that somebody waits for: they come first.
pub(in crate::entities::governance) const POWER_URGENT: i64 = 0;
/// Urgent addresses in the queue beyond which requests do not add any.
const POWER_ASKS_MAX: i64 = 10_000;

/// The node's figures, base units, decimal text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerFigures {
    /// The wallet's own.
    pub own: String,
    /// What others delegated to it.
    pub delegated_in: String,
    /// What it delegated.
    pub delegated_out: String,
    /// The node's total.
    pub total: String,
}

/// A wallet of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletPower {
    /// Its address.
    pub wallet_address: String,
    /// The node's figures; absent until they were read.
    pub figures: Option<PowerFigures>,
    /// When they were read, Unix seconds.
    pub read_at: Option<i64>,
}

/// Power of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPower {
    /// Sums over the wallets that were read; absent where there are wallets and none was.
    pub sums: Option<PowerFigures>,
    /// Its current wallets.
    pub wallets: Vec<WalletPower>,
    /// Lowest height that a figure was read at.
    pub as_of_height: Option<i64>,
}

impl IdentityPower {
    /// Wallets whose figures are absent or were read before `before_s`.
    pub fn stale(&self, before_s: i64) -> Vec<Address> {
        let old = |wallet: &&WalletPower| wallet.read_at.is_none_or(|read_at| read_at < before_s);
        let stale = self.wallets.iter().filter(old);
        stale.map(|wallet| Address::from_stored(wallet.wallet_address.clone())).collect()
    }
}

/// Power of the wallets that an identity holds now. Indexes: primary keys of `identities`,
/// `wallet_links` and `voting_power`.
pub async fn get_power(
    db: impl PgExecutor<'_>,
    identity_id: &IdentityId,
) -> Result<(Checkpoint, Guarded<IdentityPower>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  i.stats_visibility AS "visibility?", w.wallet_address AS "wallet_address?",
                  p.own::text AS own, p.delegated_in::text AS delegated_in,
                  p.delegated_out::text AS delegated_out, p.total::text AS total,
                  p.read_at AS "read_at?", (sum(p.own) OVER ())::text AS sum_own,
                  (sum(p.delegated_in) OVER ())::text AS sum_in,
                  (sum(p.delegated_out) OVER ())::text AS sum_out,
                  (sum(p.total) OVER ())::text AS sum_total,
                  min(p.height) OVER () AS as_of_height
           FROM checkpoints c
           LEFT JOIN identities i ON i.identity_id = $1
           LEFT JOIN LATERAL (
               SELECT DISTINCT ON (wallet_key) wallet_key, wallet_address FROM wallet_links
               WHERE identity_id = i.identity_id ORDER BY wallet_key, wallet_address
           ) w ON TRUE
           LEFT JOIN voting_power p ON p.address_key = w.wallet_key
           WHERE c.pipeline = 'chain' ORDER BY w.wallet_address"#,
        identity_id.as_bytes()
    );
    let rows = timed!("get_power", statement.fetch_all(db)).await?;
    let first = rows.first().ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(first);
    let visibility = first.visibility.clone();
    let mut power = IdentityPower {
        sums: match &first.sum_own {
            None => None,
            Some(own) => Some(PowerFigures {
                own: own.clone(),
                delegated_in: present("voting_power.delegated_in", first.sum_in.clone())?,
                delegated_out: present("voting_power.delegated_out", first.sum_out.clone())?,
                total: present("voting_power.total", first.sum_total.clone())?,
            }),
        },
        wallets: Vec::with_capacity(rows.len()),
        as_of_height: first.as_of_height,
    };
    for row in rows {
        let Some(wallet_address) = row.wallet_address else { continue };
        let figures = match row.own {
            None => None,
            Some(own) => Some(PowerFigures {
                own,
                delegated_in: present("voting_power.delegated_in", row.delegated_in)?,
                delegated_out: present("voting_power.delegated_out", row.delegated_out)?,
                total: present("voting_power.total", row.total)?,
            }),
        };
        power.wallets.push(WalletPower { wallet_address, figures, read_at: row.read_at });
    }
    Ok((checkpoint, Guarded::new(identity_id, visibility.as_deref(), power)))
}

/// Puts addresses first in the queue of powers to be read, unless it is full, and wakes the indexer
/// on channel `chert_power`.
///
/// A write that a read of the API makes; it fails on a read replica and the caller then answers
/// with what is known.
pub async fn ask_powers(db: impl PgExecutor<'_>, addresses: &[Address]) -> Result<(), StoreError> {
    let keys: Vec<Uuid> = addresses.iter().map(|a| a.key().to_uuid()).collect();
    let texts: Vec<&str> = addresses.iter().map(Address::as_str).collect();
    let statement = sqlx::query!(
        r#"WITH asked AS (
               INSERT INTO power_queue AS q (address_key, address, asked_at)
               SELECT t.k, t.address, $3 FROM UNNEST($1::uuid[], $2::text[]) AS t(k, address)
               WHERE (SELECT count(*) FROM (SELECT 1 FROM power_queue
                                            WHERE asked_at = $3 LIMIT $4) u) < $4
               ON CONFLICT (address_key) DO UPDATE SET asked_at = $3 WHERE q.asked_at <> $3
           )
           SELECT pg_notify('chert_power', '')::text AS notified"#,
        &keys,
        &texts as &[&str],
        POWER_URGENT,
        POWER_ASKS_MAX
    );
    timed!("ask_powers", statement.fetch_all(db)).await?;
    Ok(())
}
