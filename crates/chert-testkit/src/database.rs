//! One database per test.

use std::time::Duration;

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::template::{self, execute};

/// Dropping a database must never hang a test.
const DROP_TIMEOUT: Duration = Duration::from_secs(10);

/// A database that belongs to one test and is deleted with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// Where to connect, as superuser.
    pub url: String,
    name: String,
    cluster: Cluster,
    dropped: bool,
}

impl TestDatabase {
    /// A new database with the current schema and no rows.
    ///
    /// # Panics
    ///
    /// If there is no PostgreSQL, which a test cannot do anything about.
    pub async fn create() -> Self {
        Self::panic_on_error(Self::try_create(true).await)
    }

    /// A new database without any schema, for tests of the migration itself.
    ///
    /// # Panics
    ///
    /// If there is no PostgreSQL.
    pub async fn create_empty() -> Self {
        Self::panic_on_error(Self::try_create(false).await)
    }

    fn panic_on_error(result: anyhow::Result<Self>) -> Self {
        result.unwrap_or_else(|error| panic!("cannot create a test database: {error:#}"))
    }

    async fn try_create(migrated: bool) -> anyhow::Result<Self> {
        let cluster = Cluster::get().await?;
        let mut admin = PgConnection::connect(&cluster.admin_url)
            .await
            .with_context(|| format!("no PostgreSQL at {}", cluster.admin_url))?;
        let template = match migrated {
            true => template::ensure(&cluster, &mut admin).await?,
            false => "template0".to_owned(),
        };
        let name = format!("chert_test_{}", Uuid::new_v4().simple());
        execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        admin.close().await?;
        Ok(Self { url: cluster.url_of(&name), name, cluster, dropped: false })
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends every connection to this database from the server's side, as a fail-over does; gives
    /// how many there were.
    pub async fn terminate_connections(&self) -> anyhow::Result<u64> {
        let mut admin = PgConnection::connect(&self.cluster.admin_url).await?;
        let ended = sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = $1 AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .bind(&self.name)
        .execute(&mut admin)
        .await?;
        admin.close().await?;
        Ok(ended.rows_affected())
    }

    /// Deletes the database now. Dropping does the same, but blocks its thread meanwhile.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.dropped = true;
        drop_database(&self.cluster.admin_url, &self.name).await?;
        Ok(())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.dropped {
            return;
        }
        let (admin_url, name) = (self.cluster.admin_url.clone(), self.name.clone());
        // A thread with a runtime of its own: the test's runtime may be shutting down, and may
        // have one thread, which is this one.
        let thread = std::thread::spawn(move || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let dropping = drop_database(&admin_url, &name);
            runtime.block_on(async { tokio::time::timeout(DROP_TIMEOUT, dropping).await })??;
            Ok(())
        });
        // The server is deleted anyway when the run ends; a test must not fail for this.
        if let Ok(Err(error)) = thread.join() {
            eprintln!("cannot drop the test database {}: {error:#}", self.name);
        }
    }
}

async fn drop_database(admin_url: &str, name: &str) -> sqlx::Result<()> {
    let mut admin = PgConnection::connect(admin_url).await?;
    execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    admin.close().await
}
