//! JSON-RPC 2.0 over HTTP POST, tolerant on reading (contract §1.3), bounded in time and bytes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::Url;

use crate::{Fault, SourceError};

/// Largest accepted answer. A page of full blocks is a few MiB.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest `Retry-After` that is honoured; a node cannot silence us for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A JSON-RPC client for one node URL.
#[derive(Debug)]
pub struct RpcClient {
    http: reqwest::Client,
    base: Url,
    /// The node answers on `/` only (contract §11 row 1).
    at_root: AtomicBool,
    next_id: AtomicU64,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcFailure>,
}

#[derive(Deserialize)]
struct RpcFailure {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl RpcClient {
    /// A client; `request_timeout` bounds each request from connect to the last byte.
    pub fn new(base: Url, request_timeout: Duration) -> Result<Self, SourceError> {
        // Fails when the process has installed a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(request_timeout)
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| SourceError::new(Fault::Unreachable, e.to_string()))?;
        Ok(Self { http, base, at_root: AtomicBool::new(false), next_id: AtomicU64::new(0) })
    }

    /// The URL without credentials, for logs and status.
    pub fn name(&self) -> String {
        name_of(&self.base)
    }

    /// One call; the result as raw JSON (`null` where the node sent none).
    pub async fn call(&self, method: &str, params: Value) -> Result<Box<RawValue>, SourceError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let bytes = self.post(&body).await?;
        let envelope: Envelope<'_> = parse(&bytes)?;
        result_of(envelope)
    }

    /// Several calls in one request; one outcome per call, in their order.
    pub async fn batch(
        &self,
        calls: &[(&str, Value)],
    ) -> Result<Vec<Result<Box<RawValue>, SourceError>>, SourceError> {
        let count = calls.len() as u64;
        let first = self.next_id.fetch_add(count, Ordering::Relaxed);
        let body: Vec<Value> = calls
            .iter()
            .zip(first..)
            .map(|((method, params), id)| {
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        let bytes = self.post(&Value::Array(body)).await?;
        let answers: Vec<Envelope<'_>> = parse(&bytes)?;
        let missing = || Err(SourceError::new(Fault::Malformed, "batch answer lacks a call"));
        let mut outcomes: Vec<_> = calls.iter().map(|_| missing()).collect();
        for answer in answers {
            let id = answer.id.as_ref().and_then(Value::as_u64);
            let slot =
                id.and_then(|id| id.checked_sub(first)).and_then(|i| usize::try_from(i).ok());
            if let Some(outcome) = slot.and_then(|i| outcomes.get_mut(i)) {
                *outcome = result_of(answer);
            }
        }
        Ok(outcomes)
    }

    async fn post(&self, body: &Value) -> Result<Vec<u8>, SourceError> {
        let at_root = self.at_root.load(Ordering::Relaxed);
        match self.post_to(at_root, body).await {
            Err((Some(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED), first)) => {
                let answer = self.post_to(!at_root, body).await.map_err(|_| first)?;
                self.at_root.store(!at_root, Ordering::Relaxed);
                Ok(answer)
            }
            other => other.map_err(|(_, error)| error),
        }
    }

    async fn post_to(
        &self,
        at_root: bool,
        body: &Value,
    ) -> Result<Vec<u8>, (Option<StatusCode>, SourceError)> {
        let mut url = self.base.clone();
        if !at_root {
            let path = format!("{}/jsonrpc", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        let response = self
            .http
            .post(url)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body.to_string())
            .send()
            .await
            .map_err(|e| (None, transport_error(&e)))?;
        let status = response.status();
        if !status.is_success() {
            return Err((Some(status), status_error(status, response.headers())));
        }
        read_bounded(response, RESPONSE_BYTES_MAX).await.map_err(|e| (None, e))
    }
}

/// A URL without credentials and query, for logs and status.
pub(crate) fn name_of(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot hold credentials, which then hold none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.as_str().trim_end_matches('/').to_owned()
}

pub(crate) async fn read_bounded(
    mut response: reqwest::Response,
    bytes_max: usize,
) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| transport_error(&e))? {
        if bytes.len() + chunk.len() > bytes_max {
            let detail = format!("answer above {bytes_max} bytes");
            return Err(SourceError::new(Fault::Oversized, detail));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

pub(crate) fn transport_error(error: &reqwest::Error) -> SourceError {
    let fault = if error.is_timeout() { Fault::Timeout } else { Fault::Unreachable };
    // The URL may hold credentials.
    let text =
        std::error::Error::source(error).map_or_else(|| "request failed".into(), |s| s.to_string());
    SourceError::new(fault, text)
}

pub(crate) fn status_error(
    status: StatusCode,
    headers: &reqwest::header::HeaderMap,
) -> SourceError {
    let fault = if status == StatusCode::TOO_MANY_REQUESTS {
        Fault::RateLimited
    } else {
        Fault::HttpStatus
    };
    let mut error = SourceError::new(fault, format!("HTTP {}", status.as_u16()));
    error.retry_after = headers
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok())
        .map(|s| Duration::from_secs(s).min(RETRY_AFTER_MAX));
    error
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SourceError> {
    serde_json::from_slice(bytes).map_err(|e| SourceError::new(Fault::Malformed, e.to_string()))
}

fn result_of(envelope: Envelope<'_>) -> Result<Box<RawValue>, SourceError> {
    if let Some(failure) = envelope.error {
        let detail = format!("{} {}", failure.code, failure.message);
        return Err(SourceError::new(Fault::RpcError, detail));
    }
    Ok(match envelope.result {
        Some(raw) => raw.to_owned(),
        None => RawValue::NULL.to_owned(),
    })
}
