//! The node's own interface says what REST says, and the points of the contract's checklist (§12)
//! that are about content.
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "support/jsonrpc.rs"]
mod rpc;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chert_api::ApiState;
use chert_api::jsonrpc::names::{Method as Name, NOT_HERE, TABLE};
use chert_api::jsonrpc::{NodePassthrough, PassthroughError};
use chert_store::Store;
use chert_store::entities::block::stored_block;
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusBuilder;
use rpc::{BLOCKS, VOTER, call, code, post, result, stage};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use silica_models::Block;
use support::{TestServer, WHALE, fill, run_sql, settings};
use tokio::net::TcpListener;

#[tokio::test]
async fn an_empty_database_is_well_formed() {
    let server = TestServer::start(0, 0).await;
    let page = result(&server, "get_blocks", json!({"limit": 100, "include_txs": true})).await;
    assert_eq!(page, json!({ "blocks": [] }));
    assert_eq!(result(&server, "eth_blockNumber", Value::Null).await["block_number"], 0);
    let params = json!({"range_ms": 3_600_000, "bucket_ms": 60_000, "requested_range_label": "1h"});
    let activity = result(&server, "get_block_analytics", params).await;
    assert_eq!(
        (&activity["partial"], &activity["latest_block_age_ms"]),
        (&true.into(), &Value::Null)
    );
    for list in ["buckets", "top_validators", "notable_blocks"] {
        assert_eq!(activity[list], json!([]), "{list}");
    }
    for (_, method, _) in TABLE {
        let params = json!({"address": VOTER, "proposal_id": 1, "tx_id": "x", "block_number": 1,
            "block_hash": "ab"});
        let response = call(&server, method, params).await;
        assert_ne!(response["error"]["code"], -32_603, "{method}: {response}");
    }
}

#[tokio::test]
async fn cursors_lead_to_genesis_with_every_height_once() {
    let server = TestServer::start(253, 1).await;
    for limit in [1, 7, 84, 100] {
        let mut heights = Vec::new();
        let mut params = json!({ "limit": limit });
        loop {
            let page = result(&server, "get_blocks", params.clone()).await;
            heights.extend(
                page["blocks"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|b| b["block_number"].as_i64().unwrap()),
            );
            match page.get("next_cursor") {
                Some(cursor) => {
                    assert!(cursor.as_i64().unwrap() > 0);
                    params = json!({"limit": limit, "from_height": cursor});
                }
                None => break,
            }
        }
        assert_eq!(heights, (0..253).rev().collect::<Vec<_>>(), "{limit}");
    }
    let above = result(&server, "get_blocks", json!({"from_height": 10_000, "limit": 1})).await;
    assert_eq!(above["blocks"][0]["block_number"], 252);
    let replayed = json!({"from_height": 100, "limit": 2});
    let page = result(&server, "get_blocks", replayed.clone()).await;
    fill(&server.pool, 253, 3, 1).await;
    server.wait_until_seen(255).await;
    assert_eq!(result(&server, "get_blocks", replayed).await, page);
    let default = result(&server, "get_blocks", json!(null)).await;
    assert_eq!(default["blocks"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_page_comes_from_memory_until_the_tip_moves() {
    let server = TestServer::start(5, 1).await;
    let newest = || async {
        let page = result(&server, "get_blocks", json!({"limit": 100})).await;
        page["blocks"][0].clone()
    };
    let before = newest().await;
    run_sql(&server.pool, "UPDATE blocks SET validator_address = 'changed'").await;
    assert_eq!(newest().await, before);
    fill(&server.pool, 5, 1, 1).await;
    server.wait_until_seen(5).await;
    assert_eq!(newest().await["block_number"], 5);
}

#[tokio::test]
async fn a_page_is_cut_where_it_becomes_too_heavy() {
    let server = TestServer::start(4, 2).await;
    run_sql(&server.pool, "UPDATE blocks SET tx_count = 15000 WHERE height > 0; NOTIFY chert_tip")
        .await;
    let mut seen = Vec::new();
    let mut params = json!({});
    loop {
        let page = result(&server, "get_blocks", params.clone()).await;
        let heights = page["blocks"].as_array().unwrap().iter();
        seen.push(heights.map(|b| b["block_number"].as_i64().unwrap()).collect::<Vec<_>>());
        for block in page["blocks"].as_array().unwrap() {
            assert_eq!(block["transactions"].as_array().unwrap().len(), 2);
        }
        let Some(cursor) = page.get("next_cursor") else { break };
        params = json!({ "from_height": cursor });
    }
    assert_eq!(seen, [vec![3, 2], vec![1, 0]]);
    let heads = result(&server, "get_blocks", json!({"include_txs": false})).await;
    assert_eq!(heads["blocks"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn blocks_and_transactions_are_found_in_every_spelling() {
    let server = stage().await;
    let block = result(&server, "eth_getBlockByNumber", json!([5])).await;
    let hash = block["block_hash"].as_str().unwrap();
    for spelling in [hash.to_owned(), hash.to_uppercase(), format!("0x{}", hash.to_uppercase())] {
        assert_eq!(result(&server, "get_block_by_hash", json!([spelling])).await, block);
    }
    for height in [json!(30), json!(u64::MAX), json!("9".repeat(40)), json!(1e23)] {
        assert_eq!(result(&server, "eth_getBlockByNumber", json!([height])).await, Value::Null);
    }
    for hash in ["ab", "0", "not a hash", &"0".repeat(64)] {
        assert_eq!(result(&server, "get_block_by_hash", json!([hash])).await, Value::Null);
    }
    let id = block["transactions"][0]["tx_id"].as_str().unwrap();
    let tx = result(&server, "get_transaction", json!({ "tx_id": id })).await;
    assert_eq!((&tx["block_number"], &tx["block_hash"]), (&5.into(), &hash.into()));
    assert_eq!((&tx["transactionId"], &tx["blockHeight"]), (&id.into(), &5.into()));
    let bare = id.replace('-', "");
    for spelling in [bare.clone(), format!("0x{}", bare.to_uppercase()), id.to_uppercase()] {
        assert_eq!(result(&server, "get_transaction", json!({ "tx_id": spelling })).await, tx);
    }
    for unknown in ["7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b12", &"ab".repeat(32), "odd"] {
        let answer = result(&server, "get_transaction", json!({ "tx_id": unknown })).await;
        assert_eq!((&answer["status"], &answer["tx_id"]), (&"not_found".into(), &unknown.into()));
    }
    let status = json!({ "transaction_id": id });
    let status = result(&server, "get_transaction_status", status).await;
    assert_eq!((&status["status"], &status["confirmations"]), (&"confirmed".into(), &13.into()));
}

#[tokio::test]
async fn what_it_says_of_the_chain_is_what_rest_says() {
    let server = stage().await;
    let store = Store::from_pool(server.pool.clone()).unwrap();
    let page = result(&server, "get_blocks", json!({})).await;
    for block in page["blocks"].as_array().unwrap() {
        let height = block["block_number"].as_u64().unwrap();
        let rest = server.ok(&format!("/v1/explorer/block/{height}")).await;
        assert_eq!(
            (&rest["hash"], &rest["tx_count"]),
            (&block["block_hash"], &block["transaction_count"])
        );
        let ours = block["transactions"].as_array().unwrap();
        let theirs = rest["transactions"].as_array().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            for name in ["tx_id", "timestamp", "transaction_type", "nonce"] {
                assert_eq!(ours[name], theirs[name], "{name}");
            }
            for name in ["amount", "fee"] {
                assert_eq!(ours[name].to_string(), theirs[name].as_str().unwrap());
            }
            let path = format!("/v1/explorer/tx/{}", ours["tx_id"].as_str().unwrap());
            let rest = server.ok(&path).await;
            let one = result(&server, "get_transaction", json!({"tx_id": ours["tx_id"]})).await;
            assert_eq!(
                (&one["status"], &one["block_hash"]),
                (&rest["status"], &rest["block_hash"])
            );
            assert_eq!(one["memo"], rest["payload"]["memo"]);
        }
        let by_hash = json!({"block_hash": block["block_hash"]});
        assert_eq!(&result(&server, "get_block_by_hash", by_hash).await, block);
        // What the indexer would make of it is what is stored, but for what clients cannot take:
        // missing parties.
        let mut parsed = Block::parse(&RawValue::from_string(block.to_string()).unwrap()).unwrap();
        let stored = stored_block(&store, height).await.unwrap().unwrap();
        parsed.validator_address.clone_from(&stored.validator_address);
        parsed.declared_tx_count = None;
        for (parsed, stored) in parsed.transactions.iter_mut().zip(&stored.transactions) {
            parsed.sender.clone_from(&stored.sender);
            parsed.recipient.clone_from(&stored.recipient);
            parsed.timestamp.clone_from(&stored.timestamp);
            // The database spaces JSON its own way.
            let json = |text: &Option<String>| -> Value {
                serde_json::from_str(text.as_deref().unwrap()).unwrap()
            };
            assert_eq!(json(&parsed.payload), json(&stored.payload));
            parsed.payload.clone_from(&stored.payload);
        }
        parsed.shard_commitments.clone_from(&stored.shard_commitments);
        assert_eq!(parsed, stored);
    }
    for address in [VOTER, WHALE, "never-seen"] {
        let rest = server.ok(&format!("/v1/explorer/address/{address}/balance")).await;
        let ours = result(&server, "get_balance", json!({ "address": address })).await;
        for name in ["address", "balance", "nonce"] {
            assert_eq!(ours[name], rest[name], "{address} {name}");
        }
    }
}

#[tokio::test]
async fn histories_stay_in_place_and_equal_rest() {
    let server = TestServer::start(20, 3).await;
    let rest = server.walk(&format!("/v1/explorer/address/{WHALE}/history"), 100).await;
    let mut params = json!({"address": WHALE, "limit": 7});
    let mut ours = Vec::new();
    for page_number in 0.. {
        let page = result(&server, "get_transaction_history", params.clone()).await;
        ours.extend(page["transactions"].as_array().unwrap().iter().cloned());
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        if page_number == 2 {
            fill(&server.pool, 20, 2, 3).await;
            server.wait_until_seen(21).await;
        }
        if page["next_cursor"].is_null() {
            break;
        }
        params["cursor"] = page["next_cursor"].clone();
    }
    assert_eq!(ours.len(), rest.len());
    for (ours, rest) in ours.iter().zip(&rest) {
        assert_eq!((&ours["tx_id"], &ours["direction"]), (&rest["tx_id"], &rest["direction"]));
        assert_eq!(ours["amount"].to_string(), rest["amount"].as_str().unwrap());
        assert_eq!(ours["transaction_index"], rest["index"]);
    }
    let all = result(&server, "get_transaction_history", json!({"limit": 5})).await;
    assert_eq!((&all["address"], all["transactions"].as_array().unwrap().len()), (&Value::Null, 5));
    assert!(all["transactions"].as_array().unwrap().iter().all(|t| t["direction"] == "external"));
    let wallet = json!({"address": WHALE, "limit": 4, "offset": 3});
    let wallet = result(&server, "get_transaction_history", wallet).await;
    let newest = server.ok(&format!("/v1/explorer/address/{WHALE}/history?offset=3&limit=4")).await;
    for (line, rest) in
        wallet["transactions"].as_array().unwrap().iter().zip(newest["items"].as_array().unwrap())
    {
        assert_eq!((&line["transactionId"], &line["amount"]), (&rest["tx_id"], &rest["amount"]));
    }
    assert_eq!(wallet["totalCount"], 66);
}

#[tokio::test]
async fn a_balance_that_nobody_told_is_not_made_up() {
    let server = TestServer::start(3, 1).await;
    assert_eq!(code(&server, "get_balance", json!([WHALE])).await, -32_603);
    let asked = "SELECT count(*) FROM balance_queue";
    let asked: i64 = sqlx::query_scalar(asked).fetch_one(&server.pool).await.unwrap();
    assert_eq!(asked, 1);
    let unknown = result(&server, "get_balance", json!({"address": "nobody"})).await;
    assert_eq!(unknown, json!({"address": "nobody", "balance": "0", "nonce": 0}));
}

#[tokio::test]
async fn activity_is_that_of_the_blocks() {
    let server = stage().await;
    for (range, bucket) in [(900_000, 60_000), (3_600_000, 60_000), (10_800_000, 300_000)] {
        let params = json!({"range_ms": range, "bucket_ms": bucket, "requested_range_label": "x"});
        let began = std::time::Instant::now();
        let activity = result(&server, "get_block_analytics", params).await;
        assert!(began.elapsed().as_millis() < 500);
        assert_eq!(
            (&activity["total_blocks"], &activity["total_transactions"]),
            (&BLOCKS.into(), &90.into())
        );
        assert_eq!(activity["unique_validator_count"], 5);
        assert_eq!(
            (&activity["non_empty_ratio"], &activity["partial"]),
            (&1.0.into(), &true.into())
        );
        let buckets = activity["buckets"].as_array().unwrap();
        assert!(buckets.is_sorted_by(|one, other| one["end_ms"] == other["start_ms"]));
        assert!(buckets.iter().all(|b| b["start_ms"].as_i64().unwrap() % bucket == 0));
        let sum = |name: &str| buckets.iter().map(|b| b[name].as_i64().unwrap()).sum::<i64>();
        assert_eq!((sum("block_count"), sum("tx_count")), (BLOCKS, 90));
        assert_eq!((sum("finalized_block_count"), sum("pending_block_count")), (18, 12));
        let notable = activity["notable_blocks"].as_array().unwrap();
        let hashes: BTreeSet<&str> =
            notable.iter().map(|n| n["block"]["hash"].as_str().unwrap()).collect();
        assert_eq!(hashes.len(), notable.len());
        assert!(notable.iter().any(|n| n["tone"] == "teal" && n["block"]["height"] == 17));
    }
}

#[tokio::test]
async fn pages_of_the_registry_lose_nothing() {
    let server = stage().await;
    let whole = result(&server, "identity_registryUpdates", json!([0, 128])).await;
    let names = |page: &Value| -> Vec<String> {
        let updates = page["updates"].as_array().unwrap().iter();
        updates.map(|u| u["display_name"].as_str().unwrap().to_owned()).collect()
    };
    // Only the current version of each; the page is complete up to what the feed has read.
    assert_eq!(names(&whole), ["quarry-42", "secret-7", "quarry-43"]);
    assert_eq!(whole["latest_block"], 29);
    let page = result(&server, "identity_registryUpdates", json!([0, 2])).await;
    assert_eq!((names(&page).len(), &page["latest_block"]), (2, &11.into()));
    let next = result(&server, "identity_registryUpdates", json!([12, 2])).await;
    assert_eq!((names(&next), &next["latest_block"]), (vec!["quarry-43".to_owned()], &29.into()));
    let one = result(&server, "identity_registryUpdates", json!([0, 1])).await;
    assert_eq!((names(&one).len(), &one["latest_block"]), (1, &9.into()));
    let reply =
        json!({"jsonrpc": "2.0", "id": 1, "method": "identity_registryUpdates", "params": [0]});
    assert_eq!(post(&server, &reply.to_string()).await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn no_other_method_names_an_identity() {
    let server = stage().await;
    let params = json!({"address": VOTER, "proposal_id": 7, "limit": 20, "block_number": 29,
        "tx_id": "x", "block_hash": "ab"});
    for (method, name, aliases) in TABLE {
        if method == Name::Registry {
            continue;
        }
        for name in aliases.iter().chain([&name]) {
            for params in [params.clone(), json!([params.clone()]), json!([VOTER]), json!(["7"])] {
                let text = call(&server, name, params).await.to_string();
                assert!(!text.contains("a2a2a2") && !text.contains("secret"), "{name}: {text}");
            }
        }
    }
}

/// A node that says its method's name, or nothing.
struct Node {
    silent: bool,
    calls: Arc<AtomicUsize>,
}

impl NodePassthrough for Node {
    fn call(
        &self,
        method: &'static str,
        params: Value,
    ) -> BoxFuture<'_, Result<Box<RawValue>, PassthroughError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = json!({"asked": method, "with": params}).to_string();
        let answer = match self.silent {
            true => Err(PassthroughError("down".to_owned())),
            false => Ok(RawValue::from_string(answer).unwrap()),
        };
        Box::pin(async move { answer })
    }
}

/// Another server over the same database that may ask a node; its address.
async fn over_node(server: &TestServer, node: Node) -> String {
    let store = Store::from_pool(server.pool.clone()).unwrap();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let state = ApiState::new(store, settings(), metrics);
    state.pass_through(Box::new(node));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(chert_api::serve(listener, state, std::future::pending()));
    for _ in 0..500 {
        let reply = reqwest::get(format!("{base}/health")).await.unwrap();
        if reply.headers()["chert-indexed-height"] == "2" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    base
}

async fn ask(base: &str, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let request = reqwest::Client::new().post(format!("{base}/jsonrpc")).body(body.to_string());
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn only_reads_that_are_not_indexed_are_handed_on() {
    let server = TestServer::start(3, 1).await;
    for silent in [false, true] {
        let calls = Arc::new(AtomicUsize::new(0));
        let base = over_node(&server, Node { silent, calls: calls.clone() }).await;
        let tokens = ask(&base, "get_tokens", json!({"limit": 100})).await;
        match silent {
            false => {
                let expected = json!({"asked": "get_tokens", "with": {"limit": 100}});
                assert_eq!(tokens["result"], expected);
            }
            true => assert_eq!(tokens["result"], json!([])),
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        for (_, name, _) in TABLE {
            ask(&base, name, json!({"address": "x", "proposal_id": 7})).await;
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1 + 20);
        for name in NOT_HERE {
            assert_eq!(ask(&base, name, json!({})).await["error"]["code"], -32_601);
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1 + 20);
    }
}
