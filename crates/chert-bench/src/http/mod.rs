//! A lean HTTP/1.1 client: prepared requests, keep-alive, answers measured and dropped.
//!
//! The same client loads every target, so that its cost is the same on both sides of a ratio.

mod closed;
mod connection;
mod open;

pub(crate) use closed::closed_loop;
pub(crate) use connection::Connection;
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
    /// Where it ends.
    pub(crate) end: usize,
}

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
        Ok(self.head.filter(|head| self.filled >= head.end))
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
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    let length = length.ok_or_else(|| anyhow::anyhow!("no content-length in {text:?}"))?;
    Ok(Some(Head { status, body: at + 4, end: at + 4 + length }))
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
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse_head(b"nonsense\r\n\r\n").is_err());
    }
}
