//! One file per command.

mod doctor;
mod index;
mod migrate;
mod serve;
mod sign;
mod up;
mod verify;

use std::process::ExitCode;

use crate::cli::{Command, GlobalArgs};
use crate::config::Config;
use crate::telemetry;

/// Runs a command to its end.
pub async fn run(command: Command, global: &GlobalArgs) -> anyhow::Result<ExitCode> {
    if let Command::Openapi = command {
        print!("{}", chert_api::openapi_json());
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Sign(args) = command {
        return sign::run(&args);
    }
    let config = Config::load(global.config.as_deref())?;
    let _telemetry = telemetry::install(&config.telemetry)?;
    match command {
        Command::Up(args) => up::run(config, args).await,
        Command::Serve(args) => serve::run(config, args).await,
        Command::Index(args) => index::run(config, args).await,
        Command::Migrate(args) => migrate::run(config, &args).await,
        Command::Devnet(args) => {
            let signal = async {
                if let Err(error) = stop_signal().await {
                    tracing::error!(%error, "signals cannot be received");
                }
            };
            chert_devnet::cli::run(*args, signal).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify(args) => verify::run(config, args).await,
        Command::Doctor(args) => doctor::run(config, args).await,
        Command::Openapi | Command::Sign(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
