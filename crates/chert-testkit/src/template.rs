//! The migrated database that all others are copied from.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::cluster::Cluster;

/// Advisory lock of the maintenance database: one process migrates, the others wait.
const TEMPLATE_LOCK: i64 = 0x6368_6572_7431;

/// Gives the name of the template for the present schema; makes it if nobody has yet.
pub(crate) async fn ensure(cluster: &Cluster, admin: &mut PgConnection) -> anyhow::Result<String> {
    // The digest in the name keeps the templates of two branches apart on one server.
    let name = format!("chert_template_{}", chert_migration::schema_digest());
    if is_complete(admin, &name).await? {
        return Ok(name);
    }
    // Released by the server when this connection closes, whatever happens here.
    let mut holder = PgConnection::connect(&cluster.admin_url).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut holder).await?;
    if !is_complete(&mut holder, &name).await? {
        build(cluster, &mut holder, &name).await.context("cannot make the template database")?;
    }
    holder.close().await?;
    Ok(name)
}

/// `datistemplate` is set last, so a build that was interrupted does not count.
async fn is_complete(db: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)",
    )
    .bind(name)
    .fetch_one(db)
    .await
}

async fn build(cluster: &Cluster, admin: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    execute(admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    execute(admin, format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    chert_store::migrate(&cluster.url_of(name)).await.context("migration failed")?;
    // A database cannot be copied while somebody is connected to it: nobody may any more.
    execute(admin, format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false IS_TEMPLATE true"))
        .await?;
    Ok(())
}

/// Runs a statement that cannot have parameters. The names in it are made here, never given.
pub(crate) async fn execute(db: &mut PgConnection, sql: String) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(db).await.map(drop)
}
