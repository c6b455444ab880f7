//! A store as text, to compare two of them byte by byte.

use sqlx::PgPool;

/// Tables whose content follows from the chain alone, with their order and without columns that
/// only say when something was done.
const TABLES: [(&str, &str); 9] = [
    ("blocks", "SELECT b::text FROM blocks b ORDER BY height"),
    ("transactions", "SELECT t::text FROM transactions t ORDER BY pos"),
    ("tx_outputs", "SELECT o::text FROM tx_outputs o ORDER BY pos, output_index"),
    ("stealth_outputs", "SELECT s::text FROM stealth_outputs s ORDER BY pos, output_index"),
    ("quarantine", "SELECT q::text FROM quarantine q ORDER BY pos"),
    ("address_txs", "SELECT a::text FROM address_txs a ORDER BY address_key, pos"),
    ("addresses", "SELECT a::text FROM addresses a ORDER BY address_key"),
    ("chain_hourly", "SELECT h::text FROM chain_hourly h ORDER BY hour"),
    ("chain_counters", "SELECT c::text FROM chain_counters c"),
];

/// Every row of every table that follows from the chain, in a fixed order.
pub async fn dump(url: &str) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let pool = PgPool::connect(url).await?;
    let mut tables = Vec::new();
    for (name, sql) in TABLES {
        tables.push((name, sqlx::query_scalar(sql).fetch_all(&pool).await?));
    }
    let checkpoint = "SELECT concat_ws(' ', height, encode(hash, 'hex'), tip_time_ms,
                             encode(genesis_hash, 'hex')) FROM checkpoints";
    tables.push(("checkpoints", sqlx::query_scalar(checkpoint).fetch_all(&pool).await?));
    pool.close().await;
    Ok(tables)
}

/// Balances as stored: address, balance, nonce.
pub async fn balances(url: &str) -> anyhow::Result<Vec<(String, String, String)>> {
    let pool = PgPool::connect(url).await?;
    let sql = "SELECT address, balance::text, nonce::text FROM balances ORDER BY address_key";
    let rows = sqlx::query_as(sql).fetch_all(&pool).await?;
    pool.close().await;
    Ok(rows)
}

/// The event log in order: type, height, hash in hex.
pub async fn events(url: &str) -> anyhow::Result<Vec<(String, i64, String)>> {
    let pool = PgPool::connect(url).await?;
    let sql = "SELECT type, height, encode(hash, 'hex') FROM event_log ORDER BY seq";
    let rows = sqlx::query_as(sql).fetch_all(&pool).await?;
    pool.close().await;
    Ok(rows)
}

/// Balances that are still to be read, or read again.
pub async fn open_balances(url: &str) -> anyhow::Result<i64> {
    let open = "SELECT (SELECT count(*) FROM balance_queue)
                       + (SELECT count(*) FROM balances WHERE provisional)";
    count(url, open).await
}

/// Rows of a table.
pub async fn count(url: &str, sql: &'static str) -> anyhow::Result<i64> {
    let pool = PgPool::connect(url).await?;
    let rows = sqlx::query_scalar(sql).fetch_one(&pool).await?;
    pool.close().await;
    Ok(rows)
}
