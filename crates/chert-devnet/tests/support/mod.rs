//! A plain HTTP client over a raw socket: faults happen below what a real client shows.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::time::Duration;

use chert_devnet::{Chain, ChainConfig, Profile, Server, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer of these tests takes, shorter than a patient developer.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub fn result(&self) -> Value {
        let mut answer = self.json();
        assert!(answer.get("error").is_none(), "unexpected error: {answer}");
        answer["result"].take()
    }
}

pub fn chain(seed: u64, history: u64, profile: Profile) -> Chain {
    Chain::new(ChainConfig { seed, history, profile, ..ChainConfig::default() })
}

pub async fn serve(chain: &Chain, config: ServerConfig) -> Server {
    Server::start(chain.clone(), config).await.expect("a free port")
}

pub async fn connect(server: &Server) -> TcpStream {
    let addr = server.url().trim_start_matches("http://").to_owned();
    TcpStream::connect(addr).await.expect("a connection")
}

pub async fn send(stream: &mut TcpStream, verb: &str, path: &str, body: &str) {
    let head = format!(
        "{verb} {path} HTTP/1.1\r\nHost: devnet\r\nConnection: close\r\nOrigin: http://page\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the head is sent");
    stream.write_all(body.as_bytes()).await.expect("the body is sent");
}

/// `None` if the connection ends before a whole head.
pub async fn exchange(server: &Server, verb: &str, path: &str, body: &str) -> Option<Reply> {
    let mut stream = connect(server).await;
    send(&mut stream, verb, path, body).await;
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset after the answer is as good an end as any.
    let _ = read.expect("an answer in time");
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok())?;
    Some(Reply { status, head, body: bytes[end + 4..].to_vec() })
}

pub async fn post(server: &Server, body: &str) -> Reply {
    exchange(server, "POST", "/jsonrpc", body).await.expect("an answer")
}

pub async fn call(server: &Server, method: &str, params: Value) -> Reply {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    post(server, &request.to_string()).await
}

/// `GET` from any server of this crate, with these header lines (each ending with CR LF).
pub async fn get(url: &str, path: &str, headers: &str) -> Option<Reply> {
    let addr = url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    let head = format!("GET {path} HTTP/1.1\r\nHost: oracle\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the head is sent");
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("an answer in time");
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok())?;
    let mut body = bytes[end + 4..].to_vec();
    if head.contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Some(Reply { status, head, body })
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|part| part == b"\r\n") {
        let digits = String::from_utf8_lossy(&body[..end]).into_owned();
        let size = usize::from_str_radix(digits.trim(), 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    out
}
