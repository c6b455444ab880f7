//! What holds for every endpoint (api.md §1).
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use support::{TestServer, WHALE, fill, run_sql, settings};

const DATA: [&str; 9] = [
    "/v1/explorer/blocks",
    "/v1/explorer/block/29",
    "/v1/explorer/block/29/transactions",
    "/v1/explorer/transactions",
    "/v1/explorer/search?q=12",
    "/v1/explorer/stats",
    "/v1/explorer/orphans",
    "/v1/explorer/address/0x00000000000000000000000000000000000000aa/history",
    "/v1/status",
];

#[tokio::test]
async fn every_answer_carries_the_headers_of_its_snapshot() {
    let server = TestServer::start(30, 4).await;
    for path in DATA {
        let reply = server.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("chert-indexed-height"), "29", "{path}");
        assert_eq!(reply.header("chert-indexed-hash").len(), 64);
        assert_eq!(reply.header("chert-finalized-height"), "17");
        assert_eq!(reply.header("chert-lag-ms"), "0");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert!(!reply.header("x-request-id").is_empty());
        assert!(!reply.header("cache-control").is_empty());
        let head = server.send(Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0), "{path}");
    }
    let finalized = server.get("/v1/explorer/block/17").await;
    assert_eq!(finalized.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(finalized.json()["confirmations"], 13);
    let near = server.get("/v1/explorer/block/18").await;
    assert_eq!(near.header("cache-control"), "public, max-age=2");
    assert_eq!(
        (&near.json()["status"], &near.json()["confirmations"]),
        (&"confirmed".into(), &12.into())
    );
}

#[tokio::test]
async fn entity_tags_are_strong_and_revalidate_under_any_encoding() {
    let server = TestServer::start(30, 4).await;
    let path = "/v1/explorer/block/10";
    let plain = server.get(path).await;
    let tag = plain.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    for encoding in ["br", "gzip"] {
        let packed = server.send(Method::GET, path, &[("accept-encoding", encoding)]).await;
        assert_eq!(packed.header("content-encoding"), encoding);
        assert_eq!(packed.header("vary"), "accept-encoding");
        assert_eq!(packed.header("etag"), format!("{}-{encoding}\"", tag.trim_end_matches('"')));
        for known in [packed.header("etag"), &tag, "\"x\", *"] {
            let again = server.send(Method::GET, path, &[("if-none-match", known)]).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{known}");
            assert!(again.bytes.is_empty());
            assert_eq!(again.header("chert-indexed-height"), "29");
        }
    }
    let changed = server.send(Method::GET, path, &[("if-none-match", "\"other\"")]).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn errors_are_problem_documents() {
    let server = TestServer::start(3, 1).await;
    server.get("/nowhere").await.assert_problem(404, "not-found");
    server.get("/v1/explorer/block/99999").await.assert_problem(404, "not-found");
    server.get("/v1/explorer/block/99999999999999999999999").await.assert_problem(404, "not-found");
    server
        .get(&format!("/v1/explorer/tx/{}", "ab".repeat(32)))
        .await
        .assert_problem(404, "not-found");
    server.get("/v1/explorer/blocks?limit=0").await.assert_problem(400, "invalid-parameter");
    server.get("/v1/explorer/blocks?offset=10001").await.assert_problem(400, "invalid-parameter");
    let long = format!("/v1/explorer/search?q={}", "a".repeat(9000));
    server.get(&long).await.assert_problem(414, "uri-too-long");
    let post = server.send(Method::POST, "/v1/explorer/blocks", &[]).await;
    post.assert_problem(405, "method-not-allowed");
    assert_eq!(post.header("allow"), "GET,HEAD");
    let client = reqwest::Client::new();
    let big = client.post(format!("{}/v1/status", server.base)).body(vec![b'x'; 70_000]);
    assert_eq!(big.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn request_ids_are_accepted_or_made() {
    let server = TestServer::start(1, 0).await;
    let with = async |id: &str| {
        let reply = server.send(Method::GET, "/health", &[("x-request-id", id)]).await;
        reply.header("x-request-id").to_owned()
    };
    assert_eq!(with("my-id-7").await, "my-id-7");
    for bad in ["two words", &"x".repeat(65)] {
        let made = with(bad).await;
        assert_eq!(made.len(), 36, "{made}");
    }
}

#[tokio::test]
async fn preflights_are_answered() {
    let server = TestServer::start(1, 0).await;
    let headers = [
        ("origin", "https://wallet.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "x-request-id"),
    ];
    let reply = server.send(Method::OPTIONS, "/v1/explorer/blocks", &headers).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert!(reply.header("access-control-allow-methods").contains("POST"));
    assert!(reply.header("access-control-allow-headers").contains("signature-input"));
    assert!(reply.header("access-control-expose-headers").contains("ratelimit"));
}

#[tokio::test]
async fn the_rate_limit_counts_and_gives_304_back() {
    let limited = chert_api::ApiSettings { anonymous_rpm: 5, ..settings() };
    let server = TestServer::start_with(3, 1, limited).await;
    let path = "/v1/explorer/blocks";
    let first = server.get(path).await;
    assert_eq!(first.header("ratelimit-policy"), "\"anon\";q=5;w=60");
    assert_eq!(first.header("ratelimit"), "\"anon\";r=4;t=12");
    let tag = first.header("etag").to_owned();
    for _ in 0..20 {
        let known = server.send(Method::GET, path, &[("if-none-match", &tag)]).await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    }
    for _ in 0..4 {
        assert_eq!(server.get(path).await.status, StatusCode::OK);
    }
    let refused = server.get(path).await;
    refused.assert_problem(429, "rate-limited");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() <= 12);
    assert_eq!(server.get("/health").await.status, StatusCode::OK);
    assert_eq!(server.get("/metrics").await.status, StatusCode::OK);
    // A client's own word for who it is counts for nothing.
    let forged = server.send(Method::GET, path, &[("x-forwarded-for", "9.9.9.9")]).await;
    assert_eq!(forged.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client() {
    let proxied = chert_api::ApiSettings {
        anonymous_rpm: 1,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..settings()
    };
    let server = TestServer::start_with(3, 1, proxied).await;
    for client in ["1.1.1.1", "2.2.2.2", "2001:db8::1"] {
        let headers = [("x-forwarded-for", client)];
        let ok = server.send(Method::GET, "/v1/explorer/blocks", &headers).await;
        assert_eq!(ok.status, StatusCode::OK, "{client}");
        let refused = server.send(Method::GET, "/v1/explorer/blocks", &headers).await;
        refused.assert_problem(429, "rate-limited");
    }
}

#[tokio::test]
async fn a_new_block_is_seen_at_once_although_answers_are_cached() {
    let server = TestServer::start(20, 2).await;
    let first = server.get("/v1/explorer/blocks?limit=1").await;
    assert_eq!(first.json()["items"][0]["height"], 19);
    fill(&server.pool, 20, 1, 2).await;
    server.wait_until_seen(20).await;
    let second = server.get("/v1/explorer/blocks?limit=1").await;
    assert_eq!(second.json()["items"][0]["height"], 20);
    assert_eq!(second.header("chert-indexed-height"), "20");
    let metrics = String::from_utf8(server.get("/metrics").await.bytes).unwrap();
    for name in [
        "chert_http_requests_total{route=\"/v1/explorer/blocks\",method=\"GET\",status=\"200\"}",
        "chert_http_request_seconds_bucket{route=\"/v1/explorer/blocks\"",
        "chert_store_query_seconds_bucket{statement=\"list_blocks\"",
        "chert_cache_misses_total",
        "chert_indexer_height 20",
        "chert_pool_connections{state=\"idle\"}",
        "chert_process_resident_bytes",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn while_the_first_fill_runs_only_positional_reads_answer() {
    let server = TestServer::start(5, 2).await;
    run_sql(&server.pool, "UPDATE checkpoints SET bulk = TRUE, node_height = 100").await;
    for path in ["/v1/explorer/blocks", "/v1/explorer/block/3", "/v1/explorer/transactions?limit=3"]
    {
        assert_eq!(server.get(path).await.status, StatusCode::OK, "{path}");
    }
    let hash = "ab".repeat(32);
    for path in [
        format!("/v1/explorer/block/{hash}"),
        format!("/v1/explorer/block/{hash}/transactions"),
        format!("/v1/explorer/tx/{hash}"),
        format!("/v1/explorer/address/{WHALE}/balance"),
        format!("/v1/explorer/address/{WHALE}/history"),
        "/v1/explorer/search?q=12".to_owned(),
        "/v1/explorer/stats".to_owned(),
    ] {
        let reply = server.get(&path).await;
        reply.assert_problem(503, "index-building");
        assert_eq!(reply.header("retry-after"), "10");
        assert!(reply.json()["detail"].as_str().unwrap().contains("block 4 of 100"));
    }
}

#[tokio::test]
async fn health_is_alive_and_readiness_tells_the_truth() {
    let server = TestServer::start(5, 2).await;
    let health = server.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.json()["status"], "degraded");
    assert_eq!(health.json()["consensus_status"]["current_height"], 4);
    let ready = server.get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["checks"][0]["ok"], true);
    assert_eq!(ready.json()["checks"][1]["ok"], false);
    let now = "UPDATE checkpoints SET node_seen_at_ms = extract(epoch FROM now()) * 1000, \
               progressed_at_ms = extract(epoch FROM now()) * 1000; NOTIFY chert_tip";
    run_sql(&server.pool, now).await;
    for _ in 0..300 {
        if server.get("/health").await.json()["status"] == "healthy" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.get("/health").await.json()["consensus_status"]["is_synced"], true);
    assert_eq!(server.get("/health/ready").await.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_and_description_are_served() {
    let server = TestServer::start(1, 0).await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/docs/", "text/html"),
        ("/openapi.json", "application/json"),
    ] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, kind), "{path}");
        assert!(!reply.header("content-security-policy").is_empty());
    }
}
