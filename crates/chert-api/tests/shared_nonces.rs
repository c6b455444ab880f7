//! Nonces in Valkey: used once on all servers, and nobody is believed whose nonce may have been
//! used before Valkey began to remember.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#[path = "support/signer.rs"]
mod signer;
mod support;
#[path = "support/valkey.rs"]
mod valkey;

use chert_api::{ApiSettings, Valkey};
use chert_testkit::TestValkey;
use redis::cmd;
use reqwest::{Method, StatusCode};
use signer::{Key, Request};
use support::{Reply, TestServer};
use valkey::{sharing, until_up};

const MEMORY: &str = "chert:1:nonces";

fn remembering(valkey: &TestValkey) -> (ApiSettings, Valkey) {
    let (settings, link) = sharing(valkey);
    (ApiSettings { nonces_in_valkey: true, ..settings }, link)
}

async fn server(valkey: &TestValkey, first: Option<&TestServer>) -> TestServer {
    let (settings, link) = remembering(valkey);
    let server = match first {
        Some(first) => first.sibling_at(&first.url(), settings).await,
        None => TestServer::start_with(3, 1, settings).await,
    };
    until_up(&link, true).await;
    server
}

fn request(server: &TestServer) -> Request {
    Request::get(&server.base, "/v1/explorer/blocks?limit=1")
}

async fn send(server: &TestServer, headers: &[(String, String)]) -> Reply {
    server.send_with(Method::GET, "/v1/explorer/blocks?limit=1", headers, None).await
}

#[track_caller]
fn assert_taken_as(reply: &Reply, state: &str) {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json());
    assert_eq!(reply.header("chert-authentication"), state);
}

/// Makes Valkey's memory older than every signature of this test.
async fn age(valkey: &TestValkey) {
    let memory: String = valkey.run(cmd("GET").arg(MEMORY)).await;
    let (run, since_ms) = memory.split_once(':').unwrap();
    let since_ms: i64 = since_ms.parse().unwrap();
    let older = format!("{run}:{}", since_ms - 600_000);
    valkey.run::<()>(cmd("SET").arg(MEMORY).arg(older)).await;
}

#[tokio::test]
async fn a_nonce_is_good_once_on_all_servers_and_never_after_valkey_forgot() {
    let mut valkey = TestValkey::start().await;
    let first = server(&valkey, None).await;
    let second = server(&valkey, Some(&first)).await;
    let key = Key::ed25519(3);
    // A memory that has just begun does not know what was used before.
    assert_taken_as(&send(&first, &request(&first).sign(&key)).await, "unavailable");
    age(&valkey).await;
    let headers = request(&first).sign(&key);
    let there: Vec<_> =
        headers.iter().cloned().chain([("host".to_owned(), request(&first).authority)]).collect();
    assert_taken_as(&send(&first, &headers).await, "account");
    for reply in [send(&first, &headers).await, send(&second, &there).await] {
        reply.assert_problem(401, "signature-refused");
        assert_eq!(reply.json()["reason"], "replayed");
    }
    assert_taken_as(&send(&second, &request(&second).sign(&key)).await, "account");
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM nonces").fetch_one(&first.pool).await.unwrap();
    assert_eq!(stored, 0);

    // Emptied: neither the used nonce nor a new one is believed for now.
    valkey.run::<()>(&cmd("FLUSHALL")).await;
    assert_taken_as(&send(&second, &there).await, "unavailable");
    assert_taken_as(&send(&first, &headers).await, "unavailable");
    // Away: the same; the database has never heard of these nonces and is not asked.
    let (settings, link) = remembering(&valkey);
    let third = first.sibling_at(&first.url(), settings).await;
    until_up(&link, true).await;
    valkey.kill();
    until_up(&link, false).await;
    assert_taken_as(&send(&third, &there).await, "unavailable");
    // A bad signature is refused all the same.
    let mut forged = request(&third).sign(&key);
    forged[1].1 = format!("chert=:{}:", "A".repeat(86) + "==");
    send(&third, &forged).await.assert_problem(401, "signature-refused");
    // Back with another run: what an old memory says of itself does not count.
    valkey.restart().await;
    until_up(&link, true).await;
    valkey.run::<()>(cmd("SET").arg(MEMORY).arg("0123abcd:1")).await;
    assert_taken_as(&send(&third, &there).await, "unavailable");
}

#[tokio::test]
async fn a_valkey_that_throws_things_out_remembers_no_nonces() {
    let valkey = TestValkey::start().await;
    let first = server(&valkey, None).await;
    let key = Key::ed25519(3);
    send(&first, &request(&first).sign(&key)).await;
    age(&valkey).await;
    assert_taken_as(&send(&first, &request(&first).sign(&key)).await, "account");
    for (name, value) in [("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")] {
        valkey.run::<()>(cmd("CONFIG").arg("SET").arg(name).arg(value)).await;
    }
    let second = server(&valkey, Some(&first)).await;
    assert_taken_as(&send(&second, &request(&second).sign(&key)).await, "unavailable");
}
