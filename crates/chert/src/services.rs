//! Starting the server and the indexer, for every command that runs one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chert_api::{ApiSettings, ApiState, Tls, metrics};
use chert_indexer::{Indexer, IndexerError, Progress};
use chert_sources::{NodeClient, NodeOptions, NodeSource, SourceSet};
use chert_store::Store;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::grpc;
use crate::passthrough::Nodes;

/// A running API server.
pub struct Api {
    /// `http`, or `https` with a certificate.
    pub scheme: &'static str,
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
    let tls = config.server.tls()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let settings = ApiSettings { tls: tls.clone(), ..config.api_settings()? };
    if let Some(tls) = tls {
        reload_on_hangup(tls, stop.clone())?;
    }
    let state = ApiState::new(store, settings, recorder);
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
    Ok(Api { scheme, http, grpc, task })
}

/// Reads certificate and key again at every SIGHUP; what renews them sends one.
fn reload_on_hangup(tls: Tls, stop: CancellationToken) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {}
            }
            match tls.reload() {
                Ok(()) => tracing::info!("certificate and key were read again"),
                Err(error) => tracing::error!(%error, "the old certificate stays in use"),
            }
        }
    });
    Ok(())
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
