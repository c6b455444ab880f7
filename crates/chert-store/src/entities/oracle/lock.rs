//! One process at a time reads an oracle, however many run against the database.

use sqlx::{Connection, PgConnection};

use crate::{Store, StoreError};

/// Advisory locks of oracles, one per oracle id (any fixed number).
const ORACLE_LOCKS: i32 = 0x6368_6f72;

/// The right to read an oracle's feed. Held by a session of its own and given up with it, so that a
/// process that dies leaves nothing behind.
#[derive(Debug)]
pub struct OracleLock {
    session: PgConnection,
}

impl OracleLock {
    /// Whether the session, and with it the lock, is still there. What commits a page does not need
    /// it (the cursor moves by compare-and-set); asking saves reading pages in vain.
    pub async fn is_held(&mut self) -> bool {
        self.session.ping().await.is_ok()
    }
}

impl Store {
    /// Takes the lock of an oracle; `None` where another process holds it.
    ///
    /// Like the writer's, it needs a direct session: it does not survive a transaction pooler.
    pub async fn try_oracle_lock(&self, oracle_id: &str) -> Result<Option<OracleLock>, StoreError> {
        let mut session = PgConnection::connect_with(&self.pool().connect_options()).await?;
        let locked = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_lock($1, hashtext($2)) AS "ok!""#,
            ORACLE_LOCKS,
            oracle_id
        )
        .fetch_one(&mut session)
        .await?;
        Ok(locked.then_some(OracleLock { session }))
    }
}
