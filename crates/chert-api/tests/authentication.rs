//! Signed requests over the real server and database: who is recognised, what the owner sees, what is
//! refused and why, whose budget it is, and what happens without a memory of nonces.
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "support/signer.rs"]
mod signer;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chert_api::ApiSettings;
use chert_api::auth::nonces::{Lifetime, NonceError, NonceStore};
use chert_store::Store;
use chert_store::entities::nonce::prune_nonces;
use reqwest::{Method, StatusCode};
use signer::{Key, Request, now_s};
use support::{Reply, TestServer, run_sql, settings};

const PRIVATE: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const PUBLIC: &str = "0202020202020202020202020202020202020202020202020202020202020202";

/// Two identities: the private one links `owner`, both link `shared`.
async fn stage(settings: ApiSettings) -> TestServer {
    let server = TestServer::start_with(3, 1, settings).await;
    link(&server).await;
    server
}

fn owner() -> Key {
    Key::ed25519(1)
}

fn shared() -> Key {
    Key::ed25519(2)
}

async fn link(server: &TestServer) {
    let mut sql = String::new();
    for (id, visibility) in [(PRIVATE, "private"), (PUBLIC, "public")] {
        sql += &format!(
            "INSERT INTO identities (identity_id, display_name, stats_visibility, created_at,
                 updated_at, profile_version, last_synced_block, wallet_count)
             VALUES ('\\x{id}', 'x', '{visibility}', 1, 1, 1, 1, 1);"
        );
    }
    for (id, key) in [(PRIVATE, owner()), (PRIVATE, shared()), (PUBLIC, shared())] {
        let address = silica_models::Address::parse(&key.account()).unwrap();
        sql += &format!(
            "INSERT INTO wallet_links (identity_id, wallet_address, wallet_key, link_type,
                 proof_signature, created_at, last_synced_block)
             VALUES ('\\x{id}', '{}', '{}', 'main', '', 1, 1);",
            key.account(),
            address.key().to_uuid()
        );
    }
    run_sql(&server.pool, &sql).await;
}

async fn send(server: &TestServer, request: &Request, key: &Key) -> Reply {
    let headers = request.sign(key);
    send_headers(server, request, &headers).await
}

async fn send_headers(
    server: &TestServer,
    request: &Request,
    headers: &[(String, String)],
) -> Reply {
    let method: Method = request.method.parse().unwrap();
    server.send_with(method, &request.target, headers, request.body.clone()).await
}

#[track_caller]
fn assert_refused(reply: &Reply, reason: &str) {
    reply.assert_problem(401, "signature-refused");
    assert_eq!(reply.json()["reason"], reason, "{}", reply.json());
    assert!(reply.header("www-authenticate").starts_with("Signature"));
    assert!(reply.header("accept-signature").starts_with("chert=("));
    assert_eq!(reply.header("chert-authentication"), "");
}

#[tokio::test]
async fn the_owner_sees_what_others_do_not() {
    let server = stage(settings()).await;
    let (stranger, shared) = (Key::ed25519(3), shared());
    for path in [
        format!("/v1/identity/{PRIVATE}/stats"),
        format!("/v1/pouw/stats/{PRIVATE}"),
        format!("/v1/pouw/history/{PRIVATE}"),
        format!("/v1/pouw/series/{PRIVATE}"),
        format!("/v1/governance/stats/{PRIVATE}"),
        format!("/v1/governance/power/{PRIVATE}"),
    ] {
        let request = Request::get(&server.base, &path);
        server.get(&path).await.assert_problem(403, "stats-hidden");
        let own = send(&server, &request, &owner()).await;
        assert_eq!(own.status, StatusCode::OK, "{path}: {}", own.json());
        assert_eq!(own.header("chert-authentication"), "identity");
        assert_eq!(own.header("cache-control"), "private, no-cache");
        assert_eq!(own.header("vary"), "accept-encoding, signature-input");
        // An account that two identities link is neither.
        for (key, state) in [(&stranger, "account"), (&shared, "account")] {
            let reply = send(&server, &request, key).await;
            reply.assert_problem(403, "stats-hidden");
            assert_eq!(reply.header("chert-authentication"), state);
        }
        server.get(&path).await.assert_problem(403, "stats-hidden");
    }
    // What everybody may see says that signing may change it, and is the owner's alone when signed.
    let path = format!("/v1/pouw/stats/{PUBLIC}");
    let open = server.get(&path).await;
    assert_eq!(open.header("vary"), "accept-encoding, signature-input");
    assert_eq!(open.header("cache-control"), "no-cache");
    let blocks = Request::get(&server.base, "/v1/explorer/blocks?limit=2");
    let signed = send(&server, &blocks, &stranger).await;
    assert_eq!(signed.header("cache-control"), "private, no-cache");
    let unsigned = server.get("/v1/explorer/blocks?limit=2").await;
    assert_eq!(unsigned.header("vary"), "accept-encoding");
    assert_eq!(unsigned.header("cache-control"), "public, max-age=2");
    assert_eq!(unsigned.header("chert-authentication"), "");
}

#[tokio::test]
async fn a_link_that_ends_ends_the_ownership_at_once() {
    let server = stage(settings()).await;
    let request = || Request::get(&server.base, &format!("/v1/pouw/stats/{PRIVATE}"));
    assert_eq!(send(&server, &request(), &owner()).await.status, StatusCode::OK);
    run_sql(&server.pool, "DELETE FROM wallet_links").await;
    send(&server, &request(), &owner()).await.assert_problem(403, "stats-hidden");
}

#[tokio::test]
async fn every_algorithm_is_accepted() {
    let server = stage(settings()).await;
    for key in Key::of_all_algorithms(4) {
        let request = Request::get(&server.base, "/v1/explorer/blocks?limit=1");
        let reply = send(&server, &request, &key).await;
        assert_eq!(reply.status, StatusCode::OK, "{}: {}", key.algorithm(), reply.json());
        assert_eq!(reply.header("chert-authentication"), "account");
        let mut forged = request.sign(&key);
        forged[1].1 = forged[1].1.replacen("chert=:", "chert=:AAAA", 1);
        let length = forged[1].1.len();
        forged[1].1.replace_range(length - 5..length - 1, "");
        let refused = send_headers(&server, &request, &forged).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", key.algorithm());
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_and_never_answered_anonymously() {
    let server = stage(settings()).await;
    let key = owner();
    let request = Request::get(&server.base, "/v1/explorer/blocks?limit=1");
    let with = |change: &dyn Fn(&mut Request)| {
        let mut changed = request.clone();
        change(&mut changed);
        changed.sign(&key)
    };
    for (change, reason) in [
        (&(|r: &mut Request| r.created_s += 120) as &dyn Fn(&mut Request), "created-in-future"),
        (&|r| r.created_s -= 1_000, "expired"),
        (&|r| r.lifetime_s = 301, "lifetime"),
        (&|r| r.nonce = "short".to_owned(), "bad-nonce"),
        (&|r| r.alg = Some("rsa-v1_5-sha256"), "unknown-algorithm"),
        (&|r| r.alg = Some("ml-dsa-44"), "bad-key"),
        (&|r| r.key_id = Some("ABCD".to_owned()), "bad-key"),
        (&|r| r.method = "POST".to_owned(), "bad-signature"),
        (&|r| r.target = "/v1/explorer/block/1?limit=1".to_owned(), "bad-signature"),
        (&|r| r.target = "/v1/explorer/blocks?limit=2".to_owned(), "bad-signature"),
        (&|r| r.authority = "elsewhere.example".to_owned(), "bad-signature"),
        (
            &|r| r.components = "\"@method\" \"@authority\" \"@path\"".to_owned(),
            "component-missing",
        ),
        (&|r| r.label = "other", "label-missing"),
    ] {
        assert_refused(&send_headers(&server, &request, &with(change)).await, reason);
    }
    for (name, value, reason) in [
        ("signature", "chert=:AAAA:", "label-missing"),
        ("signature-input", "chert=()", "label-missing"),
        ("signature", "chert", "label-missing"),
    ] {
        let lone = [(name.to_owned(), value.to_owned())];
        assert_refused(&send_headers(&server, &request, &lone).await, reason);
    }
    let mut twice = request.sign(&key);
    twice.push(twice[0].clone());
    assert_refused(&send_headers(&server, &request, &twice).await, "duplicate-label");
    // What must always answer looks at no signature; an unknown path does.
    let health = [("signature".to_owned(), "nonsense".to_owned())];
    let reply = send_headers(&server, &Request::get(&server.base, "/health"), &health).await;
    assert_eq!(reply.status, StatusCode::OK);
    let nowhere = Request::get(&server.base, "/nowhere");
    assert_refused(&send_headers(&server, &nowhere, &health).await, "label-missing");
}

#[tokio::test]
async fn bodies_are_bound_to_the_signature() {
    let server = stage(settings()).await;
    let path = format!("/v1/identity/{PUBLIC}/wallets/verify");
    let body = format!("{{\"wallet_address\":\"{}\"}}", owner().account());
    let request = Request::post(&server.base, &path, &body);
    let reply = send(&server, &request, &owner()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json());
    assert_eq!(reply.json()["linked"], false);
    let headers = request.sign(&owner());
    let other = Request { body: Some(body.replace("0x", "0X").into_bytes()), ..request.clone() };
    assert_refused(&send_headers(&server, &other, &headers).await, "digest-mismatch");
    let mut bare = request.clone();
    bare.components = "\"@method\" \"@authority\" \"@path\" \"@query\"".to_owned();
    let headers = bare.sign(&owner());
    assert_refused(&send_headers(&server, &request, &headers).await, "component-missing");
    let without: Vec<_> =
        headers.into_iter().filter(|(name, _)| name != "content-digest").collect();
    assert_refused(&send_headers(&server, &request, &without).await, "digest-missing");
    let huge = Request::post(&server.base, &path, &"x".repeat(65 * 1024));
    send(&server, &huge, &owner()).await.assert_problem(413, "body-too-large");
}

#[tokio::test]
async fn a_nonce_is_good_once_on_all_instances() {
    let server = stage(settings()).await;
    let second = server.sibling(settings(), None).await;
    let request = Request::get(&server.base, "/v1/explorer/blocks?limit=1");
    let headers = request.sign(&owner());
    // The same authority, so that only the nonce tells the requests apart.
    let authority = ("host".to_owned(), request.authority.clone());
    let on_second: Vec<_> = headers.iter().cloned().chain([authority]).collect();
    let (one, two) = tokio::join!(
        send_headers(&server, &request, &headers),
        send_headers(&second, &request, &on_second)
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    assert_refused(&send_headers(&server, &request, &headers).await, "replayed");
    assert_refused(&send_headers(&second, &request, &on_second).await, "replayed");
    // Another key may use the same text; a bad signature uses nothing up.
    let fresh = Request::get(&server.base, "/v1/explorer/blocks?limit=1");
    let mut forged = fresh.sign(&owner());
    forged[1].1 = format!("chert=:{}:", "A".repeat(86) + "==");
    assert_refused(&send_headers(&server, &fresh, &forged).await, "bad-signature");
    for key in [owner(), shared()] {
        assert_eq!(send(&server, &fresh, &key).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn old_nonces_are_forgotten() {
    let server = stage(settings()).await;
    let request = Request::get(&server.base, "/v1/explorer/blocks?limit=1");
    let headers = request.sign(&owner());
    assert_eq!(send_headers(&server, &request, &headers).await.status, StatusCode::OK);
    assert_eq!(prune_nonces(&server.pool, now_s()).await.unwrap(), 0);
    assert_eq!(prune_nonces(&server.pool, now_s() + 1_000).await.unwrap(), 1);
}

#[tokio::test]
async fn an_identity_has_a_budget_of_its_own() {
    let limited = ApiSettings { anonymous_rpm: 3, authenticated_rpm: 6, ..settings() };
    let server = stage(limited).await;
    let request = || Request::get(&server.base, "/v1/explorer/blocks?limit=1");
    for left in (0..6).rev() {
        let reply = send(&server, &request(), &owner()).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.header("ratelimit-policy"), "\"auth\";q=6;w=60");
        assert!(reply.header("ratelimit").starts_with(&format!("\"auth\";r={left};t=")));
    }
    // The address has its whole budget still; a key that no identity links is within it.
    let account = send(&server, &request(), &Key::ed25519(9)).await;
    assert_eq!(account.header("ratelimit"), "\"anon\";r=2;t=20");
    let spent = send(&server, &request(), &owner()).await;
    spent.assert_problem(429, "rate-limited");
    assert!(spent.header("ratelimit").starts_with("\"auth\";r=0;"));
    assert!(spent.header("retry-after").parse::<u32>().unwrap() <= 10);
    // Requests beyond the limit and bad signatures count for the address, before they are looked at.
    let bad = [("signature".to_owned(), "chert=:AAAA:".to_owned())];
    assert_refused(&send_headers(&server, &request(), &bad).await, "label-missing");
    send_headers(&server, &request(), &bad).await.assert_problem(429, "rate-limited");
    let good = send(&server, &request(), &owner()).await;
    good.assert_problem(429, "rate-limited");
    assert_eq!(good.header("ratelimit-policy"), "\"anon\";q=3;w=60");
}

#[tokio::test]
async fn expensive_requests_cost_more() {
    let limited = ApiSettings { anonymous_rpm: 10, ..settings() };
    let server = stage(limited).await;
    let reply = server.get("/v1/identity/search?name=abc").await;
    assert_eq!(reply.header("ratelimit"), "\"anon\";r=8;t=12");
    let reply = server.get("/v1/explorer/blocks").await;
    assert!(reply.header("ratelimit").starts_with("\"anon\";r=7;"));
}

#[tokio::test]
async fn requests_signed_for_another_server_are_refused() {
    let named = ApiSettings { authorities: vec!["api.chert.example".to_owned()], ..settings() };
    let server = stage(named).await;
    let mut request = Request::get(&server.base, "/v1/explorer/blocks?limit=1");
    assert_refused(&send(&server, &request, &owner()).await, "wrong-authority");
    request.authority = "api.chert.example".to_owned();
    let mut headers = request.sign(&owner());
    headers.push(("host".to_owned(), "API.chert.example".to_owned()));
    let reply = send_headers(&server, &request, &headers).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json());
}

/// A memory that can be away.
struct Fragile {
    store: Store,
    away: AtomicBool,
}

#[async_trait]
impl NonceStore for Fragile {
    async fn claim(&self, nonce: &[u8; 32], life: Lifetime) -> Result<bool, NonceError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(NonceError::Unreachable("away".to_owned()));
        }
        self.store.claim(nonce, life).await
    }
}

#[tokio::test]
async fn without_a_memory_of_nonces_signed_requests_are_anonymous_and_bad_ones_refused() {
    let server = stage(settings()).await;
    let store = Store::from_pool(server.pool.clone()).unwrap();
    let nonces = Arc::new(Fragile { store, away: AtomicBool::new(true) });
    let fragile = server.sibling(settings(), Some(nonces.clone())).await;
    let path = format!("/v1/pouw/stats/{PRIVATE}");
    let request = Request::get(&fragile.base, &path);
    let reply = send_headers(&fragile, &request, &request.sign(&owner())).await;
    reply.assert_problem(403, "stats-hidden");
    assert_eq!(reply.header("chert-authentication"), "unavailable");
    let forged = Request { method: "PUT".to_owned(), ..request.clone() };
    let reply = send_headers(&fragile, &request, &forged.sign(&owner())).await;
    assert_refused(&reply, "bad-signature");
    nonces.away.store(false, Ordering::SeqCst);
    let again = send_headers(&fragile, &request, &request.sign(&owner())).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.json());
}

#[tokio::test]
async fn over_a_database_that_takes_no_writes_signed_requests_are_anonymous() {
    let server = stage(settings()).await;
    let database: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(&server.pool).await.unwrap();
    // What a replica answers to a write.
    let sql = format!("ALTER DATABASE {database} SET default_transaction_read_only = on");
    run_sql(&server.pool, &sql).await;
    let url = server.url();
    let replica = server.sibling_at(&url, settings()).await;
    let path = format!("/v1/pouw/stats/{PRIVATE}");
    let request = Request::get(&replica.base, &path);
    let reply = send(&replica, &request, &owner()).await;
    reply.assert_problem(403, "stats-hidden");
    assert_eq!(reply.header("chert-authentication"), "unavailable");
    let open = Request::get(&replica.base, "/v1/explorer/blocks?limit=1");
    assert_eq!(send(&replica, &open, &owner()).await.status, StatusCode::OK);
}
