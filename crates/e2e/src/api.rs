//! A server over a test's database, REST and gRPC, and a client of it.

use std::time::Duration;

use anyhow::Context;
use chert_api::stream::StreamSettings;
use chert_api::{ApiSettings, ApiState, ConnectionLimits};
use chert_store::{PoolSettings, Store};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::reader::recorder;

/// A server on a free port; stops when dropped.
pub struct Api {
    base: String,
    grpc: String,
    client: reqwest::Client,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
    grpc_server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Api {
    /// Starts serving `database`, which need not be reachable.
    pub async fn start(database: &str) -> anyhow::Result<Self> {
        Self::start_as(database, ApiSettings::default()).await
    }

    /// The same with other bounds of its event streams.
    pub async fn start_with(database: &str, streams: StreamSettings) -> anyhow::Result<Self> {
        Self::start_as(database, ApiSettings { streams, ..ApiSettings::default() }).await
    }

    /// The same with settings of the test's own, but for limits that tests stumble over.
    pub async fn start_as(database: &str, settings: ApiSettings) -> anyhow::Result<Self> {
        // Only the first call of the process installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Store::connect_lazy(&PoolSettings {
            max_connections: 4,
            statement_timeout: Duration::from_secs(5),
            ..PoolSettings::new(database)
        })?;
        let connections = ConnectionLimits { per_client_max: 0, ..settings.connections.clone() };
        let settings =
            ApiSettings { anonymous_rpm: 0, cache_bytes: 16 << 20, connections, ..settings };
        let state = ApiState::new(store, settings, recorder());
        let stop = CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let signal = stop.clone().cancelled_owned();
        let server = tokio::spawn(chert_api::serve(listener, state.clone(), signal));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let grpc = format!("http://{}", listener.local_addr()?);
        let signal = stop.clone().cancelled_owned();
        let grpc_server = tokio::spawn(chert_api::grpc::serve(listener, state, signal));
        Ok(Self { base, grpc, client: reqwest::Client::new(), stop, server, grpc_server })
    }

    /// Where gRPC is, like `http://127.0.0.1:9090`.
    pub fn grpc(&self) -> &str {
        &self.grpc
    }

    /// Any request: status, headers and body of its answer.
    pub async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<String>,
    ) -> anyhow::Result<(u16, reqwest::header::HeaderMap, String)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, headers, response.text().await?))
    }

    /// Where it listens: `http://` and a port.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Status and body of an answer.
    pub async fn ask(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let response = self.client.get(format!("{}{path}", self.base)).send().await?;
        let status = response.status().as_u16();
        let body = response.json().await.with_context(|| format!("{path}: {status}, no JSON"))?;
        Ok((status, body))
    }

    /// Status and body of an answer, as text.
    pub async fn ask_text(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let response = self.client.get(format!("{}{path}", self.base)).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// The body of a good answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.ask(path).await?;
        anyhow::ensure!(status == 200, "{path}: {status} {body}");
        Ok(body)
    }

    /// The sum of a metric over its labels; 0 where it was never recorded.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = self.client.get(format!("{}/metrics", self.base)).send().await?.text().await?;
        let ours =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        text.lines()
            .filter(ours)
            .map(|line| {
                let value = line.rsplit(' ').next().unwrap_or_default();
                value.parse::<f64>().with_context(|| line.to_owned())
            })
            .sum()
    }

    /// State of a node in `/v1/status`, by its URL; `None` until it is listed.
    pub async fn source_state(&self, url: &str) -> anyhow::Result<Option<String>> {
        let status = self.get("/v1/status").await?;
        let sources = status["sources"].as_array().context("sources")?;
        let source = sources.iter().find(|source| source["name"] == url);
        Ok(source.and_then(|source| source["state"].as_str()).map(str::to_owned))
    }

    /// Waits until `/v1/status` says so of a node.
    pub async fn wait_for_source(&self, url: &str, state: &str) -> anyhow::Result<()> {
        let what = format!("{url} is {state}");
        crate::wait_until(&what, async || {
            Ok(self.source_state(url).await?.as_deref() == Some(state))
        })
        .await
    }

    /// Stops in order; fails when the server failed.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        (&mut self.server).await??;
        (&mut self.grpc_server).await??;
        Ok(())
    }
}
