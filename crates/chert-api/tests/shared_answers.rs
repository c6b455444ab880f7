//! Answers that instances hand each other through Valkey: the same ones, never another database's,
//! never anything of an identity, and never an error, whatever Valkey does or holds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod support;
#[path = "support/valkey.rs"]
mod valkey;

use std::time::Duration;

use chert_testkit::TestValkey;
use redis::cmd;
use reqwest::StatusCode;
use support::{Reply, TestServer, WHALE, run_sql};
use tokio::sync::Mutex;
use valkey::{keys, metric, sharing, sharing_for, until, until_sharing, until_up};

/// Metrics are the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());
const ANSWERS: &str = "chert:1:answer:*";
const BLOCK_STATEMENT: &str = "_block_by_";

async fn block_reads(server: &TestServer) -> f64 {
    metric(server, "chert_store_query_seconds_count", BLOCK_STATEMENT).await
}

fn assert_same(one: &Reply, two: &Reply) {
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(one.bytes, two.bytes);
    for name in [
        "etag",
        "cache-control",
        "content-type",
        "chert-indexed-height",
        "chert-indexed-hash",
        "chert-finalized-height",
    ] {
        assert_eq!(one.header(name), two.header(name), "{name}");
    }
}

#[tokio::test]
async fn what_one_instance_read_another_need_not() {
    let _alone = ALONE.lock().await;
    let valkey = TestValkey::start().await;
    let first = TestServer::start_with(40, 2, sharing(&valkey).0).await;
    let second = first.sibling(sharing(&valkey).0, None).await;
    second.wait_until_seen(39).await;
    until_sharing(&first, &valkey).await;
    until_sharing(&second, &valkey).await;

    // Finalized: kept by path alone.
    let read = first.get("/v1/explorer/block/2").await;
    until("the block is shared", async || keys(&valkey, "*:final:*").await.len() == 1).await;
    let before = block_reads(&first).await;
    let handed = second.get("/v1/explorer/block/2").await;
    assert_same(&read, &handed);
    assert_eq!(block_reads(&first).await, before);
    let tagged = [("if-none-match", read.header("etag"))];
    let known = second.send(reqwest::Method::GET, "/v1/explorer/block/2", &tagged).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);

    // Near the tip: for as long as its max-age, and it has an age.
    let mut limit = 1;
    until("a list is shared", async || {
        limit += 1;
        let path = format!("/v1/explorer/blocks?limit={limit}");
        let hits = metric(&first, "chert_cache_hits_total", "shared").await;
        let (read, handed) = (first.get(&path).await, second.get(&path).await);
        assert_same(&read, &handed);
        let was_handed = metric(&first, "chert_cache_hits_total", "shared").await > hits;
        assert!(!was_handed || ["1", "2"].contains(&handed.header("age")));
        was_handed
    })
    .await;

    // Another database with blocks of the same heights.
    let other = TestServer::start_with(40, 1, sharing(&valkey).0).await;
    until_sharing(&other, &valkey).await;
    let block = other.ok("/v1/explorer/block/2").await;
    assert_eq!((&block["tx_count"], &read.json()["tx_count"]), (&1.into(), &2.into()));
}

#[tokio::test]
async fn rubbish_is_not_believed() {
    let _alone = ALONE.lock().await;
    let valkey = TestValkey::start().await;
    let first = TestServer::start_with(40, 2, sharing(&valkey).0).await;
    until_sharing(&first, &valkey).await;
    let paths = ["/v1/explorer/block/2", "/v1/explorer/block/3"];
    let read = [first.get(paths[0]).await, first.get(paths[1]).await];
    until("blocks are shared", async || keys(&valkey, "*:final:*").await.len() == 2).await;
    let names = keys(&valkey, "*:final:*").await;
    let value: Vec<u8> = valkey.run(cmd("GET").arg(&names[0])).await;
    let mut damaged = value.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for rubbish in [b"rubbish".to_vec(), Vec::new(), value, damaged, vec![b'x'; 3 << 20]] {
        for name in &names {
            valkey.run::<()>(cmd("SET").arg(name).arg(&rubbish).arg("PX").arg(60_000)).await;
        }
        let fresh = first.sibling(sharing(&valkey).0, None).await;
        fresh.wait_until_seen(39).await;
        until_sharing(&fresh, &valkey).await;
        // Under one of the two keys, the undamaged value is where it belongs.
        assert_same(&read[0], &fresh.get(paths[0]).await);
        assert_same(&read[1], &fresh.get(paths[1]).await);
    }
    assert!(metric(&first, "chert_cache_unfit_total", "corrupt").await >= 6.0);
    for name in &names {
        valkey.run::<()>(cmd("DEL").arg(name)).await;
        valkey.run::<()>(cmd("LPUSH").arg(name).arg("x")).await;
    }
    let fresh = first.sibling(sharing(&valkey).0, None).await;
    until_sharing(&fresh, &valkey).await;
    assert_same(&read[0], &fresh.get(paths[0]).await);
}

#[tokio::test]
async fn nothing_of_an_identity_is_shared() {
    let _alone = ALONE.lock().await;
    let valkey = TestValkey::start().await;
    let server = TestServer::start_with(40, 2, sharing(&valkey).0).await;
    let id = "07".repeat(32);
    let sql = format!(
        "INSERT INTO identities (identity_id, display_name, stats_visibility, created_at,
             updated_at, profile_version, last_synced_block, wallet_count)
         VALUES ('\\x{id}', 'Quarryman', 'public', 1, 1, 1, 1, 1);
         INSERT INTO wallet_links (identity_id, wallet_address, wallet_key, link_type,
             proof_signature, created_at, last_synced_block)
         VALUES ('\\x{id}', '{WHALE}', chert_address_key('{WHALE}'), 'main', '', 1, 1);"
    );
    run_sql(&server.pool, &sql).await;
    until_sharing(&server, &valkey).await;
    let finals = async |count| {
        let kept = async || keys(&valkey, "*:final:*").await.len() == count;
        until("a block is shared", kept).await;
    };
    server.ok("/v1/explorer/block/1").await;
    finals(1).await;
    let before = keys(&valkey, ANSWERS).await;
    for path in [
        format!("/v1/identity/{id}"),
        format!("/v1/identity/{id}/wallets"),
        format!("/v1/identity/{id}/stats"),
        "/v1/identity/search?name=quarry".to_owned(),
        "/v1/explorer/search?q=quarryman".to_owned(),
        // Nobody yet; the next moment may have somebody of that name.
        "/v1/explorer/search?q=nobody".to_owned(),
        format!("/v1/explorer/address/{WHALE}/balance"),
        "/v1/pouw/leaderboard?type=nuw&scope=addresses".to_owned(),
        "/v1/governance/proposals".to_owned(),
    ] {
        assert_eq!(server.get(&path).await.status, StatusCode::OK, "{path}");
    }
    // Written after the others, so that they would have been there before it.
    server.ok("/v1/explorer/block/2").await;
    finals(2).await;
    let after = keys(&valkey, ANSWERS).await;
    let fresh: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(fresh.len(), 1, "{fresh:?}");
    for name in keys(&valkey, "*").await {
        let kind: String = valkey.run(cmd("TYPE").arg(&name)).await;
        assert!(["string", "none"].contains(&kind.as_str()), "{name}: {kind}");
        let value: Option<Vec<u8>> = valkey.run(cmd("GET").arg(&name)).await;
        let text = String::from_utf8_lossy(&value.unwrap_or_default()).into_owned();
        assert!(!text.contains(&id) && !text.contains("Quarryman"), "{name}: {text}");
    }
}

#[tokio::test]
async fn valkey_may_be_away_at_any_time() {
    let _alone = ALONE.lock().await;
    let mut valkey = TestValkey::start().await;
    // Started without it.
    valkey.kill();
    let (settings, link) = sharing_for(&valkey, Duration::from_millis(50));
    let server = TestServer::start_with(40, 2, settings).await;
    let path = |limit: u32| format!("/v1/explorer/blocks?limit={limit}");
    server.ok(&path(1)).await;
    assert!(!link.is_up());
    valkey.restart().await;
    until_up(&link, true).await;

    // It hangs: after a few late answers nobody waits any more.
    valkey.pause();
    for limit in 2..12 {
        server.ok(&path(limit)).await;
    }
    until_up(&link, false).await;
    assert!(metric(&server, "chert_valkey_timeouts_total", "").await >= 1.0);
    assert_eq!(metric(&server, "chert_valkey_up", "").await, 0.0);
    server.ok(&path(12)).await;
    valkey.resume();
    until_up(&link, true).await;

    // Emptied, ended, back again.
    valkey.run::<()>(&cmd("FLUSHALL")).await;
    server.ok(&path(13)).await;
    valkey.kill();
    for limit in 14..20 {
        server.ok(&path(limit)).await;
    }
    until_up(&link, false).await;
    valkey.restart().await;
    until_up(&link, true).await;
    server.ok(&path(20)).await;
}
