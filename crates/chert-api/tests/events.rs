//! What is asked of the event log wrongly, and what is not of it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use support::TestServer;

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
