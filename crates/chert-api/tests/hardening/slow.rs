//! Slow clients, and too many of them.

use std::time::Duration;

use chert_api::ConnectionLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, answer, assert_well, exchange, limits, metric, rest_of, serve, status_of};

const SHORT: Duration = Duration::from_millis(200);
const SLOW_HEADS: &str = "chert_connections_refused_total{why=\"slow_head\"}";
const STALLED: &str = "chert_connections_refused_total{why=\"stalled\"}";
const GET: &[u8] = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn heads_that_do_not_end_are_cut_off() {
    let server = serve(ConnectionLimits { head_time_max: SHORT, ..limits() }).await;
    // Nothing at all, the half of each protocol's beginning, and a head that goes on for ever.
    for beginning in ["", "PRI * HT", "GET /health HT", "GET /health HTTP/1.1\r\nhost: x\r\n"] {
        assert_eq!(exchange(server, beginning).await, b"", "{beginning:?}");
    }
    let mut stream = TcpStream::connect(server).await.unwrap();
    let dripping = async {
        stream.write_all(b"GET /health HTTP/1.1\r\n").await?;
        loop {
            stream.write_all(b"x: y\r\n").await?;
            tokio::time::sleep(SHORT / 4).await;
        }
    };
    let outcome: std::io::Result<()> = tokio::time::timeout(PATIENCE, dripping).await.unwrap();
    outcome.expect_err("it must be cut off");
    // A second request on a good connection.
    let mut second = TcpStream::connect(server).await.unwrap();
    second.write_all(GET).await.unwrap();
    assert!(second.read(&mut [0; 4096]).await.unwrap() > 0);
    second.write_all(b"GET /hea").await.unwrap();
    rest_of(&mut second).await;
    assert!(metric(server, SLOW_HEADS).await >= 6.0);
    assert_well(server).await;
}

#[tokio::test]
async fn bodies_that_do_not_come_are_answered_408() {
    let server = serve(ConnectionLimits { body_time_max: SHORT, ..limits() }).await;
    for head in
        ["content-length: 20\r\n\r\n{\"jsonrpc\"", "transfer-encoding: chunked\r\n\r\n5\r\n{"]
    {
        let request = format!("POST /jsonrpc HTTP/1.1\r\nhost: x\r\n{head}");
        let answer = answer(server, request).await;
        assert_eq!(status_of(&answer), 408, "{answer}");
        assert!(answer.contains("urn:chert:problem:body-too-slow"), "{answer}");
    }
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = serve(ConnectionLimits { idle_time_max: SHORT, ..limits() }).await;
    let answer = answer(server, GET).await;
    assert_eq!(status_of(&answer), 200, "kept alive, and closed when nothing followed");
}

#[tokio::test]
async fn who_does_not_take_its_answer_is_cut_off() {
    let server = serve(ConnectionLimits { stall_time_max: SHORT, ..limits() }).await;
    let mut stream = TcpStream::connect(server).await.unwrap();
    // More than all buffers between us hold.
    let many = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(400);
    stream.write_all(&many).await.unwrap();
    let cut = async {
        while metric(server, STALLED).await < 1.0 {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("it must be cut off");
    assert_well(server).await;
}

#[tokio::test]
async fn a_client_has_so_many_connections() {
    let server = serve(ConnectionLimits { per_client_max: 3, ..limits() }).await;
    // One at a time, so that it is known which were taken in.
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(GET).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        open.push(stream);
    }
    assert_eq!(exchange(server, GET).await, b"", "the fourth is closed unheard");
    drop(open.pop());
    let again = async {
        while exchange(server, "GET /health HTTP/1.0\r\n\r\n").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("a place that was given up is free");
    drop(open);
    let refused = "chert_connections_refused_total{why=\"connections_of_client\"}";
    let seen = async {
        while metric(server, refused).await < 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("refusals are counted");
}

#[tokio::test]
async fn all_clients_together_have_so_many() {
    let server = serve(ConnectionLimits { connections_max: 2, ..limits() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(GET).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        open.push(stream);
    }
    assert_eq!(exchange(server, GET).await, b"");
    for stream in &mut open {
        stream.write_all(GET).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0, "those inside are served");
    }
}
