//! `bench`: builds the measuring program for release and runs it.

use std::process::ExitCode;

use anyhow::Context;
use tokio::process::Command;

use crate::workspace::cargo;

/// Options of `bench`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed to `chert-bench`: [ingest|api|people] [--quick] [--json FILE] [--only NAMES]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    bench: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut bench = Command::new(cargo())
        .args(["run", "--release", "--quiet", "--package", "chert-bench", "--"])
        .args(&arguments.bench)
        .env("SQLX_OFFLINE", "true")
        .spawn()
        .context("cannot run cargo")?;

    // A Ctrl-C reaches the benchmark too: it stops its servers, and then we end.
    let interrupts = tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let status = bench.wait().await;
    interrupts.abort();
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    // No code means that a signal ended it.
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
