//! The binaries' common code: command line, configuration, telemetry, and starting the parts.

pub mod cli;
pub mod commands;
pub mod config;
mod grpc;
mod passthrough;
mod progress_bar;
mod services;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

/// An answer is dozens of small allocations on whichever worker thread is free, which the system's
/// allocator takes long for (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the command line of `chert`.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    run(cli.command, &cli.global)
}

/// Runs one command on a new runtime; errors are one clear sentence and the chain of causes.
pub fn run(command: cli::Command, global: &cli::GlobalArgs) -> ExitCode {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start threads")),
    };
    match runtime.block_on(commands::run(command, global)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("chert: {error:#}");
    ExitCode::FAILURE
}
