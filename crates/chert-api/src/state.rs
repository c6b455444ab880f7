//! What every request shares.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chert_store::Store;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use crate::auth::Authentication;
use crate::auth::nonces::NonceStore;
use crate::cache::AnswerCache;
use crate::jsonrpc::{CALLS_AT_ONCE, NodePassthrough};
use crate::metrics::HttpMetrics;
use crate::middleware::rate_limit::RateLimits;
use crate::snapshot::Snapshot;
use crate::stream::{Hub, StreamSettings};

/// Requests that may wait for the indexer to read a balance at the same time; others are answered
/// with what is known.
const BALANCE_WAITS_MAX: usize = 64;

/// Settings of the server, filled by the binary from `config/api.toml`.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Requests per minute and client address; 0 for no limit.
    pub anonymous_rpm: u32,
    /// Requests per minute of one identity that signs them; 0 for no limit.
    pub authenticated_rpm: u32,
    /// Hosts under which clients know us, with a port where it is not their scheme's own; a request
    /// signed for another is refused. None: any, so that what was signed for another server of the
    /// chain could be repeated here.
    pub authorities: Vec<String>,
    /// Proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Memory for finished answers, in bytes; 0 for none.
    pub cache_bytes: u64,
    /// Time limit of one request.
    pub request_timeout: Duration,
    /// How long a request for a balance that was never read waits for the indexer.
    pub balance_wait: Duration,
    /// Decimals of the currency, for display only.
    pub decimals: u8,
    /// Bounds of the event streams.
    pub streams: StreamSettings,
    /// Name of the network; the node's own where absent.
    pub network: Option<String>,
    /// Chain id; the node's own where absent.
    pub chain_id: Option<String>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            anonymous_rpm: 100,
            authenticated_rpm: 1_000,
            authorities: Vec::new(),
            trusted_proxies: Vec::new(),
            cache_bytes: 1 << 30,
            request_timeout: Duration::from_secs(5),
            balance_wait: Duration::from_millis(1500),
            decimals: 9,
            streams: StreamSettings::default(),
            network: None,
            chain_id: None,
        }
    }
}

/// Shared state; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    settings: ApiSettings,
    metrics: PrometheusHandle,
    http_metrics: HttpMetrics,
    cache: AnswerCache,
    limits: RateLimits,
    authentication: Authentication,
    snapshot: RwLock<Arc<Snapshot>>,
    balance_waits: Semaphore,
    passthrough: OnceLock<Box<dyn NodePassthrough>>,
    passthrough_calls: Semaphore,
    streams: Hub,
    started: Instant,
}

impl ApiState {
    /// State over a store. `metrics` is the handle of the recorder that the process installed
    /// (see [`crate::metrics::install`]); install it first, or the counters count into nothing.
    ///
    /// Nonces of signed requests are remembered in the store.
    pub fn new(store: Store, settings: ApiSettings, metrics: PrometheusHandle) -> Self {
        let nonces = Arc::new(store.clone());
        Self::with_nonces(store, settings, metrics, nonces)
    }

    /// As [`ApiState::new`], with another memory of nonces.
    pub fn with_nonces(
        store: Store,
        settings: ApiSettings,
        metrics: PrometheusHandle,
        nonces: Arc<dyn NonceStore>,
    ) -> Self {
        let inner = Inner {
            store,
            metrics,
            http_metrics: HttpMetrics::new(),
            cache: AnswerCache::new(settings.cache_bytes),
            limits: RateLimits::new(settings.anonymous_rpm, settings.authenticated_rpm),
            authentication: Authentication::new(nonces),
            snapshot: RwLock::new(Arc::new(Snapshot::unknown())),
            balance_waits: Semaphore::new(BALANCE_WAITS_MAX),
            passthrough: OnceLock::new(),
            passthrough_calls: Semaphore::new(CALLS_AT_ONCE),
            streams: Hub::new(settings.streams.clone()),
            started: Instant::now(),
            settings,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The settings.
    pub fn settings(&self) -> &ApiSettings {
        &self.inner.settings
    }

    /// Text of all metrics.
    pub fn render_metrics(&self) -> String {
        self.inner.cache.record_size();
        self.inner.metrics.render()
    }

    /// Time since the start of the process's server.
    pub fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }

    pub(crate) fn upkeep_metrics(&self) {
        self.inner.metrics.run_upkeep();
    }

    pub(crate) fn http_metrics(&self) -> &HttpMetrics {
        &self.inner.http_metrics
    }

    pub(crate) fn cache(&self) -> &AnswerCache {
        &self.inner.cache
    }

    pub(crate) fn limits(&self) -> &RateLimits {
        &self.inner.limits
    }

    pub(crate) fn authentication(&self) -> &Authentication {
        &self.inner.authentication
    }

    /// Name and chain id of the network: the operator's word before the node's. `None` before
    /// either is known.
    pub(crate) fn network(&self) -> Option<(String, Option<String>)> {
        let snapshot = self.snapshot();
        let progress = snapshot.status.as_ref().map(|status| &status.progress);
        let settings = self.settings();
        let network = settings.network.as_ref().or(progress?.network.as_ref())?;
        let chain_id = settings.chain_id.as_ref().or(progress?.chain_id.as_ref());
        Some((network.clone(), chain_id.cloned()))
    }

    pub(crate) fn balance_waits(&self) -> &Semaphore {
        &self.inner.balance_waits
    }

    /// Has reads of JSON-RPC that are not indexed handed on to a node; the first call counts.
    pub fn pass_through(&self, node: Box<dyn NodePassthrough>) {
        if self.inner.passthrough.set(node).is_err() {
            tracing::warn!("a node to hand reads on to was set already");
        }
    }

    pub(crate) fn passthrough(&self) -> Option<&dyn NodePassthrough> {
        self.inner.passthrough.get().map(AsRef::as_ref)
    }

    pub(crate) fn passthrough_calls(&self) -> &Semaphore {
        &self.inner.passthrough_calls
    }

    /// The event streams.
    pub(crate) fn streams(&self) -> &Hub {
        &self.inner.streams
    }

    /// The system as last seen.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_snapshot(&self, snapshot: Snapshot) {
        let mut slot = self.inner.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Arc::new(snapshot);
    }
}
