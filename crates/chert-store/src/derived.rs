//! Derived tables as queries over the base tables: the definition that live deltas must equal.
//!
//! Used three ways: to fill the tables after a bulk backfill, to compare (`chert verify`), and to
//! repair.

use sqlx::PgConnection;

use crate::StoreError;

/// Memory for the sorts and hashes of a rebuild; two of these run at once at most.
const REBUILD_MEMORY: &str = "SELECT set_config('work_mem', '256MB', TRUE), set_config('maintenance_work_mem', '512MB', TRUE)";

macro_rules! address_txs_sql {
    () => {
        "SELECT p.key AS address_key, p.pos,
                CASE WHEN sum(p.sent) IS NULL THEN 0
                     WHEN count(p.received) = max(p.receipts) AND count(p.received) > 0 THEN 2
                     ELSE 1 END::smallint AS direction,
                sum(p.sent) AS sent, sum(p.received) AS received
         FROM (SELECT pos, chert_address_key(sender) AS key, amount AS sent,
                      NULL::numeric AS received,
                      CASE WHEN output_count > 0 THEN output_count
                           WHEN recipient IS NULL THEN 0 ELSE 1 END AS receipts
               FROM transactions WHERE sender IS NOT NULL
               UNION ALL
               SELECT pos, chert_address_key(recipient), NULL, amount, 1
               FROM transactions WHERE recipient IS NOT NULL AND output_count = 0
               UNION ALL
               SELECT pos, chert_address_key(recipient), NULL, amount, 1 FROM tx_outputs) p
         GROUP BY p.key, p.pos"
    };
}

macro_rules! addresses_sql {
    () => {
        "SELECT a.address_key, n.address, a.tx_count, a.sent_total, a.received_total, a.first_pos,
                a.last_pos
         FROM (SELECT address_key, count(*) AS tx_count, COALESCE(sum(sent), 0) AS sent_total,
                      COALESCE(sum(received), 0) AS received_total, min(pos) AS first_pos,
                      max(pos) AS last_pos
               FROM address_txs GROUP BY address_key) a
         JOIN transactions t ON t.pos = a.first_pos
         CROSS JOIN LATERAL (
             SELECT x.address FROM (
                 SELECT t.sender AS address, -2 AS place
                 UNION ALL SELECT t.recipient, -1
                 UNION ALL SELECT o.recipient, o.output_index FROM tx_outputs o
                           WHERE t.output_count > 0 AND o.pos = t.pos) x
             WHERE chert_address_key(x.address) = a.address_key ORDER BY x.place LIMIT 1) n"
    };
}

macro_rules! hourly_sql {
    () => {
        "SELECT floor(timestamp_ms / 3600000.0)::bigint AS hour, count(*) AS blocks,
                sum(tx_count) AS transactions, sum(total_amount) AS total_amount,
                sum(total_fees) AS total_fees, sum(gas_used) AS gas_used
         FROM blocks GROUP BY 1"
    };
}

macro_rules! counters_sql {
    () => {
        "SELECT 1::smallint AS id, count(*) AS blocks,
                COALESCE(sum(tx_count), 0)::bigint AS transactions,
                (SELECT count(*) FROM quarantine) AS quarantined,
                (SELECT count(*) FROM addresses) AS addresses,
                COALESCE(sum(total_amount), 0) AS total_amount,
                COALESCE(sum(total_fees), 0) AS total_fees, COALESCE(sum(gas_used), 0) AS gas_used
         FROM blocks"
    };
}

/// One derived table: how to empty it, how to fill it, and how many rows differ from its definition.
struct Derived {
    table: &'static str,
    clear: &'static str,
    fill: &'static str,
    differing: &'static str,
}

macro_rules! derived {
    ($table:literal, $sql:expr) => {
        Derived {
            table: $table,
            clear: concat!("DELETE FROM ", $table),
            fill: concat!("INSERT INTO ", $table, " ", $sql),
            differing: concat!(
                "WITH fresh AS MATERIALIZED (",
                $sql,
                ") SELECT count(*) FROM (
                 (SELECT * FROM fresh EXCEPT ALL SELECT * FROM ",
                $table,
                ")
                 UNION ALL
                 (SELECT * FROM ",
                $table,
                " EXCEPT ALL SELECT * FROM fresh)) d"
            ),
        }
    };
}

const ADDRESS_TXS: Derived = derived!("address_txs", address_txs_sql!());
/// Totals, in the order in which they depend on each other.
const TOTALS: [Derived; 3] = [
    derived!("addresses", addresses_sql!()),
    derived!("chain_hourly", hourly_sql!()),
    derived!("chain_counters", counters_sql!()),
];

/// Fills the totals from blocks, transactions and address appearances.
pub(crate) async fn rebuild_totals(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(REBUILD_MEMORY).execute(&mut *db).await?;
    for derived in &TOTALS {
        sqlx::query(derived.clear).execute(&mut *db).await?;
        sqlx::query(derived.fill).execute(&mut *db).await?;
    }
    Ok(())
}

/// Fills every derived table from the base tables.
pub(crate) async fn rebuild_all(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(REBUILD_MEMORY).execute(&mut *db).await?;
    sqlx::query(ADDRESS_TXS.clear).execute(&mut *db).await?;
    sqlx::query(ADDRESS_TXS.fill).execute(&mut *db).await?;
    rebuild_totals(db).await?;
    // Identities first: votes and work belong to whom their intervals say.
    crate::entities::identity::rebuild_identities(db).await?;
    crate::entities::governance::rebuild(db).await?;
    crate::entities::work::rebuild_work(db).await
}

/// Rows of each derived table that differ from a rebuild, for the tables where some do.
pub(crate) async fn differing_rows(
    db: &mut PgConnection,
) -> Result<Vec<(&'static str, i64)>, StoreError> {
    sqlx::query(REBUILD_MEMORY).execute(&mut *db).await?;
    let mut found = Vec::new();
    for derived in std::iter::once(&ADDRESS_TXS).chain(&TOTALS) {
        let rows: i64 = sqlx::query_scalar(derived.differing).fetch_one(&mut *db).await?;
        if rows > 0 {
            found.push((derived.table, rows));
        }
    }
    found.extend(crate::entities::identity::differing_identities(db).await?);
    found.extend(crate::entities::governance::differing_rows(db).await?);
    found.extend(crate::entities::work::differing_work(db).await?);
    Ok(found)
}
