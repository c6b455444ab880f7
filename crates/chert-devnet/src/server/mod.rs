//! One node of the chain on a real socket.

mod admin;
mod deliver;
mod governance;
pub(crate) mod listener;
mod methods;
mod network;
mod params;
mod registry;
mod rest;
mod rpc;
mod staking;
mod state_methods;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, Method, header};
use axum::routing::{get, post};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{Any, CorsLayer};

use crate::chain::Chain;
use crate::faults::Faults;
use listener::{Connection, Listener};
pub use registry::RegistryQuirks;

/// Blocks per `get_blocks` answer unless configured otherwise.
pub const BLOCKS_CAP_DEFAULT: u64 = 1000;
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Lag costs one generated block per balance query, so it is bounded.
const LAG_BLOCKS_MAX: u64 = 10_000;
/// How long a shutdown waits for handlers that are still at work.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How one server differs from a perfect node.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Port 0 takes a free one.
    pub addr: SocketAddr,
    /// A replica that is always this many blocks behind; at most 10 000.
    pub lag_blocks: u64,
    /// Whether JSON-RPC arrays are answered; otherwise -32600.
    pub batch: bool,
    /// 404 on `/jsonrpc`, only `/` works.
    pub root_only: bool,
    /// `from_height` itself is not part of the page.
    pub exclusive_cursor: bool,
    /// Most blocks in one `get_blocks` answer; at least 1.
    pub blocks_cap: u64,
    /// Whether `get_blocks` exists; otherwise -32601.
    pub get_blocks: bool,
    /// Whether blocks carry `transaction_count`.
    pub declare_tx_count: bool,
    /// Whether the identity registry exists; otherwise -32601.
    pub identities: bool,
    /// Whether governance and staking exist; otherwise -32601.
    pub governance: bool,
    /// How the registry's pages differ from those of a good node.
    pub registry: RegistryQuirks,
    /// Whether `/admin/*` can mine, reorganise and set faults.
    pub admin: bool,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            lag_blocks: 0,
            batch: true,
            root_only: false,
            exclusive_cursor: false,
            blocks_cap: BLOCKS_CAP_DEFAULT,
            get_blocks: true,
            declare_tx_count: true,
            identities: true,
            governance: true,
            registry: RegistryQuirks::default(),
            admin: false,
        }
    }
}

/// What every handler shares.
#[derive(Debug)]
struct Node {
    chain: Chain,
    config: ServerConfig,
    faults: Faults,
    requests: AtomicU64,
    /// Pages of the registry served so far: some quirks come and go.
    registry_pages: AtomicU64,
    started: Instant,
}

impl Node {
    /// Blocks hidden from an answer: the replica's own lag and that of a fault.
    fn lag(&self, fault_blocks: u64) -> u64 {
        self.config.lag_blocks.saturating_add(fault_blocks).min(LAG_BLOCKS_MAX)
    }
}

/// A running server. Dropping it closes it as well, without waiting.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    addr: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds the address and serves the chain on the current Tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(chain: Chain, config: ServerConfig) -> io::Result<Server> {
        let stop = CancellationToken::new();
        let listener = Listener::bind(config.addr, stop.clone()).await?;
        let addr = listener.addr()?;
        let node = Arc::new(Node {
            chain,
            config,
            faults: Faults::none(),
            requests: AtomicU64::new(0),
            registry_pages: AtomicU64::new(0),
            started: Instant::now(),
        });
        let service = router(node.clone()).into_make_service_with_connect_info::<Connection>();
        let until = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the devnet server failed");
            }
        });
        Ok(Server { node, addr, stop, task: Some(task) })
    }

    /// `http://ADDRESS:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The handle that makes this server fail.
    pub fn faults(&self) -> Faults {
        self.node.faults.clone()
    }

    /// JSON-RPC requests received so far over HTTP; a batch counts once.
    pub fn requests(&self) -> u64 {
        self.node.requests.load(Ordering::Relaxed)
    }

    /// Stops listening and drops all open connections.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            let abort = task.abort_handle();
            if tokio::time::timeout(SHUTDOWN_GRACE, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn router(node: Arc<Node>) -> Router {
    let mut router = Router::new()
        .route("/", post(rpc::answer))
        .route("/health", get(rest::get_health))
        .route("/alerts", get(rest::get_alerts));
    if !node.config.root_only {
        router = router.route("/jsonrpc", post(rpc::answer));
    }
    if node.config.admin {
        router = router.merge(admin::router());
    }
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers([
            header::CONTENT_TYPE,
            header::ACCEPT,
            header::AUTHORIZATION,
            HeaderName::from_static("x-api-key"),
        ]);
    router.layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX)).layer(cors).with_state(node)
}
