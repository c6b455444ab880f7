//! The node's own interface: envelopes, batches, forms of parameters, names, limits
//! (contract §1.3–1.5, §11, §12).
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "support/jsonrpc.rs"]
mod rpc;
mod support;

use chert_api::jsonrpc::BATCH_CALLS_MAX;
use chert_api::jsonrpc::names::{NOT_HERE, TABLE};
use proptest::prelude::*;
use reqwest::{Method, StatusCode};
use rpc::{VALIDATOR, VOTER, call, code, post, result, stage};
use serde_json::{Value, json};
use support::{TestServer, settings};

/// Parameters with which every method has an answer that does not depend on the clock.
fn any_params() -> Value {
    json!({
        "limit": 2, "address": VOTER, "block_number": 7, "proposal_id": 7, "tx_id": "x",
        "block_hash": "ab", "validator": VALIDATOR, "from_block": 0, "height": 3,
    })
}

#[tokio::test]
async fn envelopes_are_json_rpc() {
    let server = stage().await;
    for path in ["/jsonrpc", "/"] {
        for id in ["1", "\"a\"", "null", "1.50", "12345678901234567890123"] {
            for params in ["", r#","params":{}"#, r#","params":[]"#, r#","params":null"#] {
                let body =
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_blockNumber"{params}}}"#);
                let reply = server.send_body(Method::POST, path, body).await;
                assert_eq!(reply.status, StatusCode::OK);
                let text = String::from_utf8(reply.bytes.clone()).unwrap();
                let expected =
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"block_number":29}}}}"#);
                assert_eq!(text, expected);
                assert_eq!(reply.header("chert-indexed-height"), "29");
                assert_eq!(reply.header("chert-indexed-hash").len(), 64);
                assert_eq!(reply.header("cache-control"), "no-store");
            }
        }
    }
    for (body, code) in [
        ("", -32_700),
        ("{", -32_700),
        ("\u{0}", -32_700),
        ("7", -32_600),
        ("{}", -32_600),
        ("[]", -32_600),
        (r#"{"jsonrpc":"2.0","method":7,"id":1}"#, -32_600),
        (r#"{"jsonrpc":"2.0","method":"nothing","id":1}"#, -32_601),
        (r#"{"jsonrpc":"2.0","method":"get_blocks","params":7,"id":1}"#, -32_602),
        (r#"{"jsonrpc":"2.0","method":"get_blocks","params":{"limit":-1},"id":1}"#, -32_602),
    ] {
        let reply = post(&server, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{body}");
        let response = reply.json();
        assert_eq!(response["error"]["code"], code, "{body}: {response}");
        assert!(response.get("result").is_none() && response.get("id").is_some(), "{response}");
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"get_blocks","params":{}{}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    assert_eq!(post(&server, &deep).await.json()["error"]["code"], -32_602);
    let notification = r#"{"jsonrpc":"2.0","method":"get_blocks"}"#;
    let reply = post(&server, notification).await;
    assert_eq!((reply.status, reply.bytes.len()), (StatusCode::NO_CONTENT, 0));
    post(&server, &"x".repeat(65_537)).await.assert_problem(413, "body-too-large");
    server.get("/jsonrpc").await.assert_problem(405, "method-not-allowed");
    assert_eq!(server.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn batches_are_bounded_and_keep_their_order() {
    let server = stage().await;
    let one = |id: usize, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"block_number": id}});
    let batch = json!([
        one(3, "eth_getBlockByNumber"),
        7,
        {"jsonrpc": "2.0", "method": "get_blocks"},
        one(2, "nothing"),
        one(1, "eth_getBlockByNumber"),
    ]);
    let reply = post(&server, &batch.to_string()).await;
    assert_eq!(reply.header("chert-indexed-height"), "29");
    let answers = reply.json();
    assert_eq!(answers.as_array().unwrap().len(), 4);
    assert_eq!(answers[0]["result"]["block_number"], 3);
    assert_eq!(answers[1]["error"]["code"], -32_600);
    assert_eq!(answers[1]["id"], Value::Null);
    assert_eq!(answers[2]["error"]["code"], -32_601);
    assert_eq!(answers[3]["result"]["block_number"], 1);
    let many: Vec<Value> = (0..=BATCH_CALLS_MAX).map(|id| one(id, "health")).collect();
    assert_eq!(post(&server, &json!(many).to_string()).await.json()["error"]["code"], -32_600);
    let reply = post(&server, &json!(many[..BATCH_CALLS_MAX]).to_string()).await;
    assert_eq!(reply.json().as_array().unwrap().len(), BATCH_CALLS_MAX);
    let silent = json!([{"jsonrpc": "2.0", "method": "health"}]);
    assert_eq!(post(&server, &silent.to_string()).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn each_call_counts_in_the_rate_limit() {
    let settings = chert_api::ApiSettings { anonymous_rpm: 10, ..settings() };
    let server = TestServer::start_with(3, 1, settings).await;
    let batch = |calls: usize| {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"});
        json!(vec![call; calls]).to_string()
    };
    let reply = post(&server, &batch(6)).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.header("ratelimit").starts_with("\"anon\";r=4"), "{}", reply.header("ratelimit"));
    let refused = post(&server, &batch(6)).await;
    refused.assert_problem(429, "rate-limited");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(post(&server, &batch(3)).await.status, StatusCode::OK);
    post(&server, &batch(1)).await.assert_problem(429, "rate-limited");
}

#[tokio::test]
async fn browsers_may_call() {
    let server = TestServer::start(1, 0).await;
    for path in ["/jsonrpc", "/", "/alerts", "/health"] {
        let preflight = [
            ("origin", "https://explorer.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let reply = server.send(Method::OPTIONS, path, &preflight).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert!(reply.headers.get("access-control-allow-credentials").is_none());
        let methods = reply.header("access-control-allow-methods");
        assert!(["GET", "POST", "OPTIONS"].iter().all(|name| methods.contains(name)));
        let headers = reply.header("access-control-allow-headers");
        for name in ["content-type", "accept", "authorization", "x-api-key"] {
            assert!(headers.contains(name), "{name}");
        }
    }
    // Keys that nodes want are accepted and ignored (contract §1.4).
    let keys = [("authorization", "Bearer x"), ("x-api-key", "y")];
    assert_eq!(server.send(Method::GET, "/alerts", &keys).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_alias_answers_as_its_canonical_name() {
    let server = stage().await;
    for (_, canonical, aliases) in TABLE {
        let expected = call(&server, canonical, any_params()).await;
        for alias in aliases {
            let mut answer = call(&server, alias, any_params()).await;
            // The clock goes on.
            answer["result"]["latest_block_age_ms"] =
                expected["result"]["latest_block_age_ms"].clone();
            let mut expected = expected.clone();
            expected["result"]["latest_block_age_ms"] =
                answer["result"]["latest_block_age_ms"].clone();
            assert_eq!(answer, expected, "{alias}");
        }
    }
    for name in NOT_HERE {
        assert_eq!(code(&server, name, any_params()).await, -32_601, "{name}");
    }
}

#[tokio::test]
async fn every_form_of_parameters_is_understood() {
    let server = stage().await;
    let expected = result(&server, "get_balance", json!({"address": VOTER, "other": [1]})).await;
    assert_eq!(expected["balance"], "9750000000");
    for params in [json!([VOTER]), json!([VOTER, "latest"]), json!([{"address": VOTER}])] {
        assert_eq!(result(&server, "get_balance", params).await, expected);
    }
    let block = result(&server, "eth_getBlockByNumber", json!({"block_number": 7})).await;
    for params in [json!([7]), json!(["0x7", true]), json!({"block_number": "7"})] {
        assert_eq!(result(&server, "eth_getBlockByNumber", params).await, block);
    }
    let tip = result(&server, "eth_getBlockByNumber", json!(["latest", true])).await;
    assert_eq!(tip["block_number"], 29);
    for (method, params) in [
        ("get_balance", json!({})),
        ("get_balance", json!({"address": ["x"]})),
        ("get_balance", json!(["a\u{7}b"])),
        ("get_balance", json!(["x".repeat(129)])),
        ("eth_getBlockByNumber", json!([-1])),
        ("eth_getBlockByNumber", json!([1.5])),
        ("eth_getBlockByNumber", json!(["abc"])),
        ("get_transaction_history", json!({"address": VOTER, "cursor": "nonsense"})),
        ("get_transaction_history", json!({"address": VOTER, "offset": 10_001})),
        ("get_block_analytics", json!({"range_ms": 1, "bucket_ms": 0})),
        ("get_block_analytics", json!({"range_ms": 3_600_000, "bucket_ms": 1})),
        ("get_token", json!({})),
        ("staking_get_rewards", json!(null)),
        ("governance_get_proposal", json!(["x".repeat(200)])),
    ] {
        assert_eq!(code(&server, method, params.clone()).await, -32_602, "{method} {params}");
    }
    for address in ["0", "nothing", "0x16d8a7475e6c386c5783aed664293de8766a412d"] {
        let params = json!({ "address": address });
        assert_eq!(code(&server, "get_contract_code", params.clone()).await, -32_004);
        assert_eq!(code(&server, "get_token", params).await, -32_004);
    }
}

#[test]
fn no_body_is_fatal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(TestServer::start(2, 1));
    let names = TABLE.map(|(_, canonical, _)| canonical);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
    ];
    let params = leaf.prop_recursive(2, 12, 4, |inner| {
        let name = prop_oneof![Just("address"), Just("limit"), Just("offset"), Just("tx_id")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let call = (prop::sample::select(names.to_vec()), params);
    let outcome = runner.run(&call, |(method, params)| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = runtime.block_on(post(&server, &body.to_string()));
        prop_assert_eq!(reply.status, StatusCode::OK);
        let response = reply.json();
        prop_assert!(response.get("result").is_some() ^ response.get("error").is_some());
        prop_assert_ne!(&response["error"]["code"], &json!(-32_603), "{}", response);
        Ok(())
    });
    outcome.unwrap();
}
