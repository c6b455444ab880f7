//! Mistakes in the configuration are one clear sentence; `doctor` and `openapi` do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::process::Output;

use support::{chert, run, stderr, stdout};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

/// Exit code 1 and one short line on standard error that has all these parts.
fn assert_one_sentence(output: &Output, parts: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    assert!(text.starts_with("chert: ") && text.len() < 400, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

fn with_file(content: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

#[test]
fn tls_files_that_cannot_be_used_are_named() {
    let both = "[server]\ntls_cert = \"/nowhere/cert.pem\"\ntls_key = \"/nowhere/key.pem\"\n";
    for (content, part) in [
        ("[server]\ntls_cert = \"/nowhere/cert.pem\"\n", "belong together"),
        (both, "server.tls_cert: /nowhere/cert.pem cannot be read"),
    ] {
        let (_file, path) = with_file(content);
        let url = format!("postgres://x@{NOWHERE}/x");
        let output = run(&["serve", "--config", &path, "--database-url", &url]);
        assert_one_sentence(&output, &[part]);
    }
}

#[test]
fn mistakes_in_the_file_name_file_and_key() {
    for (content, key) in [
        ("[server]\nprot = 1\n", "prot"),
        ("[server]\nport = 70000\n", "server.port"),
        ("[server]\nport = \"many\"\n", "server.port"),
        ("[indexer]\nallow_deep_reorg = 7\n", "indexer.allow_deep_reorg"),
        ("[nonsense]\na = 1\n", "nonsense"),
        ("[[oracles.oracle]]\nurl = \"http://a:1\"\nkeys = []\n", "keys"),
        ("[[oracles.oracle]]\nurl = \"nowhere\"\n", "oracles.oracle[0].url"),
        ("[oracles]\nurls = [\"nowhere\"]\n", "oracles.urls"),
    ] {
        let (_file, path) = with_file(content);
        assert_one_sentence(&run(&["doctor", "--config", &path]), &[&path, key]);
    }
}

#[test]
fn unreadable_file_is_one_sentence() {
    let (_file, path) = with_file("[server\nport = 1\n");
    let output = run(&["doctor", "--config", &path]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("chert: "), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn values_out_of_range_name_key_and_range() {
    for (content, parts) in [
        ("[indexer]\nbatch_size = 0\n", ["indexer.batch_size", "1 to 1000"]),
        ("[telemetry]\nlog_format = \"xml\"\n", ["telemetry.log_format", "json"]),
        ("[chain]\nrpc_url = \"nowhere\"\n", ["chain.rpc_url", "nowhere"]),
    ] {
        let (_file, path) = with_file(content);
        assert_one_sentence(&run(&["doctor", "--config", &path]), &parts);
    }
}

#[test]
fn mistakes_in_the_environment_name_the_key() {
    for (name, value, key) in [
        ("CHERT_API__SERVER__PORT", "many", "server.port"),
        ("CHERT_API__SERVER__PROT", "1", "prot"),
        ("CHERT_API__INDEXER__BATCH_SIZE", "5000", "indexer.batch_size"),
    ] {
        let output = chert(&["doctor"]).env(name, value).output().unwrap();
        assert_one_sentence(&output, &[key]);
    }
}

#[test]
fn missing_file_is_named() {
    let missing = "/nonexistent/chert.toml";
    assert_one_sentence(&run(&["doctor", "--config", missing]), &[missing, "does not exist"]);
    let output = chert(&["doctor"]).env("CHERT_API_CONFIG", missing).output().unwrap();
    assert_one_sentence(&output, &[missing]);
}

#[test]
fn commands_without_what_they_need_say_so() {
    assert_one_sentence(&run(&["serve"]), &["database.url", "--database-url"]);
    assert_one_sentence(&run(&["verify"]), &["database.url"]);
    let database = format!("postgres://nobody@{NOWHERE}/none");
    assert_one_sentence(&run(&["index", "--database-url", &database]), &["chain.rpc_url"]);
    assert_one_sentence(&run(&["migrate", "--database-url", &database]), &["chert doctor"]);
}

#[test]
fn doctor_names_problem_and_remedy() {
    let database = format!("postgres://nobody@{NOWHERE}/none");
    let node = format!("http://{NOWHERE}");
    let output = run(&["doctor", "--database-url", &database, "--node-url", &node]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    for (problem, remedy) in
        [("the database does not answer", "database.url"), (&node, "check the address")]
    {
        let at = lines.iter().position(|l| l.starts_with("PROBLEM") && l.contains(problem));
        let at = at.unwrap_or_else(|| panic!("{problem:?} in {text}"));
        assert!(lines[at + 1].contains(remedy), "{remedy:?} in {text}");
    }
}

#[test]
fn openapi_is_the_committed_one() {
    let output = run(&["openapi"]);
    assert!(output.status.success());
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(printed["paths"]["/v1/status"].is_object());
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
    // Made by `cargo run -p xtask -- openapi`; a tree without it has nothing to compare.
    if let Ok(committed) = std::fs::read_to_string(committed) {
        assert!(stdout(&output) == committed, "run `cargo run -p xtask -- openapi`");
    }
}
