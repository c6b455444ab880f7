//! Budgets that two servers share, and what becomes of them when Valkey goes away, is emptied, or
//! holds rubbish.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod support;
#[path = "support/valkey.rs"]
mod valkey;

use chert_api::{ApiSettings, Valkey};
use chert_testkit::TestValkey;
use redis::cmd;
use reqwest::{Method, StatusCode};
use support::TestServer;
use valkey::{keys, sharing, until_up};

/// So few that none comes back while a test runs: one every 15 s.
const QUOTA: u32 = 4;
const PATH: &str = "/v1/explorer/blocks?limit=1";

fn limited(valkey: &TestValkey) -> (ApiSettings, Valkey) {
    let (settings, link) = sharing(valkey);
    (ApiSettings { anonymous_rpm: QUOTA, ..settings }, link)
}

async fn two_servers(valkey: &TestValkey) -> [(TestServer, Valkey); 2] {
    let (settings, link) = limited(valkey);
    let first = TestServer::start_with(3, 1, settings).await;
    let (settings, other) = limited(valkey);
    let second = first.sibling(settings, None).await;
    until_up(&link, true).await;
    until_up(&other, true).await;
    [(first, link), (second, other)]
}

#[tokio::test]
async fn two_servers_grant_one_quota() {
    let valkey = TestValkey::start().await;
    let [(first, _), (second, _)] = two_servers(&valkey).await;
    let read = first.get(PATH).await;
    assert_eq!(read.header("ratelimit-policy"), "\"anon\";q=4;w=60");
    assert_eq!(read.header("ratelimit"), "\"anon\";r=3;t=15");
    // What turns out to be unchanged is free on both.
    let tag = [("if-none-match", read.header("etag"))];
    for _ in 0..5 {
        for server in [&first, &second] {
            let known = server.send(Method::GET, PATH, &tag).await;
            assert_eq!(known.status, StatusCode::NOT_MODIFIED);
            assert!(known.header("ratelimit").starts_with("\"anon\";r=3;"));
        }
    }
    for (server, left) in [(&second, 2), (&first, 1), (&second, 0)] {
        let reply = server.get(PATH).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(reply.header("ratelimit").starts_with(&format!("\"anon\";r={left};")));
    }
    for server in [&first, &second] {
        let refused = server.get(PATH).await;
        refused.assert_problem(429, "rate-limited");
        assert!((1..=15).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
        let known = server.send(Method::GET, PATH, &tag).await;
        known.assert_problem(429, "rate-limited");
    }
    // Nobody's address is written down.
    let names = keys(&valkey, "chert:1:limit:*").await;
    assert_eq!(names.len(), 1);
    let ttl: i64 = valkey.run(cmd("PTTL").arg(&names[0])).await;
    assert!((1..=60_000).contains(&ttl), "{ttl}");
    let value: String = valkey.run(cmd("GET").arg(&names[0])).await;
    for text in [&names[0], &value] {
        assert!(!text.contains("127.0.0.1") && !text.contains("7f000001"), "{text}");
    }
}

#[tokio::test]
async fn nobody_gets_a_fresh_budget_because_valkey_flaps() {
    let mut valkey = TestValkey::start().await;
    let [(first, link), (second, other)] = two_servers(&valkey).await;
    for server in [&first, &second, &first] {
        assert_eq!(server.get(PATH).await.status, StatusCode::OK);
    }
    // The second learns of the first's: it grants the last one and no more, with or without Valkey.
    assert_eq!(second.get(PATH).await.status, StatusCode::OK);
    first.get(PATH).await.assert_problem(429, "rate-limited");
    let refuse = async || {
        for server in [&first, &second] {
            server.get(PATH).await.assert_problem(429, "rate-limited");
        }
    };
    refuse().await;
    valkey.run::<()>(&cmd("FLUSHALL")).await;
    refuse().await;
    for _ in 0..2 {
        valkey.kill();
        until_up(&link, false).await;
        until_up(&other, false).await;
        refuse().await;
        valkey.restart().await;
        until_up(&link, true).await;
        until_up(&other, true).await;
        refuse().await;
    }
}

#[tokio::test]
async fn without_valkey_each_server_counts_by_itself() {
    let mut valkey = TestValkey::start().await;
    let [(first, link), (second, other)] = two_servers(&valkey).await;
    valkey.kill();
    until_up(&link, false).await;
    until_up(&other, false).await;
    for server in [&first, &second] {
        for left in (0..QUOTA).rev() {
            let reply = server.get(PATH).await;
            assert_eq!(reply.status, StatusCode::OK);
            assert!(reply.header("ratelimit").starts_with(&format!("\"anon\";r={left};")));
        }
        server.get(PATH).await.assert_problem(429, "rate-limited");
    }
}

#[tokio::test]
async fn rubbish_under_a_client_s_key_is_no_budget_and_no_refusal() {
    let valkey = TestValkey::start().await;
    let (settings, link) = limited(&valkey);
    let server = TestServer::start_with(3, 1, settings).await;
    until_up(&link, true).await;
    server.get(PATH).await;
    let names = keys(&valkey, "chert:1:limit:*").await;
    let name = &names[0];
    for (left, rubbish) in [(2, "rubbish"), (1, "9e99"), (0, "nan")] {
        valkey.run::<()>(cmd("SET").arg(name).arg(rubbish)).await;
        let reply = server.get(PATH).await;
        assert_eq!(reply.status, StatusCode::OK, "{rubbish}");
        // Valkey forgot what was spent, this instance did not.
        assert!(reply.header("ratelimit").starts_with("\"anon\";r=3;"), "{left} {rubbish}");
    }
    server.get(PATH).await.assert_problem(429, "rate-limited");
    valkey.run::<()>(cmd("DEL").arg(name)).await;
    valkey.run::<()>(cmd("LPUSH").arg(name).arg("x")).await;
    valkey.run::<()>(cmd("SET").arg("chert:1:secret").arg("short")).await;
    server.get(PATH).await.assert_problem(429, "rate-limited");
}
