//! A real server on a free port over a real database with a small, fixed chain.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(missing_docs, clippy::cast_possible_wrap, reason = "tests")]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chert_api::auth::nonces::NonceStore;
use chert_api::{ApiSettings, ApiState, ConnectionLimits};
use chert_store::{PoolSettings, Store};
use chert_testkit::TestDatabase;
use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The address that takes part in every transaction of the fixed chain.
pub const WHALE: &str = "0x00000000000000000000000000000000000000Aa";

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

pub struct TestServer {
    pub base: String,
    /// Where gRPC is.
    pub grpc: String,
    pub pool: PgPool,
    client: reqwest::Client,
    stop: CancellationToken,
    // Dropped last: the server's pool must be gone before its database. A sibling has none.
    _database: Option<TestDatabase>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Asserts a problem document in its full form.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, slug: &str) {
        let body = self.json();
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{body}");
        assert_eq!(body["type"], format!("urn:chert:problem:{slug}"));
        assert_eq!(body["status"], status);
        for field in ["title", "detail", "instance", "request_id"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body}");
        }
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(self.headers.contains_key("chert-indexed-height"));
    }
}

/// Settings under which tests do not stumble over the limits of one client.
pub fn settings() -> ApiSettings {
    ApiSettings {
        anonymous_rpm: 0,
        connections: ConnectionLimits { per_client_max: 0, ..ConnectionLimits::default() },
        cache_bytes: 16 << 20,
        balance_wait: Duration::from_millis(200),
        ..ApiSettings::default()
    }
}

impl TestServer {
    /// A server over `blocks` blocks of `txs` transactions each.
    pub async fn start(blocks: i64, txs: i64) -> Self {
        Self::start_with(blocks, txs, settings()).await
    }

    pub async fn start_with(blocks: i64, txs: i64, settings: ApiSettings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let database = TestDatabase::create().await;
        let store = Store::connect_lazy(&PoolSettings::new(&database.url)).unwrap();
        let pool = store.pool().clone();
        if blocks > 0 {
            fill(&pool, 0, blocks, txs).await;
        }
        let server = Self::serve(store, settings, None, Some(database)).await;
        server.wait_until_seen(blocks - 1).await;
        server
    }

    /// Another instance over the same database, with its own memory of nonces where given. It must
    /// not outlive the first.
    pub async fn sibling(
        &self,
        settings: ApiSettings,
        nonces: Option<Arc<dyn NonceStore>>,
    ) -> Self {
        let store = Store::from_pool(self.pool.clone()).unwrap();
        Self::serve(store, settings, nonces, None).await
    }

    /// Another instance with connections of its own to a database. It must not outlive the first.
    pub async fn sibling_at(&self, url: &str, settings: ApiSettings) -> Self {
        let store = Store::connect_lazy(&PoolSettings::new(url)).unwrap();
        Self::serve(store, settings, None, None).await
    }

    /// Where the first instance's database is.
    pub fn url(&self) -> String {
        self._database.as_ref().unwrap().url.clone()
    }

    async fn serve(
        store: Store,
        settings: ApiSettings,
        nonces: Option<Arc<dyn NonceStore>>,
        database: Option<TestDatabase>,
    ) -> Self {
        let pool = store.pool().clone();
        let metrics = METRICS.get_or_init(|| chert_api::metrics::install().unwrap()).clone();
        let state = match nonces {
            Some(nonces) => ApiState::with_nonces(store, settings, metrics, nonces),
            None => ApiState::new(store, settings, metrics),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let signal = stop.clone().cancelled_owned();
        tokio::spawn(chert_api::serve(listener, state.clone(), signal));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let grpc = format!("http://{}", listener.local_addr().unwrap());
        let signal = stop.clone().cancelled_owned();
        tokio::spawn(chert_api::grpc::serve(listener, state, signal));
        let client = reqwest::Client::new();
        Self { base, grpc, pool, client, stop, _database: database }
    }

    /// Waits until the server knows the tip from memory.
    pub async fn wait_until_seen(&self, height: i64) {
        for _ in 0..500 {
            let reply = self.get("/health").await;
            if reply.header("chert-indexed-height") == height.to_string() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server never saw height {height}");
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[]).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        Reply {
            status: response.status(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// A request with headers and a body.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Option<Vec<u8>>,
    ) -> Reply {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        Reply {
            status: response.status(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// A request with a body.
    pub async fn send_body(&self, method: Method, path: &str, body: impl Into<String>) -> Reply {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.header("content-type", "application/json").body(body.into());
        let response = request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        Reply {
            status: response.status(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// GET that must succeed.
    #[track_caller]
    pub fn ok(&self, path: &str) -> impl Future<Output = Value> {
        let path = path.to_owned();
        async move {
            let reply = self.get(&path).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.json());
            reply.json()
        }
    }

    /// Walks a list to its end by cursor.
    pub async fn walk(&self, path: &str, limit: u32) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.ok(&format!("{path}{joint}limit={limit}{cursor}")).await;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page.get("next_cursor") {
                Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
                None => return items,
            }
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn run_sql(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

/// Appends blocks `from..from + blocks` with everything derived from them, as the indexer would.
pub async fn fill(pool: &PgPool, from: i64, blocks: i64, txs: i64) {
    let sql = include_str!("fill.sql")
        .replace(":from", &from.to_string())
        .replace(":to", &(from + blocks - 1).to_string())
        .replace(":txs", &txs.to_string())
        .replace(":whale", WHALE);
    run_sql(pool, &sql).await;
}
