//! Waking up other processes, and being woken. Notifications carry no data: whoever is woken reads
//! the tables, so a lost one costs time and never truth.

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::{Store, StoreError};

/// The indexer committed something.
pub const TIP_CHANNEL: &str = "chert_tip";
/// Somebody waits for a balance that was never read.
pub const BALANCE_CHANNEL: &str = "chert_balance";
/// Somebody waits for the voting power of wallets.
pub const POWER_CHANNEL: &str = "chert_power";

/// A session of its own that listens on one channel.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
}

impl Store {
    /// Listens on `channel`.
    pub async fn listen(&self, channel: &str) -> Result<Listener, StoreError> {
        // A pool of its own: from the shared one, the listener may be given a connection on which a
        // cancelled statement still has answers to come, and it miscounts them (sqlx 0.9 panics).
        let options = self.pool.connect_options().as_ref().clone();
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let mut inner = PgListener::connect_with(&pool).await?;
        inner.listen(channel).await?;
        Ok(Listener { inner })
    }
}

impl Listener {
    /// `true`: there is news. `false`: the connection was lost and is made again, so that news may
    /// have been missed. An error: it could not be made again.
    pub async fn changed(&mut self) -> Result<bool, StoreError> {
        Ok(self.inner.try_recv().await?.is_some())
    }
}
