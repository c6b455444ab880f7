//! TLS of the real binary: served with the files that are named, read again at SIGHUP.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Certificate, Client};
use support::{Running, chert, wait_until};

/// Nobody listens there: health is answered without a database.
const NO_DATABASE: &str = "postgres://x@127.0.0.1:1/x";

/// Writes a fresh certificate and key; a client that trusts this certificate alone.
fn renew(dir: &Path) -> Client {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let certificate = Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    Client::builder().tls_certs_only([certificate]).build().unwrap()
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_at_a_hangup() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::TempDir::new().unwrap();
    let first = renew(dir.path());
    let mut command = chert(&["serve", "--database-url", NO_DATABASE]);
    command
        .args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .env("CHERT_API__SERVER__TLS_CERT", dir.path().join("cert.pem"))
        .env("CHERT_API__SERVER__TLS_KEY", dir.path().join("key.pem"));
    let mut server = Running::start_until(command, "REST");
    let url = format!("{}/health", server.word_after("REST"));
    assert!(url.starts_with("https://"), "{url}");
    let answer = first.get(&url).send().await.expect("it is trusted");
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("strict-transport-security"));

    let second = renew(dir.path());
    second.get(&url).send().await.expect_err("the server does not know of it yet");
    kill(Pid::from_raw(server.pid()), Signal::SIGHUP).unwrap();
    wait_until("the new certificate is served", async || second.get(&url).send().await.is_ok())
        .await;
    assert!(server.end_with(Signal::SIGTERM).success());
}
