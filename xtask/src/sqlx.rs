//! `sqlx`: describes every query of the store by asking a migrated database.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};
use chert_migration::{Migrator, MigratorTrait};
use chert_postgres::TemporaryPostgres;
use sea_orm_migration::sea_orm::Database;
use tokio::process::Command;

use crate::workspace::{cargo, root};

/// The macros connect from one process, with few connections.
const CONNECTIONS_MAX: u32 = 20;
const DATABASE: &str = "chert";

pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let root = root();
    let postgres = TemporaryPostgres::start(CONNECTIONS_MAX).await?;
    postgres.ensure_database(DATABASE).await?;
    let url = postgres.url(DATABASE);
    let db = Database::connect(&url).await?;
    Migrator::up(&db, None).await.context("migration failed")?;
    db.close().await?;

    // Beside the present ones, which stay if a query is wrong.
    let fresh = root.join("target/sqlx-fresh");
    empty(&fresh)?;
    // The macros only run when the compiler does.
    let library = root.join("crates/chert-store/src/lib.rs");
    let touched = fs::File::options().append(true).open(&library);
    touched.and_then(|file| file.set_modified(SystemTime::now())).context("cannot touch lib.rs")?;
    let status = Command::new(cargo())
        .args(["check", "--package", "chert-store", "--all-targets"])
        .current_dir(&root)
        .env("DATABASE_URL", &url)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &fresh)
        .status()
        .await
        .context("cannot run cargo")?;
    drop(postgres);
    if !status.success() {
        bail!("a query does not fit the schema; .sqlx is unchanged");
    }

    let target = root.join(".sqlx");
    empty(&target)?;
    let mut count = 0_u32;
    for entry in fs::read_dir(&fresh)? {
        let entry = entry?;
        fs::copy(entry.path(), target.join(entry.file_name()))?;
        count += 1;
    }
    fs::remove_dir_all(&fresh)?;
    println!(".sqlx describes {count} queries");
    Ok(ExitCode::SUCCESS)
}

/// Makes `directory` exist without anything in it.
fn empty(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())
}
