//! What Schemathesis is told: ids that exist, and the few places where a description in JSON Schema
//! cannot say all that holds.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::server::Server;

/// How often a known id is asked for, rather than an invented one.
const KNOWN_SHARE: f64 = 0.5;
/// The feeds of the development chain are read within this time.
const FILLED_MAX: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// What holds for all operations.
const GENERAL: &str = r#"# Written by `xtask fuzz`.
request-timeout = 10.0
# A stream of events goes on for ever.
max-stream-events = 2

[checks]
enabled = true

[checks.negative_data_rejection]
# Too large a request is refused for that before its meaning is looked at.
expected-statuses = ["400", "401", "403", "404", "405", "408", "409", "413", "414", "415", "431"]

[checks.ensure_resource_availability]
# POST /v1/identity prepares an update to be signed and sent to a node; nothing is made here.
enabled = false

[checks.use_after_free]
# DELETE /v1/identity/{id} prepares one, too.
enabled = false

[[operations]]
# The contract wants 200 for every outcome of JSON-RPC, malformed requests included.
include-path = "/jsonrpc"
checks.negative_data_rejection.enabled = false

[[operations]]
# No event comes while the server is asked: where a stream has nothing to say, the tool waits for so
# long, and therefore asks less often.
include-path = "/v1/events/stream"
request-timeout = 2.0
generation.max-examples = 15
"#;

/// Operations that refuse some values that fit their schema: rules between fields or parameters.
const WITH_RULES: [&str; 6] = [
    // A position that the log has not reached.
    "GET /v1/events/stream",
    "GET /v1/pouw/leaderboard/around/{identity_id}",
    "POST /v1/identity",
    "PUT /v1/identity/{id}",
    "DELETE /v1/identity/{id}",
    "POST /v1/identity/{id}/wallets/verify",
];

/// Answers to a request that fits its schema; 400 is added where one is possible.
const ACCEPTED: &str = r#""2xx", "3xx", "400", "401", "403", "404", "409", "410", "429""#;

/// Writes the file.
pub(super) async fn write(directory: &Path, server: &Server) -> anyhow::Result<PathBuf> {
    let document = server.get("/openapi.json").await?;
    let known = tokio::time::timeout(FILLED_MAX, known(server)).await;
    let known = known.context("the development chain's feeds were not read in time")?;
    let mut text = GENERAL.to_owned();
    // A cursor is a list's own word: no pattern tells a good one. And where an answer has an identity
    // that may be null, the tool goes on to ask for the identity "None".
    let named = with_parameter(&document, |path, name| {
        name == "cursor"
            || name == "identity_id"
            || (name == "id" && path.starts_with("/v1/identity/"))
    });
    let rules = WITH_RULES.into_iter().map(str::to_owned).filter(|name| !named.contains(name));
    let others: Vec<String> = rules.collect();
    for name in named.iter().chain(&others) {
        write!(
            text,
            "\n[[operations]]\ninclude-name = {name:?}\n\
             checks.positive_data_acceptance.expected-statuses = [{ACCEPTED}]\n"
        )?;
    }
    for (name, values) in &known {
        write!(text, "\n[dictionaries.{name}]\nvalues = {}\n", Value::from(values.as_slice()))?;
    }
    text.push_str("\n[parameters]\n");
    for (parameter, name) in BINDINGS {
        writeln!(
            text,
            "\"path.{parameter}\" = {{ dictionary = {name:?}, probability = {KNOWN_SHARE} }}"
        )?;
    }
    let path = directory.join("schemathesis.toml");
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Parameters of paths, and what is known for them.
const BINDINGS: [(&str, &str); 7] = [
    ("identity_id", "identities"),
    ("id", "identities_and_proposals"),
    ("address", "addresses"),
    ("addr", "addresses"),
    ("hash", "transactions"),
    ("oracle_id", "oracles"),
    ("submission_id", "submissions"),
];

/// `METHOD path` of every operation with a parameter for which `fits(path, name)` holds.
fn with_parameter(document: &Value, fits: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let mut names_of = parameters.into_iter().filter_map(|p| p["name"].as_str());
            if names_of.any(|name| fits(path, name)) {
                names.push(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    names
}

/// Ids that exist, once every kind of them does.
async fn known(server: &Server) -> Vec<(&'static str, Vec<String>)> {
    loop {
        let known = look(server).await.unwrap_or_default();
        if !known.is_empty() && known.iter().all(|(_, values)| !values.is_empty()) {
            return known;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn look(server: &Server) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let list = async |path: &str, field: &str| -> anyhow::Result<Vec<String>> {
        let page = server.get(path).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let values = items.iter().filter_map(|item| item[field].as_str());
        Ok(values.map(str::to_owned).collect())
    };
    let board = "/v1/pouw/leaderboard?type=nuw&timeframe=all&limit=20";
    let identities = list(board, "identity_id").await?;
    let proposals = list("/v1/governance/proposals?limit=10", "proposal_id").await?;
    let mut submissions = Vec::new();
    let mut addresses = list("/v1/explorer/transactions?limit=20", "sender").await?;
    for identity in identities.iter().take(3) {
        let path = format!("/v1/pouw/history/{identity}?limit=5");
        submissions.extend(list(&path, "submission_id").await?);
        let path = format!("/v1/identity/{identity}/wallets");
        addresses.extend(list(&path, "wallet_address").await?);
    }
    // A slash would be another path.
    addresses.retain(|address| !address.contains('/'));
    let both = [identities.clone(), proposals].concat();
    Ok(vec![
        ("identities", identities),
        ("identities_and_proposals", both),
        ("addresses", addresses),
        ("transactions", list("/v1/explorer/transactions?limit=20", "tx_id").await?),
        ("oracles", list("/v1/pouw/oracles", "oracle_id").await?),
        ("submissions", submissions),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_with_a_parameter_are_found() {
        let document = json!({"paths": {
            "/a": {"get": {"parameters": [{"name": "limit"}, {"name": "cursor"}]}},
            "/b": {"post": {}, "get": {"parameters": [{"name": "limit"}]}},
        }});
        assert_eq!(with_parameter(&document, |_, name| name == "cursor"), ["GET /a"]);
    }
}
