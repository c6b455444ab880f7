//! Leaderboards.

use sqlx::PgConnection;

use crate::StoreError;

/// What a registry commit (or its unwind) changed, as far as boards care.
#[derive(Debug, Default)]
pub(crate) struct IdentityChanges {
    /// Identities that were public and are not any more.
    pub hidden: Vec<Vec<u8>>,
    /// Identities that have become public.
    pub shown: Vec<Vec<u8>>,
}

/// Called in the transaction that changed visibilities: nothing of a hidden identity may stay on
/// a board that a reader can see after the commit.
pub(crate) async fn identities_changed(
    _db: &mut PgConnection,
    _changes: &IdentityChanges,
    _now_ms: i64,
) -> Result<(), StoreError> {
    Ok(())
}
