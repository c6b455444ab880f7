//! Waiting for a wake-up from another process.

use sqlx::postgres::PgListener;

use crate::{Store, StoreError};

/// A session that listens on one channel. Notifications carry no data: whoever is woken reads the
/// tables.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Store {
    /// Listens on `channel`.
    pub async fn listen(&self, channel: &str) -> Result<Listener, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(channel).await?;
        Ok(Listener(listener))
    }
}

impl Listener {
    /// Waits for a notification; an error says that the session was lost and some may be missed.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        match self.0.try_recv().await? {
            Some(_) => Ok(()),
            None => Err(StoreError::Database(sqlx::Error::WorkerCrashed)),
        }
    }
}
