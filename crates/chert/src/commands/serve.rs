//! `chert serve`.

use std::process::ExitCode;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::stop_signal;
use crate::cli::ServeArgs;
use crate::config::Config;
use crate::services::{recorder, start_api};

/// Serves until a signal.
pub async fn run(mut config: Config, args: ServeArgs) -> anyhow::Result<ExitCode> {
    config.apply_database(&args.database);
    config.apply_listen(&args.listen);
    let stop = CancellationToken::new();
    let mut api = start_api(&config, args.listen.grpc, recorder()?, &stop).await?;
    println!("REST  {}://{}   gRPC  {}", api.scheme, api.http, api.grpc);
    tokio::select! {
        signal = stop_signal() => signal?,
        ended = &mut api.task => {
            ended.context("the server panicked")??;
            return Ok(ExitCode::SUCCESS);
        }
    }
    stop.cancel();
    api.task.await.context("the server panicked")??;
    Ok(ExitCode::SUCCESS)
}
