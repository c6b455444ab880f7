//! What is asked of the event log wrongly, how a stream looks, and what only its owner sees of it.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/signer.rs"]
mod signer;
mod support;
#[path = "support/work.rs"]
mod work;

use reqwest::Response;
use serde_json::Value;
use signer::{Key, Request};
use silica_models::{Address, Visibility, WorkKind};
use support::TestServer;
use work::{Desk, NOW, identity, person};

/// Reads a stream until it has said something, to the end of a frame.
async fn read_until(response: &mut Response, part: &str) -> String {
    let mut text = String::new();
    while !(text.contains(part) && text.ends_with("\n\n")) {
        let chunk = response.chunk().await.unwrap().unwrap_or_else(|| panic!("ended: {text}"));
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[tokio::test]
async fn mistakes_are_named() {
    let server = TestServer::start(3, 1).await;
    for (query, part) in [
        ("type=block.mined", "block.applied"),
        ("type=", "type"),
        ("type=block.applied,,vote.cast", "type"),
        ("address=", "address"),
        ("identity=xyz", "identity"),
        ("min_confirmations=101", "min_confirmations"),
        ("min_confirmations=-1", "min_confirmations"),
        ("after=-1", "after"),
        ("after=99999999999999999999", "after"),
        ("after=%2B1", "after"),
        ("after=1&after=2", "\"after\""),
        ("color=red", "\"color\""),
        ("offset=3", "\"offset\""),
    ] {
        for path in ["/v1/events", "/v1/events/stream"] {
            let reply = server.get(&format!("{path}?{query}")).await;
            reply.assert_problem(400, "invalid-parameter");
            let detail = reply.json()["detail"].to_string();
            assert!(detail.contains(&part.replace('"', "\\\"")), "{path}?{query}: {detail}");
        }
    }
    for query in ["limit=0", "limit=501", "cursor=zzz", "after=1&cursor=AA"] {
        server.get(&format!("/v1/events?{query}")).await.assert_problem(400, "invalid-parameter");
    }
    let headers = [("last-event-id", "seven")];
    let reply = server.send(reqwest::Method::GET, "/v1/events/stream", &headers).await;
    reply.assert_problem(400, "invalid-parameter");
    let nobody = "5f".repeat(32);
    for path in ["/v1/events", "/v1/events/stream"] {
        let reply = server.get(&format!("{path}?identity={nobody}")).await;
        reply.assert_problem(404, "not-found");
    }
    let reply = server.send_body(reqwest::Method::POST, "/v1/events/stream", "").await;
    reply.assert_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn a_stream_is_neither_compressed_nor_kept_and_says_where_it_begins() {
    let server = TestServer::start(3, 1).await;
    let client = reqwest::Client::new();
    let request = client.get(format!("{}/v1/events/stream", server.base));
    let mut response = request
        .header("accept-encoding", "gzip, br")
        .header("origin", "https://a.example")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(headers["chert-indexed-height"], "2");
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(!headers.contains_key("content-encoding") && headers.contains_key("x-request-id"));
    let first = response.chunk().await.unwrap().unwrap();
    assert_eq!(first, "retry: 2000\nid: 3\n\n");
}

#[tokio::test]
async fn the_owner_is_named_to_itself_until_its_wallets_change() {
    let server = TestServer::start(3, 1).await;
    let mut desk = Desk::new(&server).await;
    let key = Key::ed25519(1);
    let mut record = person(1, 1, Visibility::Private);
    record.links[0].address = Address::parse(&key.account()).unwrap();
    desk.register(std::slice::from_ref(&record)).await;
    let mut task = work::work(WorkKind::Nuw, "a", 1, NOW - 60);
    task.account = record.links[0].address.clone();
    desk.report(vec![task]).await;
    let id = hex::encode(identity(1).0);
    let path = "/v1/events?type=work.validated";
    let signed = async |target: &str| {
        let headers = Request::get(&server.base, target).sign(&key);
        let mut request = reqwest::Client::new().get(format!("{}{target}", server.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await.unwrap()
    };
    let anonymous = server.get(path).await;
    assert_eq!(anonymous.json()["items"][0]["identity_id"], Value::Null);
    assert_eq!(anonymous.header("cache-control"), "no-cache");
    let own = signed(path).await;
    assert_eq!(own.headers()["cache-control"], "private, no-cache");
    assert_eq!(own.json::<Value>().await.unwrap()["items"][0]["identity_id"], id);
    for path in ["/v1/events", "/v1/events/stream"] {
        let path = format!("{path}?identity={id}");
        server.get(&path).await.assert_problem(403, "stats-hidden");
        assert_eq!(signed(&path).await.status(), 200);
    }
    let mut open = signed("/v1/events/stream?after=3").await;
    assert_eq!(open.status(), 200);
    let told = read_until(&mut open, "work.validated\",").await;
    assert!(told.contains(&format!("\"identity_id\":\"{id}\"")), "{told}");
    let other = reqwest::get(format!("{}/v1/events/stream?after=3", server.base)).await;
    let told = read_until(&mut other.unwrap(), "work.validated\",").await;
    assert!(!told.contains(&id), "{told}");
    // Whoever signed may not be the identity any more.
    record.links.clear();
    record.profile_version = 2;
    desk.register(&[record]).await;
    let last = read_until(&mut open, "event: cut").await;
    assert!(last.contains("\"reason\":\"relinked\""), "{last}");
    assert!(open.chunk().await.unwrap().is_none());
}
