//! `chert up` on a data directory of its own: it starts, answers, survives SIGKILL with its chain
//! going on, starts its PostgreSQL again, and stops on SIGTERM and SIGINT leaving nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Running, chert, is_alive, postmaster, wait_until};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

fn up(data_dir: &Path) -> Running {
    let data_dir = data_dir.to_str().unwrap();
    let args = ["up", "--data-dir", data_dir, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
    let mut command = chert(&args);
    command.args(["--devnet-history", "50", "--devnet-block-time-ms", "200"]);
    // These tests ask more often than a client may.
    command.env("CHERT_API__RATE_LIMITING__ANONYMOUS_RPM", "0");
    Running::start_until(command, "Stop with Ctrl-C")
}

/// A directory that PostgreSQL's user can reach.
fn data_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("chert-up-").tempdir_in("/tmp").unwrap()
}

async fn ask(running: &Running, path: &str) -> (u16, String) {
    let base = running.word_after("REST");
    let base = base.trim_end_matches("/v1/status");
    let response = reqwest::get(format!("{base}{path}")).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn get(running: &Running, path: &str) -> Value {
    let (status, text) = ask(running, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

async fn wait_for_height(running: &Running, height: i64) {
    let reached = async || {
        let status = get(running, "/v1/status").await;
        status["indexed_height"].as_i64() >= Some(height)
    };
    wait_until(&format!("block {height} is indexed"), reached).await;
}

fn install_provider() {
    // Only the first call of the process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test(flavor = "multi_thread")]
async fn up_survives_sigkill_and_goes_on() {
    install_provider();
    let directory = data_dir();
    let mut running = up(directory.path());
    wait_for_height(&running, 55).await;
    let genesis = get(&running, "/v1/explorer/block/0").await["hash"].clone();
    let block = get(&running, "/v1/explorer/block/53").await;
    let (status, page) = ask(&running, "/").await;
    assert_eq!((status, page.contains("<html")), (200, true), "{page}");
    for path in ["/v1/explorer/blocks", "/v1/explorer/transactions", "/v1/explorer/stats"] {
        get(&running, path).await;
    }
    get(&running, "/openapi.json").await;
    let (status, metrics) = ask(&running, "/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("chert_indexer_blocks_total"), "{metrics}");
    // The dev chain's people, their votes, and two oracles' work.
    wait_until("oracles are read", async || {
        let oracles = get(&running, "/v1/pouw/oracles").await;
        oracles["items"].as_array().is_some_and(|items| items.len() == 2)
    })
    .await;
    for path in ["/v1/governance/proposals", "/v1/pouw/leaderboard?type=nuw&scope=addresses"] {
        wait_until(path, async || {
            let (_, text) = ask(&running, path).await;
            let list: Value = serde_json::from_str(&text).unwrap_or_default();
            list["items"].as_array().is_some_and(|items| !items.is_empty())
        })
        .await;
    }
    wait_until("it is ready", async || ask(&running, "/health/ready").await.0 == 200).await;

    let reached = get(&running, "/v1/status").await["indexed_height"].as_i64().unwrap();
    running.kill();
    let mut running = up(directory.path());
    wait_for_height(&running, reached + 3).await;
    assert_eq!(get(&running, "/v1/explorer/block/0").await["hash"], genesis);
    assert_eq!(get(&running, "/v1/explorer/block/53").await["hash"], block["hash"]);
    let orphans = get(&running, "/v1/explorer/orphans").await;
    assert_eq!(orphans["items"].as_array().map(Vec::len), Some(0), "{orphans}");

    let postgres = postmaster(directory.path()).expect("PostgreSQL runs");
    assert!(is_alive(postgres));
    let ended = running.end_with(Signal::SIGTERM);
    assert_eq!(ended.code(), Some(0));
    assert!(!is_alive(postgres), "PostgreSQL was left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_takes_another_port_for_the_node_and_stops_on_sigint() {
    install_provider();
    // Whoever listens on the node's port, it is taken now.
    let _taken = std::net::TcpListener::bind(("127.0.0.1", 8545));
    let directory = data_dir();
    let mut running = up(directory.path());
    let node = running.word_after("node");
    assert!(node.starts_with("http://127.0.0.1:") && !node.ends_with(":8545"), "{node}");
    wait_for_height(&running, 51).await;

    let grpc = running.word_after("gRPC");
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{grpc}")).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let mut status = async || {
        let request = HealthCheckRequest { service: String::new() };
        health.check(request).await.unwrap().into_inner().status()
    };
    wait_until("gRPC says SERVING", async || status().await == ServingStatus::Serving).await;

    // Nobody but us looks after the private server.
    let killed = postmaster(directory.path()).expect("PostgreSQL runs");
    let reached = get(&running, "/v1/status").await["indexed_height"].as_i64().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    wait_until("a killed PostgreSQL is back and blocks go on", async || {
        let (_, text) = ask(&running, "/v1/status").await;
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        status["indexed_height"].as_i64() > Some(reached + 2)
    })
    .await;
    wait_until("gRPC says SERVING again", async || status().await == ServingStatus::Serving).await;

    let postgres = postmaster(directory.path()).expect("PostgreSQL runs");
    assert_ne!(postgres, killed);
    assert_eq!(running.end_with(Signal::SIGINT).code(), Some(0));
    assert!(!is_alive(postgres), "PostgreSQL was left behind");
}
