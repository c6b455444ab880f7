//! The HTTP client of one oracle, bounded in time and bytes.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::answers::{parse_changed, parse_expired, parse_info, parse_page};
use super::probe::{Readings, reading_of};
use super::{
    FEED_PAGE_MAX, FEED_WAIT_MS_MAX, InfoAnswer, OracleOptions, OracleSource, ProbeReading,
    WorkAnswer,
};
use crate::http::{CONNECT_TIMEOUT, name_of, read_bounded, status_error, transport_error};
use crate::{Fault, SourceError};

/// Largest accepted answer: a thousand items of a few KiB.
const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bound of one request, beside the time the oracle was asked to wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Header names that tell when to come back, in seconds (contract §1.3).
const RESET_HEADER: &str = "x-ratelimit-reset";
const RESET_MAX: Duration = Duration::from_secs(60);

/// An oracle behind its URL.
#[derive(Debug)]
pub struct OracleClient {
    http: reqwest::Client,
    options: OracleOptions,
    headers: HeaderMap,
}

impl OracleClient {
    /// A client. Fails for an API key that cannot be a header.
    pub fn new(options: OracleOptions) -> Result<Self, SourceError> {
        // Fails when the process has installed a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| SourceError::new(Fault::Unreachable, e.to_string()))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &options.api_key {
            let mut value = HeaderValue::from_str(key).map_err(|_| {
                SourceError::new(Fault::Malformed, "the API key cannot be sent as a header")
            })?;
            value.set_sensitive(true);
            headers.insert("x-api-key", value);
        }
        Ok(Self { http, options, headers })
    }

    /// How it was configured.
    pub fn options(&self) -> &OracleOptions {
        &self.options
    }

    async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
        timeout: Duration,
    ) -> Result<reqwest::Response, SourceError> {
        let mut url = self.options.url.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http
            .get(url)
            .headers(self.headers.clone())
            .timeout(timeout)
            .send()
            .await
            .map_err(|e| transport_error(&e))
    }

    /// A small JSON answer of the probe; `None` for everything else.
    async fn figures(&self, path: &str) -> Option<Value> {
        let response = self.get(path, &[], PROBE_TIMEOUT).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let bytes = read_bounded(response, RESPONSE_BYTES_MAX).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// The error for a status that has no meaning of its own in the contract.
fn failed(status: StatusCode, headers: &HeaderMap) -> SourceError {
    let mut error = status_error(status, headers);
    if error.retry_after.is_none() && status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = headers.get(RESET_HEADER).and_then(|v| v.to_str().ok()?.parse().ok());
        error.retry_after = seconds.map(|s| Duration::from_secs(s).min(RESET_MAX));
    }
    error
}

#[async_trait]
impl OracleSource for OracleClient {
    fn name(&self) -> String {
        name_of(&self.options.url)
    }

    async fn info(&self) -> Result<InfoAnswer, SourceError> {
        let response = self.get("/oracle/v1/info", &[], REQUEST_TIMEOUT).await?;
        match response.status() {
            status if status.is_success() => {
                parse_info(&read_bounded(response, RESPONSE_BYTES_MAX).await?).map(InfoAnswer::Feed)
            }
            StatusCode::NOT_FOUND => Ok(InfoAnswer::NoFeed),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Ok(InfoAnswer::Refused { status: status.as_u16() })
            }
            status => Err(failed(status, response.headers())),
        }
    }

    async fn work(
        &self,
        after: i64,
        limit: u32,
        wait_ms: u32,
        feed_id: Option<&str>,
    ) -> Result<WorkAnswer, SourceError> {
        let limit = limit.clamp(1, FEED_PAGE_MAX);
        let wait_ms = wait_ms.min(FEED_WAIT_MS_MAX);
        let mut query = vec![
            ("after", after.max(0).to_string()),
            ("limit", limit.to_string()),
            ("wait_ms", wait_ms.to_string()),
        ];
        query.extend(feed_id.map(|id| ("feed_id", id.to_owned())));
        let timeout = REQUEST_TIMEOUT + Duration::from_millis(wait_ms.into());
        let response = self.get("/oracle/v1/work", &query, timeout).await?;
        match response.status() {
            status if status.is_success() => {
                parse_page(&read_bounded(response, RESPONSE_BYTES_MAX).await?, limit, feed_id)
            }
            StatusCode::CONFLICT => {
                parse_changed(&read_bounded(response, RESPONSE_BYTES_MAX).await?)
            }
            StatusCode::GONE => parse_expired(&read_bounded(response, RESPONSE_BYTES_MAX).await?),
            StatusCode::NOT_FOUND => Ok(WorkAnswer::NoFeed),
            StatusCode::BAD_REQUEST => Ok(WorkAnswer::BadRequest),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Ok(WorkAnswer::Refused { status: status.as_u16() })
            }
            status => Err(failed(status, response.headers())),
        }
    }

    async fn probe(&self) -> ProbeReading {
        let started = Instant::now();
        let health = self.get("/health", &[], PROBE_TIMEOUT).await;
        let rtt_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let (http_status, fault) = match &health {
            Ok(response) if response.status().is_success() => (Some(response.status()), None),
            Ok(response) => (Some(response.status()), Some(Fault::HttpStatus)),
            Err(error) => (None, Some(error.fault)),
        };
        let mut readings = Readings::default();
        if fault.is_none() {
            // One after the other: the probe must not be a load.
            readings.ready = self.figures("/oracle/health").await;
            readings.stats = self.figures("/oracle/stats").await;
            readings.projects = self.figures("/oracle/projects").await;
            readings.demand = self.figures("/miner/demand").await;
        }
        let (counters, gauges) = reading_of(&readings);
        ProbeReading {
            reachable: fault.is_none(),
            http_status: http_status.map(|s| s.as_u16()),
            rtt_ms,
            fault,
            counters,
            gauges,
        }
    }
}
