//! Using up nonces, and forgetting those that nothing could be replayed with any more.

use sqlx::PgExecutor;

use crate::StoreError;
use crate::read::timed;

/// Bytes that name a nonce: a digest of the signer's key and what the signer sent.
pub const NONCE_BYTES: usize = 32;
/// Nonces forgotten by one statement at most.
pub const PRUNE_NONCES_MAX: i64 = 1_000;

/// Uses a nonce up; `false` where it was used before, here or on another instance.
///
/// # Errors
/// [`StoreError`] where the database did not take it; it may then be used up or not.
pub async fn claim_nonce(
    db: impl PgExecutor<'_>,
    nonce: &[u8; NONCE_BYTES],
    expires_at_s: i64,
) -> Result<bool, StoreError> {
    let statement = sqlx::query!(
        "INSERT INTO nonces (nonce, expires_at) VALUES ($1, $2) ON CONFLICT (nonce) DO NOTHING",
        nonce,
        expires_at_s
    );
    Ok(timed!("claim_nonce", statement.execute(db)).await?.rows_affected() == 1)
}

/// Forgets some nonces that expired before `before_s`, and says how many; up to
/// [`PRUNE_NONCES_MAX`], so that no statement takes long. Instances that prune at the same time
/// take different rows. Index: `nonces_expires_at`.
///
/// # Errors
/// [`StoreError`] where the database did not answer.
pub async fn prune_nonces(db: impl PgExecutor<'_>, before_s: i64) -> Result<u64, StoreError> {
    let statement = sqlx::query!(
        "DELETE FROM nonces WHERE nonce = ANY (ARRAY(
             SELECT nonce FROM nonces WHERE expires_at < $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
        before_s,
        PRUNE_NONCES_MAX
    );
    Ok(timed!("prune_nonces", statement.execute(db)).await?.rows_affected())
}
