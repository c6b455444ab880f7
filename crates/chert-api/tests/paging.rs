//! Lists: cursors neither skip nor repeat, offsets are bounded.
#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "tests")]
mod support;

use std::collections::HashSet;

use serde_json::Value;
use support::{TestServer, WHALE, fill, run_sql};

fn ids(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].to_string()).collect()
}

#[tokio::test]
async fn cursor_walks_see_everything_once() {
    let server = TestServer::start(60, 5).await;
    let history = format!("/v1/explorer/address/{WHALE}/history");
    for (path, field, expected) in [
        ("/v1/explorer/blocks", "height", 60),
        ("/v1/explorer/transactions", "tx_id", 300),
        (history.as_str(), "tx_id", 300),
        ("/v1/explorer/block/7/transactions", "tx_id", 5),
    ] {
        for limit in [1, 7, 60, 100] {
            let seen = ids(&server.walk(path, limit).await, field);
            let distinct: HashSet<_> = seen.iter().collect();
            assert_eq!((seen.len(), distinct.len()), (expected, expected), "{path} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_walk_is_undisturbed_by_arriving_blocks() {
    let server = TestServer::start(40, 3).await;
    for (path, field, expected) in
        [("/v1/explorer/blocks", "height", 40), ("/v1/explorer/transactions", "tx_id", 120)]
    {
        let tip = server.ok("/v1/status").await["indexed_height"].as_i64().unwrap();
        let added = tip - 39;
        let mut items = Vec::new();
        let mut query = "limit=9".to_owned();
        let mut next_height = tip + 1;
        loop {
            let page = server.ok(&format!("{path}?{query}")).await;
            items.extend(page["items"].as_array().unwrap().clone());
            fill(&server.pool, next_height, 1, 3).await;
            next_height += 1;
            let Some(cursor) = page.get("next_cursor") else { break };
            query = format!("limit=9&cursor={}", cursor.as_str().unwrap());
        }
        let seen = ids(&items, field);
        let distinct: HashSet<_> = seen.iter().collect();
        let per_block = if field == "height" { 1 } else { 3 };
        let all = usize::try_from(i64::from(expected) + added * per_block).unwrap();
        assert_eq!((seen.len(), distinct.len()), (all, all), "{path}");
    }
}

#[tokio::test]
async fn offsets_agree_with_cursors_and_are_bounded() {
    let server = TestServer::start(30, 5).await;
    let history = format!("/v1/explorer/address/{WHALE}/history");
    for path in [
        "/v1/explorer/blocks",
        "/v1/explorer/transactions",
        "/v1/explorer/block/9/transactions",
        history.as_str(),
    ] {
        let all = server.walk(path, 100).await;
        for offset in [0, 1, 4, 29, 5000, 10_000] {
            let page = server.ok(&format!("{path}?limit=2&offset={offset}")).await;
            let expected: Vec<_> = all.iter().skip(offset).take(2).cloned().collect();
            assert_eq!(page["items"], Value::from(expected), "{path} at {offset}");
        }
        server.get(&format!("{path}?offset=10001")).await.assert_problem(400, "invalid-parameter");
    }
    let cursor = server.ok("/v1/explorer/blocks?limit=1").await["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let both = format!("/v1/explorer/blocks?cursor={cursor}&offset=0");
    server.get(&both).await.assert_problem(400, "invalid-parameter");
    for other in ["/v1/explorer/transactions", history.as_str(), "/v1/explorer/orphans"] {
        let wrong = server.get(&format!("{other}?cursor={cursor}")).await;
        wrong.assert_problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_block_hands_over_to_its_transaction_list() {
    let server = TestServer::start(2, 130).await;
    for id in [
        "1".to_owned(),
        server.ok("/v1/explorer/block/1").await["hash"].as_str().unwrap().to_uppercase(),
    ] {
        let block = server.ok(&format!("/v1/explorer/block/{id}")).await;
        assert_eq!(block["transactions"].as_array().unwrap().len(), 100);
        let cursor = block["transactions_next_cursor"].as_str().unwrap();
        let rest =
            server.ok(&format!("/v1/explorer/block/{id}/transactions?cursor={cursor}")).await;
        let indexes: Vec<i64> = rest["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["index"].as_i64().unwrap())
            .collect();
        assert_eq!(indexes, (100..130).collect::<Vec<_>>());
        assert!(rest.get("next_cursor").is_none());
        let offset = server.ok(&format!("/v1/explorer/block/{id}/transactions?offset=128")).await;
        assert_eq!(offset["items"].as_array().unwrap().len(), 2);
        let other = format!("/v1/explorer/block/0/transactions?cursor={cursor}");
        server.get(&other).await.assert_problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn orphans_page_and_resolve_by_hash_only() {
    let server = TestServer::start(5, 1).await;
    run_sql(&server.pool, ORPHANS).await;
    let all = server.walk("/v1/explorer/orphans", 2).await;
    assert_eq!(all.len(), 7);
    let distinct: HashSet<_> = ids(&all, "hash").into_iter().collect();
    assert_eq!(distinct.len(), 7);
    let hash = all[0]["hash"].as_str().unwrap();
    let orphan = server.get(&format!("/v1/explorer/block/0x{hash}")).await;
    let body = orphan.json();
    assert_eq!((&body["status"], &body["confirmations"]), (&"orphaned".into(), &0.into()));
    assert_eq!(body["transactions"], Value::Array(vec![]));
    let tx = body["orphaned_tx_ids"][0].as_str().unwrap();
    server.get(&format!("/v1/explorer/tx/{tx}")).await.assert_problem(404, "not-found");
    let found = server.ok(&format!("/v1/explorer/search?q={hash}")).await;
    assert_eq!(found["items"][0]["kind"], "orphan");
}

const ORPHANS: &str = "
    INSERT INTO orphans SELECT 3 + n / 3, sha256(('orphan ' || n)::bytea), NULL,
        '2026-07-03T10:15:29Z', NULL, 1, 0, 0, 5, ARRAY[sha256(('gone ' || n)::bytea)], 1783073729
    FROM generate_series(1, 7) n";
