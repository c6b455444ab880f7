//! `fuzz`: the API description against a real server, by Schemathesis.
//!
//! A server of this build with a development chain of its own; what is asked of it is made from its
//! own description, with ids that the chain really has. Whatever answers 5xx, or otherwise than it
//! is described, fails the run. The same seed asks the same.

mod configuration;
mod python;
mod server;

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use tokio::process::Command;

use crate::workspace::root;
use server::Server;

/// Beyond its own time the tool gets this long to report, in seconds.
const REPORT_S: u64 = 60;

/// Options of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the random choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to ask, in seconds
    #[arg(long, default_value_t = 75, value_parser = clap::value_parser!(u64).range(10..=3600))]
    seconds: u64,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let directory = root().join("target/fuzz");
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    let schemathesis = python::schemathesis(&directory).await?;
    let server = Server::start().await?;
    let configuration = configuration::write(&directory, &server).await?;
    let mut command = Command::new(schemathesis);
    command
        .current_dir(&directory)
        .arg("--config-file")
        .arg(&configuration)
        .args(["run", &format!("{}/openapi.json", server.url())])
        .args(["--seed", &arguments.seed.to_string()])
        .args(["--max-time", &arguments.seconds.to_string()])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--generation-database", "none", "--continue-on-failure", "--no-color"])
        .kill_on_drop(true);
    let limit = std::time::Duration::from_secs(arguments.seconds + REPORT_S);
    let status = tokio::time::timeout(limit, command.status());
    let status = status.await.context("Schemathesis did not end in time")??;
    server.stop().await?;
    if !status.success() {
        eprintln!(
            "the server does not do what its description says; ask it again with the curl lines \
             above, or everything with: cargo run -p xtask -- fuzz --seed {}",
            arguments.seed
        );
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
