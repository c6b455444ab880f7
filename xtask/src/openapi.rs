//! `openapi`: the committed API description is what the program prints.

use std::fs;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, bail};

use crate::workspace::{cargo, root};

/// Options of `openapi`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Compare instead of writing
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let root = root();
    let output = Command::new(cargo())
        .args(["run", "--quiet", "--package", "chert", "--bin", "chert", "--", "openapi"])
        .current_dir(&root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() || output.stdout.is_empty() {
        bail!("`chert openapi` failed ({})", output.status);
    }

    let path = root.join("openapi.json");
    let is_current = fs::read(&path).is_ok_and(|present| present == output.stdout);
    if is_current {
        println!("openapi.json is current");
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        eprintln!("openapi.json is not what the API describes; run: cargo run -p xtask -- openapi");
        return Ok(ExitCode::FAILURE);
    }
    fs::write(&path, &output.stdout).context("cannot write openapi.json")?;
    println!("openapi.json written, {} bytes", output.stdout.len());
    Ok(ExitCode::SUCCESS)
}
