//! No input, however odd, gets anything but a 4xx problem: every parameter of every operation of
//! the API description is tried.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use support::TestServer;

/// Values that no parameter takes, already escaped.
const NEVER: [&str; 5] = ["%00", "%ff", "%zz", "%", "a%00b"];
/// Values that a typed parameter does not take.
const WRONG: [&str; 9] =
    ["-1", "1.5", "abc%20", "1e3", "99999999999999999999", "%E2%9C%93", "null", "", "0x"];

fn document() -> Value {
    serde_json::from_str(&chert_api::openapi_json()).unwrap()
}

/// Every operation of the description: path, description, method.
fn operations(document: &Value) -> Vec<(&str, &Value, Method)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            all.push((path.as_str(), operation, method));
        }
    }
    all
}

#[tokio::test]
async fn every_parameter_refuses_what_it_does_not_take() {
    let server = TestServer::start(3, 2).await;
    let document = document();
    let mut tried = 0;
    for (path, operation, method) in operations(&document) {
        let ask = async |url: &str| server.send(method.clone(), url, &[]).await;
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let example = path_with(path, &parameters, None);
        let required: Vec<&Value> =
            parameters.iter().filter(|p| p["in"] == "query" && p["required"] == true).collect();
        let needed: String = required
            .iter()
            .map(|p| format!("&{}={}", p["name"].as_str().unwrap(), p["example"].as_str().unwrap()))
            .collect();
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            let in_path = parameter["in"] == "path";
            let typed = !in_path && !["q", "name", "address"].contains(&name);
            let long = "z".repeat(200);
            let mut values: Vec<&str> = NEVER.to_vec();
            if typed {
                values.extend(WRONG);
            }
            values.push(&long);
            for value in values {
                let url = match in_path {
                    true => path_with(path, &parameters, Some(value)),
                    false => format!("{example}?{name}={value}"),
                };
                ask(&url).await.assert_problem(400, "invalid-parameter");
                tried += 1;
            }
            if !in_path {
                let twice = format!("{example}?{name}=1&{name}=1");
                ask(&twice).await.assert_problem(400, "invalid-parameter");
            }
        }
        if path.starts_with("/v1/") {
            let reply = ask(&format!("{example}?nonsense=1{needed}")).await;
            reply.assert_problem(400, "invalid-parameter");
            assert!(reply.json()["detail"].as_str().unwrap().contains("nonsense"));
            let broken = ask(&format!("{example}?%ff=1")).await;
            broken.assert_problem(400, "invalid-parameter");
        }
        let huge = format!("{}{example}?x={}", server.base, "y".repeat(1 << 20));
        // Beyond what the HTTP layer reads at all, it answers by itself or hangs up.
        if let Ok(reply) = reqwest::Client::new().request(method.clone(), huge).send().await {
            assert!(reply.status().is_client_error(), "{path}: {}", reply.status());
        }
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(server.get("/health").await.status, StatusCode::OK);
}

/// The path with the examples of its parameters, or one value in their place.
fn path_with(path: &str, parameters: &[Value], value: Option<&str>) -> String {
    let mut filled = path.to_owned();
    for parameter in parameters.iter().filter(|p| p["in"] == "path") {
        let name = parameter["name"].as_str().unwrap();
        let example = parameter["example"].as_str().unwrap();
        filled = filled.replace(&format!("{{{name}}}"), value.unwrap_or(example));
    }
    filled
}

#[test]
fn the_description_covers_every_route_and_every_error() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let pages = ["/", "/app.js", "/style.css", "/docs", "/docs/", "/docs/{*rest}"];
    let routed: BTreeSet<&str> =
        chert_api::routes::PATHS.into_iter().filter(|p| !pages.contains(p)).collect();
    assert_eq!(described, routed);
    for (path, operation, method) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("200"), "{path}");
        assert!(responses["200"]["content"].is_object(), "{path}");
        assert!(responses["200"]["headers"]["x-request-id"].is_object(), "{path}");
        for status in ["400", "405", "500"] {
            assert!(responses.contains_key(status), "{path} {status}");
        }
        if path.starts_with("/v1/explorer/") || path.starts_with("/v1/identity/{id}") {
            assert_eq!(responses.contains_key("304"), method == Method::GET, "{path}");
            for status in ["429", "503", "504"] {
                assert!(responses.contains_key(status), "{path} {status}");
            }
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{path} {parameter}");
        }
    }
    assert_eq!(chert_api::openapi_json(), chert_api::openapi_json());
}
