//! Every fault really shows on the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use chert_devnet::{Chain, Fault, FaultPlan, Profile, Server, ServerConfig};
use serde_json::{Value, json};
use support::{Reply, call, chain, connect, exchange, send, serve};
use tokio::io::AsyncReadExt;

const GET_BLOCKS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"get_blocks","params":{"limit":20}}"#;

async fn failing(fault: Fault, seed: u64) -> (Chain, Server) {
    let chain = chain(9, 60, Profile::fixed(3));
    let server = serve(&chain, ServerConfig::default()).await;
    server.faults().set(FaultPlan { seed, probability: 1.0, kinds: vec![fault], methods: None });
    (chain, server)
}

async fn faulty_reply(fault: Fault) -> Reply {
    let (_, server) = failing(fault, 1).await;
    let reply = exchange(&server, "POST", "/jsonrpc", GET_BLOCKS).await.unwrap();
    assert_eq!(server.faults().injected(), 1);
    reply
}

/// Blocks of the honest and of the spoiled answer.
async fn spoiled(fault: Fault, seed: u64) -> (Vec<Value>, Vec<Value>) {
    let (_, server) = failing(fault, seed).await;
    let bad = call(&server, "get_blocks", json!({ "limit": 20 })).await.result();
    assert_eq!(server.faults().injected(), 1);
    server.faults().clear();
    let good = call(&server, "get_blocks", json!({ "limit": 20 })).await.result();
    assert_eq!(server.faults().injected(), 1);
    let blocks = |page: Value| page["blocks"].as_array().unwrap().clone();
    (blocks(good), blocks(bad))
}

fn differing(good: &[Value], bad: &[Value]) -> Vec<usize> {
    assert_eq!(good.len(), bad.len());
    (0..good.len()).filter(|&index| good[index] != bad[index]).collect()
}

#[tokio::test]
async fn latency_is_slow_but_right() {
    let started = Instant::now();
    let reply = faulty_reply(Fault::Latency { ms: 150 }).await;
    assert!(started.elapsed() >= Duration::from_millis(150));
    assert_eq!(reply.result()["blocks"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn http_failures_have_their_status() {
    let reply = faulty_reply(Fault::TooManyRequests { retry_after_s: 7 }).await;
    assert_eq!(reply.status, 429);
    assert!(reply.head.contains("retry-after: 7"));
    let reply = faulty_reply(Fault::ServerError).await;
    assert!([500, 502, 503].contains(&reply.status));
}

#[tokio::test]
async fn a_timeout_closes_without_a_word() {
    let (_, server) = failing(Fault::Timeout { ms: 100 }, 1).await;
    let started = Instant::now();
    let mut stream = connect(&server).await;
    send(&mut stream, "POST", "/jsonrpc", GET_BLOCKS).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(bytes.is_empty() && started.elapsed() >= Duration::from_millis(100));
    assert_eq!(server.faults().injected(), 1);
}

#[tokio::test]
async fn half_open_hangs_in_the_middle_of_the_body() {
    let (_, server) = failing(Fault::HalfOpen, 1).await;
    let mut stream = connect(&server).await;
    send(&mut stream, "POST", "/jsonrpc", GET_BLOCKS).await;
    let mut bytes = Vec::new();
    let end =
        tokio::time::timeout(Duration::from_millis(700), stream.read_to_end(&mut bytes)).await;
    assert!(end.is_err(), "the connection must stay open");
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("200 ok") && head.contains("content-length"));
    assert!(!body.is_empty() && serde_json::from_str::<Value>(body).is_err());
}

#[tokio::test]
async fn bodies_can_be_broken_or_huge() {
    let reply = faulty_reply(Fault::InvalidJson).await;
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    let reply = faulty_reply(Fault::Oversized { bytes: 5_000_000 }).await;
    assert!(reply.body.len() >= 5_000_000);
}

#[tokio::test]
async fn results_can_be_errors_or_nothing() {
    let answer = faulty_reply(Fault::RpcError).await.json();
    assert_eq!(answer["error"]["code"], -32000);
    let answer = faulty_reply(Fault::NullResult).await.json();
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 1, "result": null }));
    assert_eq!(faulty_reply(Fault::EmptyList).await.result(), json!({ "blocks": [] }));
    let (_, server) = failing(Fault::EmptyList, 1).await;
    assert_eq!(call(&server, "eth_getBlockByNumber", json!([5])).await.result(), Value::Null);
    assert_eq!(server.faults().injected(), 1);
}

#[tokio::test]
async fn lagging_lowers_the_tip() {
    let (_, server) = failing(Fault::Lagging { blocks: 25 }, 1).await;
    let number = call(&server, "get_block_number", Value::Null).await.result();
    assert_eq!(number, json!({ "block_number": 35 }));
    assert_eq!(call(&server, "eth_getBlockByNumber", json!([36])).await.result(), Value::Null);
}

#[tokio::test]
async fn spoiled_blocks_look_plausible() {
    for seed in 0..12 {
        let (good, bad) = spoiled(Fault::MissingTransactions, seed).await;
        let [at] = differing(&good, &bad)[..] else { panic!("one block") };
        let left = bad[at]["transactions"].as_array().unwrap().len();
        assert_eq!((bad[at]["transaction_count"].as_u64(), left < 3), (Some(3), true));

        let (good, bad) = spoiled(Fault::WrongParent, seed).await;
        let [at] = differing(&good, &bad)[..] else { panic!("one block") };
        assert_ne!(good[at]["previous_block_hash"], bad[at]["previous_block_hash"]);

        let (good, bad) = spoiled(Fault::GarbageFields, seed).await;
        let [at] = differing(&good, &bad)[..] else { panic!("one block") };
        let garbage = bad[at]["timestamp"] == "yesterday"
            || bad[at]["block_number"] == -1
            || !bad[at]["block_hash"].is_string();
        assert!(garbage);

        let (good, bad) = spoiled(Fault::WrongHeights, seed).await;
        let heights = |blocks: &[Value]| {
            blocks.iter().map(|b| b["block_number"].as_u64()).collect::<Vec<_>>()
        };
        assert_ne!(heights(&good), heights(&bad));
    }
}

#[tokio::test]
async fn plans_are_seeded_and_choose_methods() {
    let pattern = async |seed| {
        let server = serve(&chain(1, 20, Profile::small()), ServerConfig::default()).await;
        let methods = Some(vec!["get_block_number".to_owned()]);
        server.faults().set(FaultPlan {
            seed,
            probability: 0.5,
            kinds: vec![Fault::RpcError],
            methods,
        });
        let mut failed = Vec::new();
        for _ in 0..20 {
            failed.push(
                call(&server, "eth_blockNumber", json!([])).await.json().get("error").is_some(),
            );
            call(&server, "get_balance", json!(["x"])).await.result();
        }
        assert_eq!(
            server.faults().injected(),
            failed.iter().filter(|failed| **failed).count() as u64
        );
        failed
    };
    let first = pattern(1).await;
    assert_eq!(first, pattern(1).await);
    assert_ne!(first, pattern(2).await);
    assert!(first.contains(&true) && first.contains(&false));
}

#[tokio::test]
async fn faults_that_cannot_show_are_not_counted() {
    let (chain, server) = failing(Fault::WrongParent, 1).await;
    let address = &chain.addresses()[0];
    let balance = call(&server, "get_balance", json!([address])).await.result();
    assert_eq!(balance["balance"], chain.balance(address).0);
    assert_eq!(server.faults().injected(), 0);
}

#[tokio::test]
async fn plans_can_be_set_over_http() {
    let chain = chain(1, 20, Profile::small());
    let server = serve(&chain, ServerConfig { admin: true, ..ServerConfig::default() }).await;
    let plan = r#"{"probability":1.0,"kinds":[{"kind":"too_many_requests","retry_after_s":2},{"kind":"rpc_error"}]}"#;
    assert_eq!(exchange(&server, "POST", "/admin/faults", plan).await.unwrap().status, 204);
    exchange(&server, "POST", "/", GET_BLOCKS).await.unwrap();
    assert_eq!(server.faults().injected(), 1);
    assert_eq!(exchange(&server, "DELETE", "/admin/faults", "").await.unwrap().status, 204);
    assert_eq!(exchange(&server, "POST", "/", GET_BLOCKS).await.unwrap().status, 200);
    assert_eq!("oversized=12".parse(), Ok(Fault::Oversized { bytes: 12 }));
    assert_eq!("half-open".parse(), Ok(Fault::HalfOpen));
    assert!("coffee".parse::<Fault>().is_err());
}
