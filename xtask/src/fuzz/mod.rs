//! `fuzz`: the API description against a real server, by Schemathesis.
//!
//! A server of this build with a development chain of its own; what is asked of it is made from its
//! own description, with ids that the chain really has. Whatever answers 5xx, or otherwise than it
//! is described, fails the run. The same seed asks the same, on a slow machine as on a fast one: the
//! number of cases is fixed, not the time.

mod configuration;
mod python;
mod server;

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::process::Command;

use crate::workspace::root;
use server::Server;

/// A run takes about a second per example; one that takes so much longer hangs.
const SLOW: Duration = Duration::from_secs(10);

/// Options of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the random choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases to ask of each operation, and how many sequences of calls
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=3000))]
    examples: u32,
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
        .args(["--max-examples", &arguments.examples.to_string()])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--generation-database", "none", "--continue-on-failure", "--no-color"])
        .kill_on_drop(true);
    let status = tokio::time::timeout(SLOW * arguments.examples, command.status());
    let status = status.await.context("Schemathesis did not end in time")??;
    server.stop().await?;
    if !status.success() {
        eprintln!(
            "the server does not do what its description says; ask it again with the curl lines \
             above, or everything with: cargo run -p xtask -- fuzz --seed {} --examples {}",
            arguments.seed, arguments.examples
        );
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
