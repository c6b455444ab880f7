//! Identities over the real server and database: what is shown of whom, search, proofs of wallets,
//! prepared updates, and what odd requests get.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use chert_store::entities::identity::RegistryCommit;
use chert_store::{FeedOutcome, Store};
use ed25519_dalek::{Signer, SigningKey};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha3::{Digest, Sha3_256};
use silica_models::{Address, IdentityId, IdentityRecord, Visibility, WalletLink};
use support::{Reply, TestServer, WHALE, run_sql};

const START: i64 = 1_783_000_000;
const SHARED: &str = "0x00000000000000000000000000000000000000bb";

fn id(number: u8) -> String {
    IdentityId([number; 32]).to_string()
}

fn account(public_key: &[u8], domain: &str) -> String {
    let digest = Sha3_256::new().chain_update(domain).chain_update(public_key).finalize();
    hex::encode(&digest[..20])
}

fn link(address: &str, created_at: i64) -> WalletLink {
    WalletLink {
        address: Address::parse(address).unwrap(),
        link_type: "main".to_owned(),
        proof_signature: vec![0xab, 0xcd],
        created_at,
        verified_at: (created_at % 2 == 0).then_some(created_at + 60),
        height: 5,
    }
}

fn record(
    number: u8,
    name: &str,
    visibility: Visibility,
    links: Vec<WalletLink>,
) -> IdentityRecord {
    IdentityRecord {
        identity_id: IdentityId([number; 32]),
        display_name: Some(name.to_owned()),
        avatar_hash: Some([number; 32]),
        bio: Some("line\nline".to_owned()),
        visibility,
        links,
        created_at: START,
        updated_at: START + 60,
        height: 5,
        profile_version: 2,
    }
}

async fn register(server: &TestServer, records: &[IdentityRecord]) {
    let store = Store::from_pool(server.pool.clone()).unwrap();
    let tip = store.checkpoint().await.unwrap();
    let height = tip.tip().unwrap();
    let commit = RegistryCommit {
        under: (height, &tip.hash),
        records,
        rejected: &[],
        synced_to: height,
        now_s: START,
    };
    assert_eq!(store.put_registry(&commit).await.unwrap(), FeedOutcome::Stored);
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// 1 is public and holds the whale, an account of a known key, its validator and two others; 2 is
/// private and shares one of them; 3 shows itself to friends.
async fn stage() -> TestServer {
    let server = TestServer::start(20, 2).await;
    let public = key().verifying_key().to_bytes();
    let own = format!("0x{}", account(&public, "CHERT_ADDRESS_ACCOUNT_V2"));
    let validator = format!("VAL{}", account(&public, "CHERT_ADDRESS_NODE_V2"));
    let links = vec![
        link(WHALE, START),
        link(&own, START + 1),
        link(&validator, START + 2),
        link(SHARED, START + 2),
        link("treasury_000", START + 3),
    ];
    let one = record(1, "Quarry-42", Visibility::Public, links);
    let two = record(2, "Quarry Hidden", Visibility::Private, vec![link(SHARED, START)]);
    let three = record(3, "The quarry", Visibility::FriendsOnly, vec![]);
    register(&server, &[one, two, three]).await;
    server
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["display_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn profiles_and_wallets_are_public() {
    let server = stage().await;
    let profile = server.get(&format!("/v1/identity/{}", id(1))).await;
    let expected = json!({
        "identity_id": id(1), "display_name": "Quarry-42", "avatar_hash": "01".repeat(32),
        "bio": "line\nline", "stats_visibility": "public", "wallet_count": 5,
        "created_at": START, "updated_at": START + 60, "last_synced_block": 5,
        "profile_version": 2, "followers_count": 0, "following_count": 0,
    });
    assert_eq!(profile.json(), expected);
    assert_eq!(profile.header("cache-control"), "no-cache");
    assert_eq!(profile.header("chert-indexed-height"), "19");
    let known = [("if-none-match", profile.header("etag"))];
    let again = server.send(Method::GET, &format!("/v1/identity/{}", id(1)), &known).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let upper = format!("/v1/identity/0X{}", id(2).to_uppercase());
    assert_eq!(server.ok(&upper).await["stats_visibility"], "private");

    let path = format!("/v1/identity/{}/wallets", id(1));
    let all = server.ok(&path).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 5);
    assert_eq!(all["items"][0]["wallet_address"], "treasury_000");
    assert_eq!(
        all["items"][4],
        json!({
            "wallet_address": WHALE, "link_type": "main", "proof_signature": "abcd",
            "created_at": START, "verified_at": START + 60, "last_synced_block": 5,
        })
    );
    assert!(all.get("next_cursor").is_none());
    for limit in 1..=5 {
        assert_eq!(Value::from(server.walk(&path, limit).await), all["items"]);
    }
    let skipped = server.ok(&format!("{path}?offset=3")).await;
    assert_eq!(skipped["items"][0], all["items"][3]);
    // A cursor of one identity is none of another's.
    let cursor = server.ok(&format!("{path}?limit=1")).await["next_cursor"].clone();
    let foreign = format!("/v1/identity/{}/wallets?cursor={}", id(2), cursor.as_str().unwrap());
    server.get(&foreign).await.assert_problem(400, "invalid-parameter");
    for path in ["", "/wallets", "/stats", &format!("/wallets/{WHALE}/challenge")] {
        let nobody = format!("/v1/identity/{}{path}", id(9));
        server.get(&nobody).await.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn figures_are_shown_only_where_the_identity_shows_them() {
    let server = stage().await;
    let stats = server.get(&format!("/v1/identity/{}/stats", id(1))).await;
    assert_eq!(stats.status, StatusCode::OK, "{}", stats.json());
    assert_eq!(stats.header("cache-control"), "no-cache");
    for part in ["pouw", "governance"] {
        assert_eq!(stats.json()[part]["identity_id"], id(1), "{}", stats.json());
    }
    for hidden in [2, 3] {
        let path = format!("/v1/identity/{}/stats", id(hidden));
        server.get(&path).await.assert_problem(403, "stats-hidden");
    }
    // The next answer after a change obeys it.
    let mut one = record(1, "Quarry-42", Visibility::Private, vec![link(WHALE, START)]);
    one.height = 6;
    register(&server, &[one]).await;
    let path = format!("/v1/identity/{}/stats", id(1));
    server.get(&path).await.assert_problem(403, "stats-hidden");
}

#[tokio::test]
async fn an_address_names_its_holder_where_that_is_public_and_alone() {
    let server = stage().await;
    let balances = "INSERT INTO balances SELECT wallet_key, wallet_address, 5, 0, 19, 1
                    FROM wallet_links ON CONFLICT DO NOTHING";
    run_sql(&server.pool, balances).await;
    let path = |address: &str| format!("/v1/explorer/address/{address}/balance");
    let held = server.get(&path(WHALE)).await;
    assert_eq!(held.json()["identity_id"], id(1));
    assert_eq!(held.header("cache-control"), "no-cache");
    let shared = server.get(&path(SHARED)).await;
    assert_eq!(shared.json()["identity_id"], Value::Null);
    assert_eq!(shared.header("cache-control"), "public, max-age=2");
    let mut one = record(1, "Quarry-42", Visibility::FriendsOnly, vec![link(WHALE, START)]);
    one.height = 6;
    register(&server, &[one]).await;
    assert_eq!(server.ok(&path(WHALE)).await["identity_id"], Value::Null);
}

#[tokio::test]
async fn names_are_found_in_order_and_page_by_page() {
    let server = stage().await;
    let path = "/v1/identity/search?name=quarry";
    let found = server.get(path).await;
    assert_eq!(names(&found.json()), ["Quarry Hidden", "Quarry-42", "The quarry"]);
    assert_eq!(found.header("cache-control"), "no-cache");
    assert_eq!(
        found.json()["items"][1],
        json!({
            "identity_id": id(1), "display_name": "Quarry-42", "avatar_hash": "01".repeat(32),
            "stats_visibility": "public", "updated_at": START + 60,
        })
    );
    for limit in 1..=3 {
        assert_eq!(Value::from(server.walk(path, limit).await), found.json()["items"]);
    }
    assert_eq!(names(&server.ok(&format!("{path}&offset=2")).await), ["The quarry"]);
    assert_eq!(names(&server.ok("/v1/identity/search?name=%20QUARR%C3%9D%20").await).len(), 3);
    assert_eq!(names(&server.ok("/v1/identity/search?name=qu%25y").await), [""; 0]);
    let cursor = server.ok(&format!("{path}&limit=1")).await["next_cursor"].clone();
    let other = format!("/v1/identity/search?name=quarr&cursor={}", cursor.as_str().unwrap());
    for bad in ["/v1/identity/search", "/v1/identity/search?name=%20a%20", &other] {
        server.get(bad).await.assert_problem(400, "invalid-parameter");
    }
    let long = format!("/v1/identity/search?name={}", "a".repeat(65));
    server.get(&long).await.assert_problem(400, "invalid-parameter");
    // The explorer's search names public identities only.
    let hits = server.get("/v1/explorer/search?q=quarry").await;
    let expected = json!({"kind": "identity", "identity_id": id(1), "display_name": "Quarry-42"});
    assert_eq!(hits.json()["items"], json!([expected]));
    assert_eq!(hits.header("cache-control"), "no-cache");
    assert_eq!(server.ok(&format!("/v1/explorer/search?q={}", id(1))).await["items"][0], expected);
    assert_eq!(server.ok(&format!("/v1/explorer/search?q={}", id(2))).await["items"], json!([]));
}

async fn verify(server: &TestServer, number: u8, body: Value) -> Reply {
    let path = format!("/v1/identity/{}/wallets/verify", id(number));
    server.send_body(Method::POST, &path, body.to_string()).await
}

#[tokio::test]
async fn a_wallet_is_proved_by_its_own_key_over_the_challenge() {
    let server = stage().await;
    let public = key().verifying_key().to_bytes();
    let own = format!("0x{}", account(&public, "CHERT_ADDRESS_ACCOUNT_V2"));
    let validator = format!("VAL{}", account(&public, "CHERT_ADDRESS_NODE_V2"));
    for wallet in [own.clone(), validator, format!("0x{}", own[2..].to_uppercase())] {
        let path = format!("/v1/identity/{}/wallets/{wallet}/challenge", id(1));
        let challenge = server.get(&path).await;
        assert_eq!(challenge.bytes, server.get(&path).await.bytes);
        let challenge = challenge.json();
        assert_eq!((&challenge["linked"], &challenge["version"]), (&json!(true), &json!(1)));
        let message = challenge["message"].as_str().unwrap();
        assert!(message.starts_with("Chert wallet link verification v1\nnetwork: testnet\n"));
        let signature = hex::encode(key().sign(message.as_bytes()).to_bytes());
        let body = json!({
            "wallet_address": wallet, "public_key": hex::encode(public), "signature": signature,
        });
        let answer = verify(&server, 1, body.clone()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
        assert_eq!(
            (&answer.json()["verified"], &answer.json()["reason"]),
            (&json!(true), &Value::Null)
        );
        // The same signature says nothing about another identity.
        let other = verify(&server, 2, body).await.json();
        assert_eq!((&other["linked"], &other["verified"]), (&json!(false), &json!(false)));
        assert_eq!(other["reason"], "not-linked");
    }
    let reason = async |body: Value| verify(&server, 1, body).await.json()["reason"].clone();
    let wrong = |wallet: &str, key: &str| json!({"wallet_address": wallet, "public_key": key, "signature": "00".repeat(64)});
    let key = hex::encode(public);
    assert_eq!(reason(wrong(&own, &key)).await, "bad-signature");
    assert_eq!(reason(wrong(WHALE, &key)).await, "key-of-another-address");
    assert_eq!(reason(wrong("treasury_000", &key)).await, "unsupported-address");
    assert_eq!(reason(wrong(&own, "abcd")).await, "unsupported-key");
    // Without a signature: what the registry and the node say.
    let node = verify(&server, 1, json!({"wallet_address": WHALE})).await.json();
    assert_eq!(
        node,
        json!({
            "identity_id": id(1), "wallet_address": WHALE, "linked": true, "verified": true,
            "proof_signature": "abcd", "verified_at": START + 60, "last_synced_block": 5,
            "reason": null,
        })
    );
    assert_eq!(reason(json!({"wallet_address": own})).await, "not-verified-by-node");
    for bad in [
        json!({}),
        json!({"wallet_address": WHALE, "public_key": "00"}),
        json!({"wallet_address": WHALE, "public_key": "0", "signature": "00"}),
        json!({"wallet_address": WHALE, "public_key": "00", "signature": "00".repeat(4628)}),
        json!({"wallet_address": "", "x": 1}),
        json!({"wallet_address": "a\u{0}"}),
        json!([WHALE]),
    ] {
        verify(&server, 1, bad).await.assert_problem(400, "invalid-parameter");
    }
    let unknown = verify(&server, 9, json!({"wallet_address": WHALE})).await;
    unknown.assert_problem(404, "not-found");
}

#[tokio::test]
async fn updates_are_prepared_and_not_submitted() {
    let server = stage().await;
    let path = format!("/v1/identity/{}", id(1));
    let before = server.ok(&path).await;
    let draft = json!({
        "profile_version": 2, "display_name": " New ", "stats_visibility": "private",
        "wallet_links": [{"wallet_address": WHALE, "link_type": "primary", "proof_signature": "q80="}],
    });
    let put = async |draft: Value| server.send_body(Method::PUT, &path, draft.to_string()).await;
    let prepared = put(draft.clone()).await;
    assert_eq!(prepared.status, StatusCode::OK, "{}", prepared.json());
    let prepared = prepared.json();
    assert_eq!((&prepared["action"], &prepared["profile_version"]), (&json!("update"), &json!(3)));
    assert_eq!(prepared["update"]["profile"]["display_name"], "New");
    assert_eq!(
        prepared["update"]["profile"]["wallet_links"],
        json!([
            {"link_type": "main", "proof_signature": "abcd", "wallet_address": WHALE},
        ])
    );
    let bytes = hex::decode(prepared["bytes_to_sign"].as_str().unwrap()).unwrap();
    assert_eq!(prepared["digest"], hex::encode(Sha3_256::digest(&bytes)));
    let text = bytes.strip_prefix(b"CHERT_IDENTITY_UPDATE_V1").unwrap();
    assert_eq!(serde_json::from_slice::<Value>(text).unwrap(), prepared["update"]);
    assert_eq!(server.ok(&path).await, before);

    let with = |name: &str, value: Value| {
        let mut draft = draft.clone();
        draft[name] = value;
        draft
    };
    put(with("profile_version", json!(1))).await.assert_problem(409, "version-conflict");
    let wallet = &draft["wallet_links"][0];
    for (name, value) in [
        ("profile_version", json!(-1)),
        ("profile_version", json!(null)),
        ("display_name", json!("x".repeat(65))),
        ("display_name", json!("a\u{7}")),
        ("bio", json!("x".repeat(281))),
        ("avatar_hash", json!("abcd")),
        ("stats_visibility", json!("secret")),
        ("wallet_links", json!([wallet, wallet])),
        ("wallet_links", json!(vec![wallet; 33])),
        ("wallet_links", json!([{"wallet_address": WHALE}])),
        ("unknown", json!(1)),
    ] {
        let refused = put(with(name, value.clone())).await;
        refused.assert_problem(400, "invalid-parameter");
    }
    let nobody = format!("/v1/identity/{}", id(9));
    let put_nobody = server.send_body(Method::PUT, &nobody, draft.to_string()).await;
    put_nobody.assert_problem(404, "not-found");

    let delete = format!("{path}?profile_version=2");
    let deleted = server.send(Method::DELETE, &delete, &[]).await.json();
    assert_eq!(
        (&deleted["action"], &deleted["update"]["profile"]),
        (&json!("delete"), &Value::Null)
    );
    let body = json!({"profile_version": 2}).to_string();
    assert_eq!(server.send_body(Method::DELETE, &path, body).await.json(), deleted);
    let old = format!("{path}?profile_version=1");
    let conflict = server.send(Method::DELETE, &old, &[]).await;
    conflict.assert_problem(409, "version-conflict");
    server.send(Method::DELETE, &path, &[]).await.assert_problem(400, "invalid-parameter");

    let post =
        async |body: Value| server.send_body(Method::POST, "/v1/identity", body.to_string()).await;
    let created = post(json!({"identity_id": id(8)})).await.json();
    assert_eq!((&created["action"], &created["profile_version"]), (&json!("create"), &json!(1)));
    assert_eq!(created["update"]["profile"]["stats_visibility"], "private");
    post(json!({"identity_id": id(1)})).await.assert_problem(409, "version-conflict");
    post(json!({"identity_id": "xyz"})).await.assert_problem(400, "invalid-parameter");
}

#[tokio::test]
async fn methods_and_bodies_are_bounded() {
    let server = stage().await;
    let path = format!("/v1/identity/{}", id(1));
    for (method, path) in [
        (Method::POST, path.clone()),
        (Method::GET, "/v1/identity".to_owned()),
        (Method::PATCH, path.clone()),
        (Method::GET, format!("{path}/wallets/verify")),
        (Method::PUT, "/v1/identity/search".to_owned()),
    ] {
        let reply = server.send(method.clone(), &path, &[]).await;
        reply.assert_problem(405, "method-not-allowed");
        assert!(!reply.header("allow").is_empty(), "{method} {path}");
    }
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "PUT")];
    let reply = server.send(Method::OPTIONS, &path, &preflight).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    for method in ["POST", "PUT", "DELETE"] {
        assert!(reply.header("access-control-allow-methods").contains(method), "{method}");
    }
    let reply = server.send_body(Method::PUT, &path, "{}").await;
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    for (method, path) in [
        (Method::POST, "/v1/identity".to_owned()),
        (Method::PUT, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/wallets/verify")),
    ] {
        let big = server.send_body(method.clone(), &path, " ".repeat(70_000)).await;
        assert_eq!(big.status, StatusCode::PAYLOAD_TOO_LARGE, "{method} {path}");
        for body in ["", "x", "null", "[]", "{", "{\"a\":1}", "\u{feff}{}", "{\"bio\":1e999}"] {
            let reply = server.send_body(method.clone(), &path, body).await;
            reply.assert_problem(400, "invalid-parameter");
        }
    }
}
