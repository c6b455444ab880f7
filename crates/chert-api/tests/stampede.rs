//! Ten thousand requests for one key that nobody has read yet: one question to the database.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod support;

use std::time::Duration;

use futures::future::join_all;
use support::{TestServer, settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 200;
const PATH: &str = "/v1/explorer/block/2";
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND datname = current_database()";

/// Statements of the store so far that read a block.
async fn reads(server: &TestServer) -> u64 {
    let text = String::from_utf8(server.get("/metrics").await.bytes).unwrap();
    let counts = text.lines().filter(|line| {
        line.starts_with("chert_store_query_seconds_count{statement=\"")
            && line.contains("_block_by_")
    });
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Sends its share of the requests at once, then reads all answers.
async fn ask(address: String) -> Vec<(String, String)> {
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let share = REQUESTS / CONNECTIONS;
    let one = format!("GET {PATH} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let last = format!("GET {PATH} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all((one.repeat(share - 1) + &last).as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let answers = text.split("HTTP/1.1 ").skip(1).map(|answer| {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        assert!(head.starts_with("200 "), "{head}");
        (tag.to_owned(), body.to_owned())
    });
    answers.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_for_a_cold_key_are_one_query() {
    let patient = chert_api::ApiSettings { request_timeout: Duration::from_secs(60), ..settings() };
    let server = TestServer::start_with(40, 2, patient).await;
    let before = reads(&server).await;
    // The one query waits here until everybody has asked.
    let mut gate = server.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE blocks IN ACCESS EXCLUSIVE MODE").execute(&mut *gate).await.unwrap();
    let address = server.base.trim_start_matches("http://").to_owned();
    let asking = tokio::spawn(join_all((0..CONNECTIONS).map(|_| ask(address.clone()))));
    let waiting =
        async || sqlx::query_scalar::<_, i64>(WAITING).fetch_one(&server.pool).await.unwrap();
    while waiting().await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Not needed for the outcome; it lets more of them wait for the same answer.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(waiting().await, 1);
    gate.rollback().await.unwrap();
    let answers = asking.await.unwrap().concat();
    assert_eq!(answers.len(), REQUESTS);
    assert_eq!(reads(&server).await - before, 1);
    let first = &answers[0];
    assert!(first.1.contains("\"height\":2"), "{first:?}");
    assert!(answers.iter().all(|answer| answer == first));
}
