//! One answer of every endpoint over fixed rows, and the spellings that lead to it.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use serde_json::Value;
use support::{TestServer, WHALE, run_sql};

const SPECIAL: &str = "
    UPDATE transactions SET output_count = 2, recipient = 'a' WHERE pos = (2::bigint << 20);
    INSERT INTO tx_outputs VALUES (2::bigint << 20, 0, 'a', 400), (2::bigint << 20, 1, 'b', 600);
    INSERT INTO stealth_outputs VALUES
        (2::bigint << 20, 0, '\\x01', '\\x02', '\\x03', NULL, '2026-07-03T10:15:29Z');
    INSERT INTO balances VALUES (chert_address_key('0x00000000000000000000000000000000000000aa'),
        '0x00000000000000000000000000000000000000Aa', 18446744073709551615, 7, 19, 1783073729);
    INSERT INTO sources VALUES
        ('http://127.0.0.1:8545', 'node', 'healthy', 19, 2, 1783073729, 1783073700, 'timeout');
    UPDATE chain_counters SET quarantined = 1;
    NOTIFY chert_tip";

/// Every endpoint once. The snapshot holds what clients rely on.
#[tokio::test]
async fn answers_over_a_fixed_chain() {
    let server = TestServer::start(20, 2).await;
    run_sql(&server.pool, SPECIAL).await;
    let tx = server.ok("/v1/explorer/block/2").await["transactions"][0]["tx_id"].clone();
    let tx = tx.as_str().unwrap();
    for (name, path) in [
        ("blocks", "/v1/explorer/blocks?limit=1".to_owned()),
        ("block", "/v1/explorer/block/2".to_owned()),
        ("block_transactions", "/v1/explorer/block/19/transactions?limit=1".to_owned()),
        ("transactions", "/v1/explorer/transactions?limit=1".to_owned()),
        ("tx", format!("/v1/explorer/tx/{tx}")),
        ("balance", format!("/v1/explorer/address/{WHALE}/balance")),
        ("history", format!("/v1/explorer/address/{WHALE}/history?limit=1")),
        ("search", format!("/v1/explorer/search?q={tx}")),
        ("stats", "/v1/explorer/stats?interval=day&limit=3".to_owned()),
        ("orphans", "/v1/explorer/orphans".to_owned()),
        ("status", "/v1/status".to_owned()),
    ] {
        let body = server.ok(&path).await;
        insta::assert_json_snapshot!(name, body);
    }
}

#[tokio::test]
async fn every_spelling_leads_to_the_same_object() {
    let server = TestServer::start(20, 2).await;
    let block = server.ok("/v1/explorer/block/5").await;
    let hash = block["hash"].as_str().unwrap();
    for spelling in [hash.to_uppercase(), format!("0x{hash}"), format!("0X{}", hash.to_uppercase())]
    {
        assert_eq!(server.ok(&format!("/v1/explorer/block/{spelling}")).await, block);
    }
    let id = block["transactions"][0]["tx_id"].as_str().unwrap().to_owned();
    let tx = server.ok(&format!("/v1/explorer/tx/{id}")).await;
    assert_eq!(tx["outputs"][0]["amount"], tx["amount"]);
    assert_eq!(tx["timestamp"], block["timestamp"]);
    let bare = id.replace('-', "");
    for spelling in [bare.clone(), format!("0x{}", bare.to_uppercase()), id.to_uppercase()] {
        assert_eq!(server.ok(&format!("/v1/explorer/tx/{spelling}")).await, tx);
    }
    let lower = WHALE.to_lowercase();
    let path = |address: &str| format!("/v1/explorer/address/{address}/history");
    assert_eq!(server.ok(&path(&lower)).await, server.ok(&path(WHALE)).await);
    for (text, kind) in [
        (hash, "block"),
        (bare.as_str(), "transaction"),
        (lower.as_str(), "address"),
        ("%2019%20", "block"),
    ] {
        let found = server.ok(&format!("/v1/explorer/search?q={text}")).await;
        assert_eq!(found["items"][0]["kind"], kind, "{found}");
    }
    assert_eq!(
        server.ok("/v1/explorer/search?q=nothing-here").await["items"],
        Value::Array(vec![])
    );
}

#[tokio::test]
async fn balances_that_were_never_read_are_asked_for() {
    let server = TestServer::start(5, 2).await;
    let unknown = server.ok("/v1/explorer/address/never-seen/balance").await;
    assert_eq!((&unknown["balance"], &unknown["nonce"]), (&"0".into(), &0.into()));
    assert_eq!((&unknown["tx_count"], &unknown["as_of_height"]), (&0.into(), &Value::Null));
    let known = server.get(&format!("/v1/explorer/address/{WHALE}/balance")).await;
    assert_eq!(known.json()["balance"], Value::Null);
    assert_eq!(known.json()["tx_count"], 10);
    assert_eq!(known.header("cache-control"), "no-store");
    let queued = "SELECT address FROM balance_queue ORDER BY address";
    let queued: Vec<String> = sqlx::query_scalar(queued).fetch_all(&server.pool).await.unwrap();
    assert_eq!(queued, [WHALE, "never-seen"]);
    // What the indexer does when it is woken.
    let answer = async {
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        run_sql(
            &server.pool,
            "INSERT INTO balances SELECT address_key, address, 77, 3, 4, 0 FROM balance_queue",
        )
        .await;
    };
    let path = format!("/v1/explorer/address/{WHALE}/balance");
    let (read, ()) = tokio::join!(server.ok(&path), answer);
    assert_eq!((&read["balance"], &read["as_of_height"]), (&"77".into(), &4.into()));
}

#[tokio::test]
async fn series_are_summed_by_day() {
    // Two-second blocks: 60 000 blocks are more than 33 hours.
    let server = TestServer::start(60_000, 0).await;
    let hours = server.ok("/v1/explorer/stats?interval=hour&limit=168").await;
    let days = server.ok("/v1/explorer/stats?interval=day&limit=168").await;
    let sum = |series: &Value| -> i64 {
        series["items"].as_array().unwrap().iter().map(|i| i["blocks"].as_i64().unwrap()).sum()
    };
    assert_eq!((sum(&hours), sum(&days)), (60_000, 60_000));
    assert_eq!(hours["totals"]["blocks"], 60_000);
    let starts: Vec<i64> = days["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["starts_at"].as_i64().unwrap())
        .collect();
    assert!(starts.len() >= 2 && starts.is_sorted_by(|a, b| a > b), "{starts:?}");
    assert!(starts.iter().all(|start| start % 86_400 == 0));
    let one = server.ok("/v1/explorer/stats?limit=1").await;
    assert_eq!(one["items"], Value::Array(vec![hours["items"][0].clone()]));
}
