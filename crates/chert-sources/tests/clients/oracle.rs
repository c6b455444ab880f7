//! The client of an oracle, over HTTP.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chert_sources::{Fault, InfoAnswer, OracleClient, OracleOptions, OracleSource, WorkAnswer};
use serde_json::{Value, json};

use crate::server::{Seen, Server};

const API_KEY: &str = "a-key-that-must-not-be-shown";

fn client(server: &Server) -> OracleClient {
    let mut url = server.url.clone();
    url.set_username("user").expect("http");
    url.set_password(Some("secret")).expect("http");
    OracleClient::new(OracleOptions {
        url,
        api_key: Some(API_KEY.to_owned()),
        oracle_id: None,
        public_keys: Vec::new(),
        allow_unsigned: true,
    })
    .expect("a client")
}

/// An oracle that answers everything in the same way.
async fn oracle(status: u16, body: Value) -> (Server, OracleClient) {
    let status = StatusCode::from_u16(status).expect("a status");
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let server = Server::start(move |_| (status, [("retry-after", "7")], text.clone())).await;
    let client = client(&server);
    (server, client)
}

fn page(feed_id: &str, items: &Value) -> Value {
    json!({"oracle_id": "EA4A", "feed_id": feed_id, "oldest_seq": 1, "head_seq": 9,
        "items": items, "next": 3, "has_more": false})
}

#[tokio::test]
async fn the_question_and_what_is_kept_secret() {
    let items = json!([{"seq": 3, "kind": "work", "record": {}}]);
    let (server, client) = oracle(200, page("f", &items)).await;
    let answer = client.work(2, 5_000, 0, Some("f")).await.expect("a page");
    let WorkAnswer::Page { items, oracle_id, next: 3, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((items.len(), oracle_id.as_str()), (1, "ea4a"));
    let seen = server.seen();
    assert_eq!(seen[0].target, "/oracle/v1/work?after=2&limit=1000&wait_ms=0&feed_id=f");
    assert_eq!(seen[0].headers["x-api-key"], API_KEY);
    let shown = format!("{client:?} {}", client.name());
    assert!(!shown.contains(API_KEY) && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    let changed = json!({"error": {"code": "feed_changed"}, "feed_id": "g", "oldest_seq": 4,
        "head_seq": 9});
    let ask = async |status, body| {
        let (_server, client) = oracle(status, body).await;
        client.work(0, 10, 0, Some("f")).await
    };
    let answer = ask(409, changed).await.expect("an answer");
    assert!(matches!(answer, WorkAnswer::FeedChanged { oldest_seq: 4, head_seq: 9, .. }));
    let answer = ask(200, page("g", &json!([]))).await.expect("an answer");
    assert!(matches!(answer, WorkAnswer::FeedChanged { oldest_seq: 1, .. }));
    let answer = ask(410, json!({"oldest_seq": 77})).await.expect("an answer");
    assert!(matches!(answer, WorkAnswer::CursorExpired { oldest_seq: 77 }));
    assert!(matches!(ask(404, Value::Null).await, Ok(WorkAnswer::NoFeed)));
    assert!(matches!(ask(400, json!({"error": {}})).await, Ok(WorkAnswer::BadRequest)));
    for status in [401, 403] {
        let answer = ask(status, Value::Null).await;
        assert!(matches!(answer, Ok(WorkAnswer::Refused { status: s }) if s == status));
    }
    for (status, fault) in [(429, Fault::RateLimited), (503, Fault::HttpStatus)] {
        let error = ask(status, Value::Null).await.expect_err("busy");
        assert_eq!((error.fault, error.retry_after), (fault, Some(Duration::from_secs(7))));
    }
    let error = ask(302, Value::Null).await.expect_err("no redirects");
    assert_eq!(error.fault, Fault::HttpStatus);
    for broken in [json!("{"), json!({"items": []}), page("f", &json!([{"kind": "work"}]))] {
        assert_eq!(ask(200, broken).await.expect_err("broken").fault, Fault::Malformed);
    }
}

#[tokio::test]
async fn info_tells_of_a_feed_of_none_and_of_a_wrong_key() {
    let info = json!({"oracle_id": "ea4a", "feed_id": "f", "oldest_seq": 1, "head_seq": 0});
    let (_server, client) = oracle(200, info).await;
    let InfoAnswer::Feed(info) = client.info().await.expect("info") else { panic!("a feed") };
    assert_eq!((info.head_seq, info.max_limit, info.public_key), (0, 1_000, None));
    let (_server, client) = oracle(404, Value::Null).await;
    assert_eq!(client.info().await.expect("an answer"), InfoAnswer::NoFeed);
    let (_server, client) = oracle(401, Value::Null).await;
    assert_eq!(client.info().await.expect("an answer"), InfoAnswer::Refused { status: 401 });
}

#[tokio::test]
async fn answers_are_bounded() {
    let server = Server::start(|_| "[".repeat(17 * 1024 * 1024)).await;
    let error = client(&server).work(0, 10, 0, None).await.expect_err("too large");
    assert_eq!(error.fault, Fault::Oversized);
    let closed = "http://127.0.0.1:1".parse().expect("a URL");
    let options = OracleOptions {
        url: closed,
        api_key: None,
        oracle_id: None,
        public_keys: Vec::new(),
        allow_unsigned: true,
    };
    let client = OracleClient::new(options).expect("a client");
    assert_eq!(client.info().await.expect_err("closed").fault, Fault::Unreachable);
    let reading = client.probe().await;
    assert_eq!((reading.reachable, reading.fault), (false, Some(Fault::Unreachable)));
}

#[tokio::test]
async fn the_probe_takes_named_numbers_and_asks_for_nothing_else() {
    let server = Server::start(|seen: &Seen| -> Response {
        match seen.target.as_str() {
            "/health" => "OK".into_response(),
            "/oracle/stats" => json!({"verified_work_count": 7, "cache_stats": {"key": 1}})
                .to_string()
                .into_response(),
            "/miner/demand" => StatusCode::UNAUTHORIZED.into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    })
    .await;
    let reading = client(&server).probe().await;
    assert_eq!((reading.reachable, reading.http_status), (true, Some(200)));
    assert_eq!(reading.counters, json!({"verified_work_count": 7}));
    assert_eq!(reading.gauges, json!({}));
    let mut asked: Vec<_> = server.seen().into_iter().map(|s| s.target).collect();
    asked.sort();
    assert_eq!(
        asked,
        ["/health", "/miner/demand", "/oracle/health", "/oracle/projects", "/oracle/stats"]
    );
}
