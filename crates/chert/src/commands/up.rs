//! `chert up`: everything, with an embedded default for whatever is not configured.

mod database;
mod devnet;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::database::Database;
use self::devnet::Devnet;
use super::stop_signal;
use crate::cli::UpArgs;
use crate::config::Config;
use crate::progress_bar;
use crate::services::{recorder, start_api, start_indexer};

/// Runs until a signal.
pub async fn run(mut config: Config, args: UpArgs) -> anyhow::Result<ExitCode> {
    config.apply_sources(&args.sources)?;
    config.apply_listen(&args.listen);
    let stop = CancellationToken::new();
    let data_dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => default_data_dir()?,
    };
    let database = Database::start(&mut config, &data_dir).await?;
    eprintln!("bringing the schema to this version");
    chert_store::migrate(&config.direct_pool()?.url)
        .await
        .context("the schema could not be brought to this version; `chert doctor` may tell why")?;
    let devnet = match config.node_urls().is_empty() {
        true => Some(start_devnet(&mut config, &data_dir, &args, &stop).await?),
        false => None,
    };
    let mut api = start_api(&config, args.listen.grpc, recorder()?, &stop).await?;
    let mut indexing = match config.indexer.enabled {
        true => Some(start_indexer(&config, &stop)?),
        false => None,
    };
    announce(&config, &api, database.is_some(), devnet.as_ref(), &data_dir);
    let bar = indexing
        .as_ref()
        .map(|i| tokio::spawn(progress_bar::show(i.progress.clone(), stop.clone())));
    let ended = tokio::select! {
        signal = stop_signal() => { signal?; Ok(()) }
        ended = &mut api.task => ended.context("the server panicked").and_then(|e| e),
        ended = indexer_end(&mut indexing) => ended,
    };
    eprintln!("stopping: requests in flight finish, the batch commits or rolls back");
    stop.cancel();
    finish(api, indexing, bar).await;
    if let Some(devnet) = devnet {
        devnet.shutdown().await;
    }
    if let Some(database) = database {
        database.stop().await?;
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// Starts the dev chain; where no oracles are configured, with two oracles of its own.
async fn start_devnet(
    config: &mut Config,
    data_dir: &Path,
    args: &UpArgs,
    stop: &CancellationToken,
) -> anyhow::Result<Devnet> {
    let with_oracles = config.oracles.entries().is_empty();
    let devnet = Devnet::start(data_dir, args, with_oracles, stop.clone()).await?;
    config.chain.rpc_url = devnet.url();
    config.oracles.oracle.extend(devnet.oracle_entries());
    Ok(devnet)
}

/// An indexer that gives up leaves the server running: it still answers, and says how far it is.
async fn indexer_end(indexing: &mut Option<crate::services::Indexing>) -> anyhow::Result<()> {
    if let Some(running) = indexing.as_mut() {
        let ended = (&mut running.task).await.context("the indexer panicked");
        *indexing = None;
        if let Err(error) = ended.and_then(|e| e.map_err(anyhow::Error::from)) {
            eprintln!(
                "chert: the indexer stopped, the API goes on serving what is indexed: {error:#}"
            );
        }
    }
    std::future::pending().await
}

async fn finish(
    api: crate::services::Api,
    indexing: Option<crate::services::Indexing>,
    bar: Option<tokio::task::JoinHandle<()>>,
) {
    if let Some(indexing) = indexing
        && let Ok(Err(error)) = indexing.task.await
    {
        eprintln!("chert: the indexer ended with: {error:#}");
    }
    // A finished task must not be awaited again; an unfinished one is.
    if !api.task.is_finished()
        && let Ok(Err(error)) = api.task.await
    {
        eprintln!("chert: the server ended with: {error:#}");
    }
    if let Some(bar) = bar {
        let _ = bar.await;
    }
}

fn announce(
    config: &Config,
    api: &crate::services::Api,
    own_database: bool,
    devnet: Option<&Devnet>,
    data_dir: &Path,
) {
    let http = format!("{}://{}", api.scheme, api.http);
    println!("Chert API is up");
    println!("  web page   {http}/");
    println!("  REST       {http}/v1/status   (documentation: {http}/docs)");
    println!("  gRPC       {} (chert.api.v1)", api.grpc);
    println!("  metrics    {http}/metrics   ready: {http}/health/ready");
    let node = if devnet.is_some() { "dev chain, made by this process" } else { "configured" };
    println!("  node       {} ({node})", config.chain.rpc_url);
    for line in devnet.map(Devnet::describe_oracles).unwrap_or_default() {
        println!("  oracle     {line}");
    }
    if devnet.is_none_or(|devnet| !devnet.has_oracles()) {
        for entry in config.oracles.entries() {
            println!("  oracle     {} (configured)", without_password(&entry.url));
        }
    }
    let database = without_password(&config.database.url);
    let whose = if own_database { "private, data stays" } else { "configured" };
    println!("  database   {database} ({whose})");
    if own_database || devnet.is_some() {
        println!("  data       {}", data_dir.display());
    }
    println!("Stop with Ctrl-C.");
}

fn without_password(url: &str) -> String {
    match url.parse::<url::Url>() {
        Ok(mut url) if url.password().is_some() => {
            let _ = url.set_password(Some("***"));
            url.to_string()
        }
        _ => url.to_owned(),
    }
}

/// /var/lib/chert for root (PostgreSQL's user cannot enter /root), else below the home directory.
fn default_data_dir() -> anyhow::Result<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/chert"));
    }
    let home = std::env::var_os("HOME").context("HOME is not set; give --data-dir")?;
    Ok(PathBuf::from(home).join(".local/share/chert"))
}
