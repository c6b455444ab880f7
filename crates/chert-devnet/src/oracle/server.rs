//! An oracle on a real socket: the feed, and the small upstream surface around it.

mod feed;
mod legacy;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Oracle;
use super::faults::{OracleFault, OracleFaults};
use crate::server::listener::{Connection, Listener};

const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
const DELAY_MAX: Duration = Duration::from_secs(600);

/// How one oracle is served.
#[derive(Clone, Debug)]
pub struct OracleServerConfig {
    /// Port 0 takes a free one.
    pub addr: SocketAddr,
    /// Requests need this key, in `X-Api-Key` or as a bearer token; `None` for no key.
    pub api_key: Option<String>,
    /// Whether the feed exists; otherwise `/oracle/v1/*` answers 404, as upstream does today.
    pub feed: bool,
}

impl Default for OracleServerConfig {
    fn default() -> OracleServerConfig {
        OracleServerConfig {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: None,
            feed: true,
        }
    }
}

/// What every handler shares.
#[derive(Debug)]
struct Site {
    oracle: Oracle,
    api_key: Option<String>,
    faults: OracleFaults,
    requests: AtomicU64,
    started: Instant,
    started_ms: u64,
    stop: CancellationToken,
}

/// A running server. Dropping it closes it as well, without waiting.
#[derive(Debug)]
pub struct OracleServer {
    site: Arc<Site>,
    addr: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl OracleServer {
    /// Binds the address and serves the oracle on the current Tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(oracle: Oracle, config: OracleServerConfig) -> io::Result<OracleServer> {
        let stop = CancellationToken::new();
        let listener = Listener::bind(config.addr, stop.clone()).await?;
        let addr = listener.addr()?;
        let site = Arc::new(Site {
            oracle,
            api_key: config.api_key,
            faults: OracleFaults::none(),
            requests: AtomicU64::new(0),
            started: Instant::now(),
            started_ms: crate::miner::now_ms(),
            stop: stop.clone(),
        });
        let service =
            router(site.clone(), config.feed).into_make_service_with_connect_info::<Connection>();
        let until = stop.cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the server of an oracle failed");
            }
        });
        Ok(OracleServer { site, addr, task: Some(task) })
    }

    /// `http://ADDRESS:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The oracle behind it.
    pub fn oracle(&self) -> Oracle {
        self.site.oracle.clone()
    }

    /// The handle that makes this server fail.
    pub fn faults(&self) -> OracleFaults {
        self.site.faults.clone()
    }

    /// HTTP requests received so far.
    pub fn requests(&self) -> u64 {
        self.site.requests.load(Ordering::Relaxed)
    }

    /// Stops listening and drops all open connections.
    pub async fn shutdown(mut self) {
        self.site.stop.cancel();
        if let Some(task) = self.task.take() {
            let abort = task.abort_handle();
            if tokio::time::timeout(SHUTDOWN_GRACE, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for OracleServer {
    fn drop(&mut self) {
        self.site.stop.cancel();
    }
}

fn router(site: Arc<Site>, has_feed: bool) -> Router {
    let mut router = Router::new()
        .route("/health", get(async || "OK"))
        .route("/oracle/health", get(legacy::get_health))
        .route("/oracle/stats", get(legacy::get_stats))
        .route("/oracle/projects", get(legacy::get_projects))
        .route("/miner/demand", get(legacy::get_demand))
        .route("/api/stats", get(legacy::get_api_stats));
    if has_feed {
        router = router
            .route("/oracle/v1/info", get(feed::get_info))
            .route("/oracle/v1/work", get(feed::get_work))
            .route("/oracle/v1/work/{submission_id}", get(feed::get_submission));
    }
    // Authentication comes before routing: without a key an unknown path answers 401, too.
    router.with_state(site.clone()).layer(middleware::from_fn_with_state(site, guard))
}

/// A fault that is still to be shown inside the answer.
#[derive(Clone, Copy, Debug)]
struct InAnswer {
    fault: OracleFault,
    seed: u64,
}

/// What stands before every handler: the key, faults of the transport, headers.
async fn guard(
    State(site): State<Arc<Site>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    site.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path();
    let open = path.starts_with("/health") || path.starts_with("/boinc/");
    if !open && !has_key(site.api_key.as_deref(), request.headers()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut response = match site.faults.draw(path) {
        None => next.run(request).await,
        Some((fault, seed)) => match fail(&site, &connection, fault).await {
            Some(response) => response,
            None => {
                request.extensions_mut().insert(InAnswer { fault, seed });
                next.run(request).await
            }
        },
    };
    let no_store = HeaderValue::from_static("no-store, no-cache, must-revalidate");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

fn has_key(wanted: Option<&str>, headers: &HeaderMap) -> bool {
    let Some(wanted) = wanted else { return true };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = text("x-api-key").or_else(|| {
        text("authorization").map(|value| value.strip_prefix("Bearer ").unwrap_or(value))
    });
    given == Some(wanted)
}

/// The answer to a request that fails before it is understood; `None` if the fault shows later.
async fn fail(site: &Site, connection: &Connection, fault: OracleFault) -> Option<Response> {
    let retry_after = |status: StatusCode, seconds: u64| {
        (status, [(header::RETRY_AFTER, HeaderValue::from(seconds))]).into_response()
    };
    let response = match fault {
        OracleFault::TooManyRequests { retry_after_s } => {
            retry_after(StatusCode::TOO_MANY_REQUESTS, retry_after_s)
        }
        OracleFault::Unavailable { retry_after_s } => {
            retry_after(StatusCode::SERVICE_UNAVAILABLE, retry_after_s)
        }
        OracleFault::ServerError => {
            (StatusCode::INTERNAL_SERVER_ERROR, "<html>injected failure</html>").into_response()
        }
        OracleFault::Unauthorized => StatusCode::UNAUTHORIZED.into_response(),
        OracleFault::Latency { ms } => {
            wait(connection, ms).await;
            site.faults.count_one();
            return None;
        }
        OracleFault::Timeout { ms } => {
            wait(connection, ms).await;
            // Whatever is returned now is written to a connection that is closed already.
            connection.cut.cancel();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        _ => return None,
    };
    site.faults.count_one();
    Some(response)
}

async fn wait(connection: &Connection, ms: u64) {
    tokio::select! {
        () = connection.cut.cancelled() => {}
        () = tokio::time::sleep(Duration::from_millis(ms).min(DELAY_MAX)) => {}
    }
}
