//! Signatures that another implementation of RFC 9421 made: recorded ones always, new ones where its
//! Python library is installed (`pip install -r examples/python/requirements.txt`).
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "support/signer.rs"]
mod signer;

use std::path::{Path, PathBuf};
use std::process::Command;

use axum::http::HeaderMap;
use chert_api::auth::http_signature::Message;
use chert_api::auth::keys::AddressKind;
use chert_api::auth::policy;
use serde_json::Value;
use signer::now_s;
use url::Url;

/// Checks one request; the URL as its signer wrote it, so that we normalise it ourselves.
fn check(method: &str, url: &str, body: &[u8], headers: &HeaderMap, now_s: i64) -> String {
    let parsed = Url::parse(url).unwrap();
    let authority = url.split('/').nth(2).unwrap();
    let query = parsed.query();
    let message = Message { method, authority, path: parsed.path(), query, headers };
    let claim = policy::check(&message, body, &[], now_s).unwrap();
    assert!(claim.holds(), "{method} {url}");
    let other = Message { method: "DELETE", ..message };
    assert!(!policy::check(&other, body, &[], now_s).unwrap().holds());
    AddressKind::Account.address_of(&claim.public_key)
}

#[test]
fn recorded_signatures_of_another_implementation_are_good() {
    let text = include_str!("vectors/http_signatures.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let requests = vectors["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 6);
    for request in requests {
        let mut headers = HeaderMap::new();
        for (name, value) in request["headers"].as_object().unwrap() {
            let name: axum::http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.as_str().unwrap().parse().unwrap());
        }
        let text = |name: &str| request[name].as_str().unwrap();
        let now_s = vectors["now"].as_i64().unwrap();
        let account = check(text("method"), text("url"), text("body").as_bytes(), &headers, now_s);
        assert_eq!(account, text("account"));
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// A Python that has the library; `CHERT_TEST_PYTHON` names one of a virtual environment.
fn python() -> Option<String> {
    let python = std::env::var("CHERT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python)
        .args([
            "-c",
            "import http_message_signatures, cryptography.hazmat.primitives.asymmetric.mldsa",
        ])
        .output();
    probe.ok().filter(|output| output.status.success()).map(|_| python)
}

#[test]
fn the_python_example_signs_what_we_take() {
    let Some(python) = python() else {
        println!("no Python with http-message-signatures: only recorded signatures were checked");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("signature_interop");
    std::fs::create_dir_all(&folder).unwrap();
    let (key, body) = (folder.join("key"), folder.join("body"));
    std::fs::write(&body, "{}").unwrap();
    for algorithm in ["ed25519", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"] {
        std::fs::write(&key, format!("{algorithm} {}\n", "5a".repeat(32))).unwrap();
        let url = "http://LocalHost:8080/v1/a%2Fb?c=d&e";
        let output = Command::new(&python)
            .arg(examples().join("python/sign.py"))
            .args(["POST", url, "--key"])
            .arg(&key)
            .arg("--body")
            .arg(&body)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut headers = HeaderMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            let name: axum::http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        check("POST", url, b"{}", &headers, now_s());
    }
}
