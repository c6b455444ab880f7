//! `chert index`.

use std::process::ExitCode;

use anyhow::Context;
use chert_api::ApiState;
use chert_store::Store;
use tokio_util::sync::CancellationToken;

use super::stop_signal;
use crate::cli::IndexArgs;
use crate::config::Config;
use crate::progress_bar;
use crate::services::{recorder, start_indexer};

/// Indexes until a signal.
pub async fn run(mut config: Config, args: IndexArgs) -> anyhow::Result<ExitCode> {
    config.apply_sources(&args.sources)?;
    if let Some(address) = args.metrics {
        config.indexer.metrics_address = address.to_string();
    }
    if !config.indexer.enabled {
        anyhow::bail!("indexer.enabled is false; set it to true to run the indexer");
    }
    let stop = CancellationToken::new();
    let metrics = serve_metrics(&config, &stop).await?;
    let mut indexing = start_indexer(&config, &stop)?;
    let bar = tokio::spawn(progress_bar::show(indexing.progress.clone(), stop.clone()));
    let ended = tokio::select! {
        signal = stop_signal() => { signal?; None }
        ended = &mut indexing.task => Some(ended),
    };
    stop.cancel();
    let ended = match ended {
        Some(ended) => ended,
        None => indexing.task.await,
    };
    bar.await.context("the progress display panicked")?;
    if let Some(metrics) = metrics {
        metrics.await.context("the metrics server panicked")??;
    }
    ended.context("the indexer panicked")??;
    Ok(ExitCode::SUCCESS)
}

/// Serves /metrics and /health of an indexer that runs alone.
async fn serve_metrics(
    config: &Config,
    stop: &CancellationToken,
) -> anyhow::Result<Option<tokio::task::JoinHandle<std::io::Result<()>>>> {
    let address = config.indexer.metrics_address.as_str();
    if address.is_empty() {
        return Ok(None);
    }
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another indexer.metrics_address")
    })?;
    println!("metrics  http://{}/metrics", listener.local_addr()?);
    let pool = chert_store::PoolSettings { max_connections: 2, ..config.direct_pool()? };
    let state = ApiState::new(Store::connect_lazy(&pool)?, config.api_settings()?, recorder()?);
    let signal = stop.clone().cancelled_owned();
    Ok(Some(tokio::spawn(chert_api::serve_operations(listener, state, signal))))
}
