//! Asking for balances that were never read.

use silica_models::Address;
use sqlx::PgExecutor;

use crate::StoreError;
use crate::read::timed;

/// Longest queue into which a request may put another address.
pub const BALANCE_QUEUE_ROWS_MAX: i64 = 10_000;

/// Puts an address in the queue of balances to be read, unless the queue is full, and wakes the
/// indexer on channel `chert_balance`.
///
/// The only write that a read of the API makes; it fails on a read replica and the caller then
/// answers with what is known.
pub async fn ask_balance(
    db: impl PgExecutor<'_>,
    address: &Address,
    now_s: i64,
) -> Result<(), StoreError> {
    let statement = sqlx::query!(
        r#"WITH asked AS (
               INSERT INTO balance_queue (address_key, address, height, asked_at)
               SELECT $1, $2, c.height, $3 FROM checkpoints c
               WHERE c.pipeline = 'chain'
                 AND (SELECT count(*) FROM (SELECT 1 FROM balance_queue LIMIT $4) q) < $4
               ON CONFLICT (address_key) DO NOTHING
           )
           SELECT pg_notify('chert_balance', '')::text AS notified"#,
        address.key().to_uuid(),
        address.as_str(),
        now_s,
        BALANCE_QUEUE_ROWS_MAX
    );
    timed!("ask_balance", statement.fetch_all(db)).await?;
    Ok(())
}
