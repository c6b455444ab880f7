//! Schema migrations of the store. Forward-only once released.
//!
//! The DDL is PostgreSQL's own SQL, one file per migration, run by sea-orm-migration, which
//! records what has been applied and serialises nothing itself: `chert_store::migrate` holds an
//! advisory lock around it so that several instances may start at once.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr};

pub use sea_orm_migration::MigratorTrait;

/// Name and SQL of every migration, in order.
const MIGRATIONS: &[(&str, &str)] = &[
    ("m0001_chain", include_str!("m0001_chain.sql")),
    ("m0002_people", include_str!("m0002_people.sql")),
    ("m0003_auth", include_str!("m0003_auth.sql")),
    ("m0004_events", include_str!("m0004_events.sql")),
    ("m0005_visibility", include_str!("m0005_visibility.sql")),
    ("m0006_boards", include_str!("m0006_boards.sql")),
];

/// The migrations, for sea-orm-migration.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        MIGRATIONS
            .iter()
            .map(|(name, sql)| Box::new(SqlMigration { name, sql }) as Box<dyn MigrationTrait>)
            .collect()
    }
}

/// A short text that changes whenever the schema does; names template databases in tests.
pub fn schema_digest() -> String {
    // FNV-1a: the text must be stable between builds, not resistant to anybody.
    let digest = MIGRATIONS
        .iter()
        .flat_map(|(name, sql)| name.bytes().chain(sql.bytes()))
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{digest:016x}")
}

struct SqlMigration {
    name: &'static str,
    sql: &'static str,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.sql).await?;
        Ok(())
    }
}
