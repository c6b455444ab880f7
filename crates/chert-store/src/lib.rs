//! The store: PostgreSQL, and everything that speaks SQL.
//!
//! Writers hand in verified blocks and get one transaction per batch; readers get rows together
//! with the [`Checkpoint`] of the same snapshot.

mod bulk;
pub mod checkpoint;
pub mod copy;
mod database_id;
mod derived;
pub mod entities;
mod error;
mod feeds;
mod listen;
mod locks;
mod migrate;
mod pool;
pub mod privacy;
pub mod queue;
pub mod read;
mod readers;
mod relay;
mod transaction;
mod verify;
pub mod writer;

pub use checkpoint::Checkpoint;
pub use error::StoreError;
pub use feeds::{Feed, FeedCheckpoint, FeedOutcome, RejectedRecord};
pub use listen::{BALANCE_CHANNEL, Listener, POWER_CHANNEL, TIP_CHANNEL};
pub use migrate::migrate;
pub use pool::PoolSettings;
pub use readers::Readers;
pub use verify::{Finding, VerifyScope};
pub use writer::{BatchRows, Change, NodeView, Writer};

use sqlx::PgPool;

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    readers: Readers,
    long_readers: Readers,
    /// Carries the pool's connections; dropped with the last handle.
    _hub: Option<relay::Hub>,
}

impl Store {
    /// The same pool behind SeaORM.
    pub fn orm(&self) -> sea_orm::DatabaseConnection {
        sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(self.pool.clone())
    }
}

impl Store {
    /// The chain pipeline's checkpoint.
    pub async fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        checkpoint::load_checkpoint(&self.pool).await
    }
}

/// What `chert doctor` says of a database.
#[derive(Debug, Clone)]
pub struct About {
    /// The server's version as it prints it.
    pub version: String,
    /// The same as a number, e.g. 150018.
    pub version_number: i32,
    /// The checkpoint; absent where the schema is missing.
    pub checkpoint: Option<Checkpoint>,
}

impl Store {
    /// Version and state of the database.
    pub async fn describe(&self) -> Result<About, StoreError> {
        let row = sqlx::query!(
            r#"SELECT current_setting('server_version') AS "version!",
                      current_setting('server_version_num')::int AS "number!""#
        )
        .fetch_one(&self.pool)
        .await?;
        let checkpoint = self.checkpoint().await.ok();
        Ok(About { version: row.version, version_number: row.number, checkpoint })
    }
}
