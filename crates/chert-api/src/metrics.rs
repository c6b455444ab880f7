//! Metrics: the recorder, the HTTP counters, the gauges of the system.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::answer::now_ms;
use crate::snapshot::Snapshot;
use crate::state::ApiState;

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// Route label of requests that no route matches: never the raw path, which clients choose.
pub const UNMATCHED: &str = "unmatched";
/// Page size of Linux on every platform we build for.
const PAGE_BYTES: u64 = 4096;

/// Installs the process's recorder; once per process, before [`ApiState::new`].
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    metrics::describe_counter!("chert_http_requests_total", "Requests answered.");
    metrics::describe_counter!("chert_http_errors_total", "Requests answered with 5xx.");
    metrics::describe_counter!("chert_rate_limited_total", "Requests refused with 429.");
    metrics::describe_counter!("chert_grpc_requests_total", "gRPC calls by method and code.");
    metrics::describe_histogram!("chert_grpc_request_seconds", "Time to answer a gRPC call.");
    metrics::describe_counter!("chert_jsonrpc_calls_total", "JSON-RPC calls by method.");
    metrics::describe_counter!("chert_stream_delivered_total", "Events that streams delivered.");
    metrics::describe_counter!("chert_stream_cut_total", "Streams that we ended, by reason.");
    metrics::describe_gauge!("chert_stream_subscribers", "Open event streams.");
    metrics::describe_gauge!(
        "chert_stream_lag_events",
        "Events of the log that the streams' reader has not read yet."
    );
    metrics::describe_gauge!("chert_stream_read_to", "Newest event that streams were given.");
    metrics::describe_histogram!("chert_http_request_seconds", "Time to answer a request.");
    metrics::describe_histogram!("chert_store_query_seconds", "Time of a database statement.");
    metrics::describe_gauge!("chert_indexer_lag_blocks", "Blocks behind the node's tip.");
    Ok(handle)
}

/// Handles of the HTTP metrics, made once so that a request does not look them up by name.
pub(crate) struct HttpMetrics {
    routes: HashMap<&'static str, RouteMetrics>,
    unmatched: RouteMetrics,
    delivered: Counter,
}

struct RouteMetrics {
    route: &'static str,
    seconds: Histogram,
    get_ok: Counter,
}

impl RouteMetrics {
    fn new(route: &'static str) -> Self {
        Self {
            route,
            seconds: histogram!("chert_http_request_seconds", "route" => route),
            get_ok: requests(route, &Method::GET, StatusCode::OK),
        }
    }
}

impl HttpMetrics {
    pub(crate) fn new() -> Self {
        let routes = crate::routes::PATHS.iter().map(|path| (*path, RouteMetrics::new(path)));
        let delivered = counter!("chert_stream_delivered_total");
        Self { routes: routes.collect(), unmatched: RouteMetrics::new(UNMATCHED), delivered }
    }

    /// Counts an event that a stream delivered.
    pub(crate) fn count_delivered(&self) {
        self.delivered.increment(1);
    }

    /// Counts one answered request. `route` is the matched pattern, where one matched.
    pub(crate) fn record(
        &self,
        route: Option<&str>,
        method: &Method,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let known = route.and_then(|r| self.routes.get(r));
        let metrics = known.unwrap_or(&self.unmatched);
        metrics.seconds.record(elapsed);
        if method == Method::GET && status == StatusCode::OK {
            metrics.get_ok.increment(1);
            return;
        }
        requests(metrics.route, method, status).increment(1);
        if status.is_server_error() {
            counter!("chert_http_errors_total", "route" => metrics.route).increment(1);
        }
    }
}

fn requests(route: &'static str, method: &Method, status: StatusCode) -> Counter {
    // Clients may invent methods; labels may not grow with them.
    let method = match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    };
    let status = status.as_u16().to_string();
    counter!("chert_http_requests_total", "route" => route, "method" => method, "status" => status)
}

/// Sets the gauges of the system.
#[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
pub(crate) fn record_snapshot(api: &ApiState, snapshot: &Snapshot) {
    if let Some(status) = &snapshot.status {
        let checkpoint = &status.checkpoint;
        gauge!("chert_indexer_height").set(checkpoint.height as f64);
        gauge!("chert_indexer_lag_blocks").set(checkpoint.lag_blocks() as f64);
        gauge!("chert_indexer_lag_ms").set(checkpoint.lag_ms(now_ms()) as f64);
        gauge!("chert_node_height").set(checkpoint.node_height as f64);
        for source in &status.sources {
            let healthy = if source.state == "healthy" { 1.0 } else { 0.0 };
            gauge!("chert_source_healthy", "source" => source.name.clone()).set(healthy);
        }
    }
    let (open, idle) = api.store().connections();
    gauge!("chert_pool_connections", "state" => "idle").set(idle as f64);
    gauge!("chert_pool_connections", "state" => "in_use").set(open.saturating_sub(idle) as f64);
    if let Some(bytes) = resident_bytes() {
        gauge!("chert_process_resident_bytes").set(bytes as f64);
    }
}

fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}
