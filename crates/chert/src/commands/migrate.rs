//! `chert migrate`.

use std::process::ExitCode;

use anyhow::Context;

use crate::cli::DatabaseArgs;
use crate::config::Config;

/// Applies all pending migrations.
pub async fn run(mut config: Config, args: &DatabaseArgs) -> anyhow::Result<ExitCode> {
    config.apply_database(args);
    let url = config.direct_pool()?.url;
    chert_store::migrate(&url)
        .await
        .context("the schema could not be brought to this version; `chert doctor` may tell why")?;
    println!("the schema is at this version");
    Ok(ExitCode::SUCCESS)
}
