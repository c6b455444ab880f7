//! More work than the database can do: what is refused, how, and what still goes on.

use std::time::Duration;

use chert_api::ApiSettings;
use chert_store::{PoolSettings, Store};
use chert_testkit::TestDatabase;
use reqwest::{Client, Response};
use serde_json::Value;
use sqlx::Connection;

use super::{PATIENCE, metric, serve_store, support};

const CACHED: &str = "/v1/explorer/block/3";

/// A server that reads one thing at a time, over five blocks.
struct Stage {
    base: String,
    address: std::net::SocketAddr,
    client: Client,
    database: TestDatabase,
}

impl Stage {
    async fn set(statement_timeout: Duration, settings: ApiSettings) -> Self {
        let database = TestDatabase::create().await;
        let store = Store::connect_lazy(&PoolSettings {
            reads_at_once: 1,
            statement_timeout: PATIENCE,
            short_statement_timeout: statement_timeout,
            ..PoolSettings::new(&database.url)
        })
        .unwrap();
        support::fill(store.pool(), 0, 5, 2).await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = serve_store(store, settings).await;
        let base = format!("http://{address}");
        let stage = Self { base, address, client: Client::new(), database };
        // Until the tip is known nothing is cached.
        let known = async {
            while stage.get("/health").await.headers()["chert-indexed-height"] != "4" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.unwrap();
        assert_eq!(stage.get(CACHED).await.status(), 200);
        stage
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    /// Nobody reads transactions until this is dropped.
    async fn block(&self) -> sqlx::PgConnection {
        let mut db = sqlx::PgConnection::connect(&self.database.url).await.unwrap();
        let lock = "BEGIN; LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut db).await.unwrap();
        db
    }
}

async fn problem(response: Response) -> (u16, String, Option<String>) {
    let status = response.status().as_u16();
    let retry = response.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
    let body: Value = response.json().await.unwrap();
    (status, body["type"].as_str().unwrap().to_owned(), retry)
}

#[tokio::test]
async fn what_cannot_be_read_soon_is_refused_and_the_rest_goes_on() {
    let settings = ApiSettings { request_timeout: PATIENCE, ..support::settings() };
    let stage = Stage::set(PATIENCE, settings).await;
    let blocking = stage.block().await;
    // One takes the only connection for short reads; those that follow wait for it, and not long.
    let first = stage.get("/v1/explorer/transactions");
    let others = async {
        let refusals = (1..=8).map(async |limit| {
            let path = format!("/v1/explorer/transactions?limit={limit}");
            let (status, kind, retry) = problem(stage.get(&path).await).await;
            assert_eq!((status, kind.as_str()), (503, "urn:chert:problem:overloaded"));
            assert_eq!(retry.as_deref(), Some("1"));
        });
        // All at once: what is in memory is not served for ever while nothing can be read.
        futures::future::join_all(refusals).await;
        // From memory, and with the connections of another class.
        assert_eq!(stage.get("/health").await.status(), 200);
        assert_eq!(stage.get(CACHED).await.status(), 200);
        assert_eq!(stage.get("/v1/identity/search?name=nobody").await.status(), 200);
        let counted =
            metric(stage.address, "chert_store_refused_total{class=\"short\",why=\"patience\"}");
        assert!(counted.await >= 8.0);
        blocking.close().await.unwrap();
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first.status(), 200, "what was accepted is done");
    assert_eq!(stage.get("/v1/explorer/transactions?limit=7").await.status(), 200);
}

#[tokio::test]
async fn a_short_read_that_takes_long_is_cancelled() {
    let stage = Stage::set(Duration::from_millis(100), support::settings()).await;
    let blocking = stage.block().await;
    let (status, kind, _) = problem(stage.get("/v1/explorer/transactions").await).await;
    assert_eq!((status, kind.as_str()), (504, "urn:chert:problem:timeout"));
    assert!(metric(stage.address, "chert_store_cancelled_total{class=\"short\"}").await >= 1.0);
    blocking.close().await.unwrap();
    let after = stage.get("/v1/explorer/transactions").await;
    assert_eq!(after.status(), 200, "its connection is as good as before");
}

#[tokio::test]
async fn requests_under_way_are_bounded() {
    let settings =
        ApiSettings { requests_max: 1, request_timeout: PATIENCE, ..support::settings() };
    let stage = Stage::set(PATIENCE, settings).await;
    let blocking = stage.block().await;
    let first = stage.get("/v1/explorer/transactions");
    let others = async {
        let shed = async {
            while stage.get(CACHED).await.status() != 503 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, shed).await.expect("one is under way");
        assert_eq!(stage.get("/health").await.status(), 200);
        blocking.close().await.unwrap();
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first.status(), 200);
    assert_eq!(stage.get(CACHED).await.status(), 200);
}
