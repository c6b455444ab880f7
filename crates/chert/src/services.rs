//! Starting the server and the indexer, for every command that runs one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chert_api::{ApiState, metrics};
use chert_indexer::{Indexer, IndexerError, Progress};
use chert_sources::{NodeClient, NodeOptions, NodeSource, SourceSet};
use chert_store::Store;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::grpc;
use crate::passthrough::Nodes;

/// A running API server.
pub struct Api {
    /// Bound address of REST.
    pub http: SocketAddr,
    /// Bound address of gRPC.
    pub grpc: SocketAddr,
    /// Ends when the server does.
    pub task: JoinHandle<anyhow::Result<()>>,
}

/// A running indexer.
pub struct Indexing {
    /// What it is doing.
    pub progress: watch::Receiver<Progress>,
    /// Ends when the indexer does.
    pub task: JoinHandle<Result<(), IndexerError>>,
}

/// Installs the metrics recorder of the process.
pub fn recorder() -> anyhow::Result<PrometheusHandle> {
    metrics::install().context("cannot install the metrics recorder")
}

/// Starts REST and gRPC.
pub async fn start_api(
    config: &Config,
    grpc_address: Option<SocketAddr>,
    recorder: PrometheusHandle,
    stop: &CancellationToken,
) -> anyhow::Result<Api> {
    let store = Store::connect_lazy(&config.api_pool()?)
        .context("database.url is not a PostgreSQL URL; it looks like postgres://user@host/name")?;
    let state = ApiState::new(store, config.api_settings(), recorder);
    if let Some(nodes) = Nodes::of(config)? {
        state.pass_through(Box::new(nodes));
    }
    let (host, port) = (config.server.host.as_str(), config.server.port);
    let listener = TcpListener::bind((host, port)).await.with_context(|| {
        format!("cannot listen on {host}:{port}; stop what uses it or choose another with --http")
    })?;
    let http = listener.local_addr()?;
    let grpc_address = match grpc_address {
        Some(address) => address,
        None => SocketAddr::new(http.ip(), config.server.grpc_port),
    };
    let (grpc, grpc_task) = grpc::start(grpc_address, state.clone(), stop.clone()).await?;
    let signal = stop.clone().cancelled_owned();
    let task = tokio::spawn(async move {
        chert_api::serve(listener, state, signal).await.context("the HTTP server failed")?;
        grpc_task.await.context("the gRPC server panicked")?
    });
    Ok(Api { http, grpc, task })
}

/// Starts the indexer.
pub fn start_indexer(config: &Config, stop: &CancellationToken) -> anyhow::Result<Indexing> {
    let sources = sources(config, &config.node_urls())?;
    let indexer = Indexer::new(sources, config.direct_pool()?, config.indexer_settings())
        .context("database.url is not a PostgreSQL URL; it looks like postgres://user@host/name")?
        .with_oracles(config.oracles.setups()?)?;
    let progress = indexer.progress();
    Ok(Indexing { progress, task: tokio::spawn(indexer.run(stop.clone())) })
}

/// Clients of all configured nodes.
pub fn sources(config: &Config, urls: &[String]) -> anyhow::Result<SourceSet> {
    anyhow::ensure!(
        !urls.is_empty(),
        "no node is configured; set chain.rpc_url, CHERT_API__CHAIN__RPC_URL, or --node-url \
         (`chert up` alone brings a dev chain)"
    );
    let options =
        NodeOptions { request_timeout: Duration::from_millis(config.chain.rpc_timeout_ms) };
    let mut clients: Vec<Arc<dyn NodeSource>> = Vec::new();
    for url in urls {
        let parsed = url
            .parse()
            .with_context(|| format!("{url} is not a node URL like http://127.0.0.1:8545"))?;
        clients.push(Arc::new(NodeClient::new(parsed, options)?));
    }
    Ok(SourceSet::new(clients, chert_indexer::wall_clock_ms))
}
