//! A lean HTTP/1.1 client: prepared requests, keep-alive, answers measured and dropped.
//!
//! The same client loads every target, so that its cost is the same on both sides of a ratio.

mod closed;
mod connection;
mod flood;
mod open;

pub(crate) use closed::closed_loop;
pub(crate) use connection::Connection;
pub(crate) use flood::{Flooded, flood};
pub(crate) use open::{Series, open_loop};

use std::net::SocketAddr;

/// Largest accepted answer.
const RESPONSE_BYTES_MAX: usize = 64 << 20;
const BUFFER_BYTES: usize = 16 << 10;

/// A prepared GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\r\n").into_bytes()
}

/// A prepared JSON POST.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The same as a browser sends it, which takes compressed answers.
pub(crate) fn browser_post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         accept-encoding: gzip, deflate, br\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The address in `http://ADDRESS`.
pub(crate) fn address_of(url: &str) -> anyhow::Result<SocketAddr> {
    let text = url.strip_prefix("http://").unwrap_or(url);
    let address: SocketAddr = text.trim_end_matches('/').parse()?;
    anyhow::ensure!(address.ip().is_loopback(), "{address} is not this machine");
    Ok(address)
}

/// An answer in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Status code.
    pub(crate) status: u16,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Where it ends; of a chunked one, where it ends at the earliest.
    pub(crate) end: usize,
    chunked: bool,
}

/// The end of a chunked body without trailers.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Bytes received so far of one answer.
struct Incoming {
    bytes: Vec<u8>,
    filled: usize,
    head: Option<Head>,
}

impl Incoming {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES], filled: 0, head: None }
    }

    fn clear(&mut self) {
        self.filled = 0;
        self.head = None;
    }

    /// Where the next bytes go.
    fn space(&mut self) -> anyhow::Result<&mut [u8]> {
        if self.filled == self.bytes.len() {
            anyhow::ensure!(self.bytes.len() < RESPONSE_BYTES_MAX, "the answer is too large");
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        Ok(self.bytes.get_mut(self.filled..).unwrap_or_default())
    }

    /// Takes note of so many bytes; the head once the answer is complete.
    fn received(&mut self, count: usize) -> anyhow::Result<Option<Head>> {
        anyhow::ensure!(count > 0, "the server closed the connection");
        self.filled += count;
        if self.head.is_none() {
            self.head = parse_head(self.bytes.get(..self.filled).unwrap_or_default())?;
        }
        let received = self.bytes.get(..self.filled).unwrap_or_default();
        let complete = |head: &Head| {
            self.filled >= head.end && (!head.chunked || received.ends_with(LAST_CHUNK))
        };
        Ok(self.head.filter(complete))
    }

    fn body(&self, head: Head) -> &[u8] {
        self.bytes.get(head.body..head.end).unwrap_or_default()
    }
}

/// The head, once it is there.
fn parse_head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..at).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let status: u16 = status.ok_or_else(|| anyhow::anyhow!("not an HTTP answer: {text:?}"))?;
    let header = |wanted: &str| {
        let mut headers = lines.clone().filter_map(|line| line.split_once(':'));
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let chunked = header("transfer-encoding") == Some("chunked");
    let length = match header("content-length").map(str::parse::<usize>) {
        Some(length) => length?,
        None if chunked => LAST_CHUNK.len(),
        None => anyhow::bail!("no length in {text:?}"),
    };
    Ok(Some(Head { status, body: at + 4, end: at + 4 + length, chunked }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_in_pieces() {
        let answer = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 1..answer.len() {
            let mut incoming = Incoming::new();
            let (first, rest) = answer.split_at(cut);
            incoming.space().unwrap()[..first.len()].copy_from_slice(first);
            assert_eq!(incoming.received(first.len()).unwrap(), None, "cut at {cut}");
            incoming.space().unwrap()[..rest.len()].copy_from_slice(rest);
            let head = incoming.received(rest.len()).unwrap().unwrap();
            assert_eq!((head.status, incoming.body(head)), (200, &b"abc"[..]));
        }
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let mut incoming = Incoming::new();
        incoming.space().unwrap()[..chunked.len()].copy_from_slice(chunked);
        assert_eq!(incoming.received(chunked.len() - 1).unwrap(), None);
        assert_eq!(incoming.received(1).unwrap().unwrap().status, 200);
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse_head(b"nonsense\r\n\r\n").is_err());
    }
}
