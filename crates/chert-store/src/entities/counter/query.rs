//! Reads of totals and series, and the look-up of anything by a text.

use silica_models::{Address, BlockHash, Height, IdentityId, TxId};
use sqlx::PgExecutor;

use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Totals over the whole chain; maintained, never counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTotals {
    /// Blocks.
    pub blocks: i64,
    /// Transactions that could be understood.
    pub transactions: i64,
    /// Records that could not.
    pub quarantined: i64,
    /// Addresses seen.
    pub addresses: i64,
    /// Decimal text.
    pub total_amount: String,
    /// Decimal text.
    pub total_fees: String,
    /// Decimal text.
    pub gas_used: String,
}

/// One step of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRow {
    /// Unix seconds at which the step begins.
    pub starts_at: i64,
    /// Blocks.
    pub blocks: i64,
    /// Transactions.
    pub transactions: i64,
    /// Decimal text.
    pub total_amount: String,
    /// Decimal text.
    pub total_fees: String,
    /// Decimal text.
    pub gas_used: String,
}

/// Step of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// A UTC hour.
    Hour,
    /// A UTC day.
    Day,
}

impl Interval {
    fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }
}

/// Totals and the newest `steps` steps of the series, newest first. Steps without a block are
/// left out. Index: `chain_hourly_pkey`, at most `steps` × hours per step rows.
pub async fn get_chain_stats(
    db: impl PgExecutor<'_>,
    interval: Interval,
    steps: u16,
) -> Result<(Checkpoint, ChainTotals, Vec<SeriesRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  t.blocks AS total_blocks, t.transactions AS total_transactions,
                  t.quarantined AS total_quarantined, t.addresses AS total_addresses,
                  t.total_amount::text AS "total_amount!", t.total_fees::text AS "total_fees!",
                  t.gas_used::text AS "total_gas!",
                  s.step, s.blocks::bigint AS blocks, s.transactions::bigint AS transactions,
                  s.amount::text AS amount, s.fees::text AS fees, s.gas::text AS gas
           FROM checkpoints c
           CROSS JOIN chain_counters t
           LEFT JOIN LATERAL (
               SELECT hour / $1 AS step, sum(blocks) AS blocks, sum(transactions) AS transactions,
                      sum(total_amount) AS amount, sum(total_fees) AS fees, sum(gas_used) AS gas
               FROM (
                   SELECT * FROM chain_hourly
                   WHERE NOT c.bulk
                     AND hour >= ((SELECT max(hour) FROM chain_hourly) / $1 - $2 + 1) * $1
                   ORDER BY hour DESC LIMIT 2160
               ) recent
               GROUP BY hour / $1
           ) s ON TRUE
           WHERE c.pipeline = 'chain' AND t.id = 1
           ORDER BY s.step DESC"#,
        interval.hours(),
        i64::from(steps)
    );
    let rows = timed!("get_chain_stats", statement.fetch_all(db)).await?;
    let first = rows.first().ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(first);
    let totals = ChainTotals {
        blocks: first.total_blocks,
        transactions: first.total_transactions,
        quarantined: first.total_quarantined,
        addresses: first.total_addresses,
        total_amount: first.total_amount.clone(),
        total_fees: first.total_fees.clone(),
        gas_used: first.total_gas.clone(),
    };
    let mut series = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(step) = row.step else { continue };
        series.push(SeriesRow {
            starts_at: step * interval.hours() * 3600,
            blocks: present("chain_hourly.blocks", row.blocks)?,
            transactions: present("chain_hourly.transactions", row.transactions)?,
            total_amount: present("chain_hourly.total_amount", row.amount)?,
            total_fees: present("chain_hourly.total_fees", row.fees)?,
            gas_used: present("chain_hourly.gas_used", row.gas)?,
        });
    }
    Ok((checkpoint, totals, series))
}

/// The ways to read a search text; those that do not fit are absent.
#[derive(Debug, Clone, Default)]
pub struct SearchTerms {
    /// As a height.
    pub height: Option<Height>,
    /// As a block hash.
    pub hash: Option<BlockHash>,
    /// As a transaction id.
    pub tx_id: Option<TxId>,
    /// As an address.
    pub address: Option<Address>,
    /// As an identity's id.
    pub identity_id: Option<IdentityId>,
    /// As the beginning of an identity's name.
    pub name: Option<String>,
}

/// Something that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchHit {
    /// A block of the canonical chain.
    Block {
        /// Its number.
        height: i64,
        /// Its hash.
        hash: Vec<u8>,
    },
    /// A transaction.
    Transaction {
        /// Its id in the stored form.
        tx_id: Vec<u8>,
        /// Its place.
        pos: i64,
    },
    /// An address that took part in something.
    Address {
        /// Its spelling.
        address: String,
    },
    /// A public identity.
    Identity {
        /// 32 bytes.
        identity_id: Vec<u8>,
        /// Its name.
        display_name: Option<String>,
    },
    /// A block that a reorganisation removed.
    Orphan {
        /// Its number.
        height: i64,
        /// Its hash.
        hash: Vec<u8>,
    },
}

/// Everything that a text names, at most one of each kind, and up to 5 public identities of the
/// first 100 whose name begins with it. Indexes: `blocks_pkey`, `blocks_hash`,
/// `transactions_tx_key`, `addresses_pkey`, `identities_name_prefix`, `identities_pkey`; `orphans`.
pub async fn list_search_hits(
    db: impl PgExecutor<'_>,
    terms: &SearchTerms,
) -> Result<(Checkpoint, Vec<SearchHit>), StoreError> {
    let height = terms.height.and_then(|h| i64::try_from(h).ok());
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  h.kind AS "kind?", h.place AS "place?", h.id AS "id?", h.address AS "address?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT 1 AS kind, height AS place, hash AS id, NULL::text AS address
               FROM blocks WHERE NOT c.bulk AND height = $1
               UNION ALL
               (SELECT 1, height, hash, NULL FROM blocks WHERE NOT c.bulk AND hash = $2 LIMIT 1)
               UNION ALL
               (SELECT 2, pos, tx_id, NULL FROM transactions
                WHERE NOT c.bulk AND tx_key = $3 AND tx_id = $4 ORDER BY pos + 0 LIMIT 1)
               UNION ALL
               SELECT 3, NULL, NULL, address FROM addresses WHERE NOT c.bulk AND address_key = $5
               UNION ALL
               (SELECT 4, height, hash, NULL FROM orphans WHERE NOT c.bulk AND hash = $2 LIMIT 1)
               UNION ALL
               SELECT 5, NULL, identity_id, display_name FROM public_identities
               WHERE identity_id = $6
               UNION ALL
               (SELECT 5, NULL, p.identity_id, p.display_name
                FROM (SELECT identity_id, name_search FROM identities
                      WHERE chert_name_fold($7) <> '' AND name_search ~>=~ chert_name_fold($7)
                        AND name_search ~<=~ (chert_name_fold($7) || U&'\+10FFFF')
                      ORDER BY name_search USING ~<~, identity_id LIMIT 100) n
                JOIN public_identities p ON p.identity_id = n.identity_id
                ORDER BY n.name_search USING ~<~, n.identity_id LIMIT 5)
           ) h ON TRUE
           WHERE c.pipeline = 'chain'"#,
        height,
        terms.hash.as_ref().map(BlockHash::as_bytes),
        terms.tx_id.as_ref().map(TxId::index_key),
        terms.tx_id.as_ref().map(TxId::as_bytes),
        terms.address.as_ref().map(|a| a.key().to_uuid()),
        terms.identity_id.as_ref().map(IdentityId::as_bytes),
        terms.name
    );
    let rows = timed!("list_search_hits", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut hits = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(kind) = row.kind else { continue };
        hits.push(match (kind, row.place, row.id, row.address) {
            (1, Some(height), Some(hash), _) => SearchHit::Block { height, hash },
            (2, Some(pos), Some(tx_id), _) => SearchHit::Transaction { tx_id, pos },
            (3, _, _, Some(address)) => SearchHit::Address { address },
            (4, Some(height), Some(hash), _) => SearchHit::Orphan { height, hash },
            (5, _, Some(identity_id), display_name) => {
                SearchHit::Identity { identity_id, display_name }
            }
            _ => return Err(StoreError::Corrupt(format!("search hit of kind {kind}"))),
        });
    }
    Ok((checkpoint, hits))
}
