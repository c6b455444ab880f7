//! The node's methods over a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use chert_devnet::{Profile, ServerConfig};
use serde_json::{Value, json};
use support::{call, chain, connect, exchange, post, send, serve};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn the_envelope_echoes_ids_and_knows_its_errors() {
    let server = serve(&chain(1, 10, Profile::small()), ServerConfig::default()).await;
    for id in ["1", "\"a\\u0041\"", "null", "1.50", "123456789012345678901234567890"] {
        let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"get_block_number"}}"#);
        let reply = post(&server, &request).await;
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"block_number":10}}}}"#);
        assert_eq!(String::from_utf8_lossy(&reply.body), expected);
    }
    for (request, code) in [
        ("{", -32700),
        ("7", -32600),
        ("[]", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"health"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"health"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"get_tokens"}"#, -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"get_blocks","params":{"limit":-1}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"get_blocks","params":"x"}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber"}"#, -32602),
    ] {
        let reply = post(&server, request).await;
        assert_eq!(reply.status, 200);
        let answer = reply.json();
        assert_eq!(answer["error"]["code"], code, "{request}");
        assert!(answer.get("result").is_none());
    }
    assert!(
        exchange(&server, "POST", "/", &"x".repeat((1 << 20) + 1))
            .await
            .is_none_or(|r| r.status == 413)
    );
}

#[tokio::test]
async fn parameters_come_in_every_form() {
    let chain = chain(1, 10, Profile::small());
    let server = serve(&chain, ServerConfig::default()).await;
    let block = chain.block(3).unwrap();
    for params in
        [json!({"block_number": 3}), json!([3]), json!([{"block_number": 3}]), json!(["0x3", true])]
    {
        assert_eq!(call(&server, "get_block_by_number", params).await.result(), block);
    }
    assert_eq!(call(&server, "eth_getBlockByNumber", json!([11])).await.result(), Value::Null);
    let huge = r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":[99999999999999999999999]}"#;
    assert_eq!(post(&server, huge).await.result(), Value::Null);
    let hash = block["block_hash"].as_str().unwrap().to_uppercase();
    assert_eq!(
        call(&server, "eth_getBlockByHash", json!([format!("0x{hash}")])).await.result(),
        block
    );
    assert_eq!(call(&server, "get_block_by_hash", json!(["nonsense"])).await.result(), Value::Null);
    let empty =
        call(&server, "eth_getBlockByNumber", json!({"block_number": 3, "include_txs": false}))
            .await;
    let empty = empty.result();
    assert_eq!(empty["transactions"], json!([]));
    assert_eq!(empty["transaction_count"], block["transaction_count"]);
}

#[tokio::test]
async fn cursors_visit_every_height_once() {
    for (exclusive_cursor, limit, history) in [
        (false, 7, 50),
        (true, 7, 50),
        (false, 1, 9),
        (true, 1, 9),
        (false, 10, 10),
        (true, 100, 3),
        (false, 5, 0),
    ] {
        let chain = chain(2, history, Profile::small());
        let server =
            serve(&chain, ServerConfig { exclusive_cursor, ..ServerConfig::default() }).await;
        let mut params = json!({ "limit": limit });
        let mut heights = Vec::new();
        loop {
            let page = call(&server, "get_blocks", params.clone()).await.result();
            for block in page["blocks"].as_array().unwrap() {
                heights.push(block["block_number"].as_u64().unwrap());
                assert_eq!(*block, chain.block(heights[heights.len() - 1]).unwrap());
            }
            let Some(cursor) = page.get("next_cursor") else {
                break;
            };
            assert!(cursor.as_u64().unwrap() > 0);
            params["from_height"] = cursor.clone();
        }
        assert_eq!(
            heights,
            (0..=history).rev().collect::<Vec<_>>(),
            "exclusive {exclusive_cursor} limit {limit}"
        );
    }
}

#[tokio::test]
async fn a_million_blocks_answer_at_once() {
    let started = Instant::now();
    let server = serve(&chain(1, 1_000_000, Profile::realistic()), ServerConfig::default()).await;
    let page = call(&server, "get_blocks", Value::Null).await.result();
    assert_eq!(page["blocks"].as_array().unwrap().len(), 100);
    assert_eq!(page["blocks"][0]["block_number"], 1_000_000);
    assert_eq!(page["next_cursor"], 999_900);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn transactions_are_found_by_every_spelling() {
    let chain = chain(3, 300, Profile::fixed(5));
    chain.reorg(4, 5);
    let server = serve(&chain, ServerConfig::default()).await;
    for height in [1, 200, 298, 301] {
        let block = chain.block(height).unwrap();
        for tx in block["transactions"].as_array().unwrap() {
            let id = tx["tx_id"].as_str().unwrap();
            for spelling in [id.to_owned(), format!("0x{}", id.replace('-', "")), id.to_uppercase()]
            {
                let found = call(&server, "getTransaction", json!([spelling])).await.result();
                assert_eq!(found["tx_id"], id);
                assert_eq!(found["fee"], tx["fee"]);
                assert_eq!(found["block_number"], height);
                assert_eq!(found["block_hash"], block["block_hash"]);
                assert_eq!(found["status"], if height < 290 { "finalized" } else { "confirmed" });
            }
        }
    }
    let unknown = call(&server, "get_transaction", json!({"tx_id": "nothing"})).await.result();
    assert_eq!((&unknown["tx_id"], &unknown["status"]), (&json!("nothing"), &json!("not_found")));
}

#[tokio::test]
async fn a_lagging_replica_sees_an_older_chain() {
    let chain = chain(4, 30, Profile::small());
    let address = chain.addresses()[0].clone();
    let before = chain.balance(&address);
    chain.mine(6);
    let after = chain.balance(&address);
    let fresh = serve(&chain, ServerConfig::default()).await;
    let behind = serve(&chain, ServerConfig { lag_blocks: 6, ..ServerConfig::default() }).await;
    for (server, tip, balance) in [(&fresh, 36, &after), (&behind, 30, &before)] {
        let number = call(server, "eth_blockNumber", json!([])).await.result();
        assert_eq!(number, json!({ "block_number": tip }));
        let found = call(server, "get_balance", json!({ "address": address })).await.result();
        assert_eq!(found, json!({ "address": address, "balance": balance.0, "nonce": balance.1 }));
        let page = call(server, "get_blocks", json!({ "limit": 3 })).await.result();
        assert_eq!(page["blocks"][0]["block_number"], tip);
        let block = call(server, "eth_getBlockByNumber", json!([36])).await.result();
        assert_eq!(block.is_null(), tip < 36);
    }
}

#[tokio::test]
async fn a_server_is_as_limited_as_it_is_told() {
    let config = ServerConfig {
        batch: false,
        root_only: true,
        blocks_cap: 4,
        get_blocks: true,
        declare_tx_count: false,
        ..ServerConfig::default()
    };
    let chain = chain(5, 30, Profile::small());
    let server = serve(&chain, config).await;
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"get_blocks","params":{"limit":50}}"#;
    assert_eq!(exchange(&server, "POST", "/jsonrpc", request).await.unwrap().status, 404);
    let page = exchange(&server, "POST", "/", request).await.unwrap().result();
    assert_eq!(page["blocks"].as_array().unwrap().len(), 4);
    assert!(page["blocks"][0].get("transaction_count").is_none());
    let batch = exchange(&server, "POST", "/", &format!("[{request}]")).await.unwrap().json();
    assert_eq!(batch["error"]["code"], -32600);
    let poor = serve(&chain, ServerConfig { get_blocks: false, ..ServerConfig::default() }).await;
    assert_eq!(post(&poor, request).await.json()["error"]["code"], -32601);
}

#[tokio::test]
async fn batches_documents_and_levers_work() {
    let chain = chain(6, 30, Profile::small());
    let server = serve(&chain, ServerConfig { admin: true, ..ServerConfig::default() }).await;
    let batch = r#" [{"jsonrpc":"2.0","id":"x","method":"get_chain_id"},5,
        {"jsonrpc":"2.0","id":2,"method":"get_network_id"}]"#;
    let answers = post(&server, batch).await.json();
    assert_eq!(answers[0], json!({"jsonrpc":"2.0","id":"x","result":{"chain_id":13371}}));
    assert_eq!(answers[1]["error"]["code"], -32600);
    assert_eq!(answers[2]["result"]["network_id"], "chert-devnet-6");
    for method in ["health", "get_network_info", "get_chain_parameters"] {
        assert!(call(&server, method, Value::Null).await.result().is_object());
    }
    let health = exchange(&server, "GET", "/health", "").await.unwrap();
    assert!(health.head.contains("access-control-allow-origin: *"));
    assert_eq!(health.json()["consensus_status"]["current_height"], 30);
    assert_eq!(
        exchange(&server, "GET", "/alerts", "").await.unwrap().json()["active_alerts"],
        json!([])
    );
    let mined = exchange(&server, "POST", "/admin/mine?count=3", "").await.unwrap().json();
    assert_eq!(mined["block_number"], 33);
    let forked =
        exchange(&server, "POST", "/admin/reorg?depth=5&length=2", "").await.unwrap().json();
    assert_eq!(forked, json!({ "block_number": 30, "block_hash": chain.tip().1 }));
    assert_eq!(
        exchange(&server, "POST", "/admin/mine?count=100001", "").await.unwrap().status,
        400
    );
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn a_shutdown_drops_open_connections() {
    let server = serve(&chain(1, 5, Profile::small()), ServerConfig::default()).await;
    let mut idle = connect(&server).await;
    let mut busy = connect(&server).await;
    server.faults().set(chert_devnet::FaultPlan {
        probability: 1.0,
        kinds: vec![chert_devnet::Fault::HalfOpen],
        ..Default::default()
    });
    send(&mut busy, "POST", "/", r#"{"jsonrpc":"2.0","id":1,"method":"get_blocks"}"#).await;
    let mut first = [0; 16];
    busy.read_exact(&mut first).await.unwrap();
    let started = Instant::now();
    server.shutdown().await;
    let mut rest = Vec::new();
    let _ = busy.read_to_end(&mut rest).await;
    let _ = idle.read_to_end(&mut rest).await;
    assert!(started.elapsed() < Duration::from_secs(4));
}
