//! Brings the schema to this program's version.

use chert_migration::{Migrator, MigratorTrait};
use sqlx::{Connection, PgConnection};

use crate::StoreError;
use crate::locks::AdvisoryLock;

/// Applies all pending migrations; safe to call from several processes at once.
pub async fn migrate(url: &str) -> Result<(), StoreError> {
    let mut lock = PgConnection::connect(url).await?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(AdvisoryLock::Migration.key())
        .execute(&mut lock)
        .await?;
    let outcome = migrate_locked(url).await;
    // Closing the session releases the lock in every case.
    lock.close().await?;
    outcome
}

async fn migrate_locked(url: &str) -> Result<(), StoreError> {
    let mut options = sea_orm::ConnectOptions::new(url);
    // A migration's whole text in the log helps nobody.
    options.sqlx_logging(false).max_connections(1);
    let db = sea_orm::Database::connect(options).await?;
    let outcome = match Migrator::up(&db, None).await {
        Err(sea_orm::DbErr::Custom(text)) if text.contains("is missing") => {
            Err(StoreError::SchemaTooNew)
        }
        other => other.map_err(StoreError::from),
    };
    db.close().await?;
    outcome
}
