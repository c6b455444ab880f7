//! The server of the run: durable like production, private, deleted in the end.

use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use chert_postgres::{Options, PrivatePostgres};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

const CONNECTIONS_MAX: u32 = 200;
/// The path of a socket, file name included, may have 107 characters.
const SOCKET_DIR_CHARS_MAX: usize = 85;
/// The same prefix as `TemporaryPostgres`, whose sweep deletes what a killed run leaves.
const PREFIX: &str = "chert-pg-";
/// A migrated database without rows, from which others are copied.
const EMPTY: &str = "empty";

/// The private server.
pub(crate) struct Postgres {
    // The order matters: the server stops before its directory goes.
    server: PrivatePostgres,
    directory: TempDir,
}

impl Postgres {
    /// Starts it, with a migrated database to copy from.
    pub(crate) async fn start(
        data_dir: Option<&Path>,
        shared_buffers_mb: u32,
    ) -> anyhow::Result<Self> {
        let root = data_dir.map_or_else(std::env::temp_dir, Path::to_owned);
        std::fs::create_dir_all(&root).with_context(|| root.display().to_string())?;
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in(&root)
            .with_context(|| root.display().to_string())?;
        // The one directory here that the server's account may write to.
        let socket_dir = directory.path().join("data");
        anyhow::ensure!(
            socket_dir.as_os_str().len() < SOCKET_DIR_CHARS_MAX,
            "{} is too long a path for a socket; choose a shorter --data-dir",
            socket_dir.display()
        );
        let options = Options {
            data_dir: directory.path().join("data"),
            durable: true,
            port: None,
            max_connections: CONNECTIONS_MAX,
            shared_buffers_mb,
            extra: vec![
                ("max_wal_size".to_owned(), "4GB".to_owned()),
                // For the anchors of ingest; see `connect_local`.
                ("unix_socket_directories".to_owned(), socket_dir.display().to_string()),
            ],
        };
        let server = PrivatePostgres::start(options).await?;
        let this = Self { server, directory };
        this.server.ensure_database(EMPTY).await?;
        chert_store::migrate(&this.url(EMPTY)).await?;
        Ok(this)
    }

    /// URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// Port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// Where its data is.
    pub(crate) fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Version and the settings that decide.
    pub(crate) async fn describe(&self) -> anyhow::Result<String> {
        let mut db = self.connect("postgres").await?;
        let text = sqlx::query_scalar(
            "SELECT format('PostgreSQL %s, fsync %s, shared_buffers %s, max_wal_size %s',
                           current_setting('server_version'), current_setting('fsync'),
                           current_setting('shared_buffers'), current_setting('max_wal_size'))",
        )
        .fetch_one(&mut db)
        .await?;
        Ok(text)
    }

    /// A session.
    pub(crate) async fn connect(&self, database: &str) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.url(database)).await?)
    }

    /// A session over a Unix socket: COPY at its best. SQLx leaves Nagle's algorithm on, so that
    /// over TCP the end of every COPY waits some 40 ms for a delayed acknowledgement.
    pub(crate) async fn connect_local(&self, database: &str) -> anyhow::Result<PgConnection> {
        let options = PgConnectOptions::from_str(&self.url(database))?;
        let socket_dir = self.directory.path().join("data");
        Ok(PgConnection::connect_with(&options.socket(socket_dir)).await?)
    }

    /// A new database with the schema and no rows, in place of one of that name.
    pub(crate) async fn create(&self, name: &str) -> anyhow::Result<String> {
        self.copy(EMPTY, name).await
    }

    /// A database that is a copy of another, in place of one of that name.
    pub(crate) async fn copy(&self, from: &str, name: &str) -> anyhow::Result<String> {
        let mut db = self.connect("postgres").await?;
        // A database cannot be copied while somebody is connected to it.
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1
             AND backend_type = 'client backend'",
        )
        .bind(from)
        .execute(&mut db)
        .await?;
        drop_database(&mut db, name).await?;
        // As files: the default strategy writes all of it to the log.
        let statement = format!("CREATE DATABASE {name} TEMPLATE {from} STRATEGY FILE_COPY");
        execute(&mut db, statement).await?;
        Ok(self.url(name))
    }

    /// Deletes a database and frees its space.
    pub(crate) async fn drop(&self, name: &str) -> anyhow::Result<()> {
        drop_database(&mut self.connect("postgres").await?, name).await
    }

    /// Reads all of a database into the server's buffers, as far as they reach.
    pub(crate) async fn warm(&self, database: &str) -> anyhow::Result<()> {
        let mut db = self.connect(database).await?;
        execute(&mut db, "CREATE EXTENSION IF NOT EXISTS pg_prewarm".to_owned()).await?;
        // The largest first: where not everything fits, what is read last stays.
        sqlx::query(
            "SELECT pg_prewarm(oid::regclass) FROM
                 (SELECT oid FROM pg_class WHERE relkind IN ('r', 'i', 't') AND relpages > 0
                  ORDER BY relpages DESC) relations",
        )
        .execute(&mut db)
        .await?;
        Ok(())
    }

    /// Writes everything out, so that a measurement does not pay for what came before it.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        execute(&mut self.connect("postgres").await?, "CHECKPOINT".to_owned()).await
    }

    /// Stops the server and deletes its data.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await?;
        Ok(self.directory.close()?)
    }
}

async fn drop_database(db: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    execute(db, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

/// Runs a statement that cannot have parameters. Names in it are made in this crate.
pub(crate) async fn execute(db: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(db).await?;
    Ok(())
}
