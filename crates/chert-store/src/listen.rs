//! Waking up other processes, and being woken. Notifications carry no data: whoever is woken reads
//! the tables, so a lost one costs time and never truth.

use sqlx::postgres::PgListener;

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
        let mut inner = PgListener::connect_with(self.pool()).await?;
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
