//! Calls in the node's own interface, and a stage on which every method has something to say.
#![allow(dead_code, clippy::unwrap_used, missing_docs, reason = "tests")]

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestServer, WHALE, run_sql};

/// Blocks of the stage, and transactions of each.
pub const BLOCKS: i64 = 30;
pub const TXS: i64 = 3;
/// An address of the stage that delegates, votes and proposes.
pub const VOTER: &str = "0xa9b36f133ee0c47100d08719689e1df65c12761a";
/// A validator of the stage.
pub const VALIDATOR: &str = "VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d";

/// One call; the whole response.
pub async fn call(server: &TestServer, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let reply = post(server, &body.to_string()).await;
    assert_eq!(reply.status, StatusCode::OK, "{method}");
    assert_eq!(reply.header("content-type"), "application/json");
    let response = reply.json();
    let members: Vec<&String> = response.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 3, "{method}: {response}");
    assert_eq!((&response["jsonrpc"], &response["id"]), (&"2.0".into(), &1.into()));
    response
}

/// One call that must succeed; its result.
pub async fn result(server: &TestServer, method: &str, params: Value) -> Value {
    let response = call(server, method, params).await;
    assert!(response.get("error").is_none(), "{method}: {response}");
    response["result"].clone()
}

/// One call that must fail; its code.
pub async fn code(server: &TestServer, method: &str, params: Value) -> i64 {
    let response = call(server, method, params).await;
    assert!(response.get("result").is_none(), "{method}: {response}");
    assert!(response["error"]["message"].as_str().is_some_and(|text| text.len() > 8), "{response}");
    response["error"]["code"].as_i64().unwrap()
}

pub async fn post(server: &TestServer, body: &str) -> Reply {
    server.send_body(Method::POST, "/jsonrpc", body).await
}

/// A server whose chain ends now and which knows governance, staking, the registry and its sources.
pub async fn stage() -> TestServer {
    let server = TestServer::start(BLOCKS, TXS).await;
    let sql = include_str!("jsonrpc.sql")
        .replace(":voter", VOTER)
        .replace(":validator", VALIDATOR)
        .replace(":whale", WHALE);
    run_sql(&server.pool, &sql).await;
    for _ in 0..500 {
        if server.get("/health").await.json()["status"] == "healthy" {
            return server;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the stage is not healthy");
}

/// Asserts that a value has everything an example has, in the same JSON types: further members are
/// fine, and where the example says null anything is. Lists are compared element by element with the
/// example's first; only those named in `may_be_empty` may be empty where the example's is not.
#[track_caller]
pub fn assert_shape(example: &Value, value: &Value, path: &str, may_be_empty: &[&str]) {
    match (example, value) {
        (Value::Null, _) => {}
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, example) in wanted {
                let place = format!("{path}.{name}");
                let value =
                    found.get(name).unwrap_or_else(|| panic!("{place} is missing: {value}"));
                assert_shape(example, value, &place, may_be_empty);
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            let name = path.rsplit('.').next().unwrap();
            assert!(
                wanted.is_empty() || !found.is_empty() || may_be_empty.contains(&name),
                "{path} is empty"
            );
            if let Some(first) = wanted.first() {
                for value in found {
                    assert_shape(first, value, &format!("{path}[]"), may_be_empty);
                }
            }
        }
        (Value::Number(wanted), Value::Number(found)) => {
            assert!(wanted.is_f64() || !found.is_f64(), "{path}: {found} is not an integer");
        }
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) => {}
        _ => panic!("{path}: {value} is not of the type of {example}"),
    }
}
