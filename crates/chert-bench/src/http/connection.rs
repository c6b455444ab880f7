//! One keep-alive connection, asynchronous or blocking.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Head, Incoming};

/// No answer takes longer, or the run ends with an error.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// For the event loop.
pub(crate) struct Connection {
    stream: TcpStream,
    incoming: Incoming,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, incoming: Incoming::new() })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<Head> {
        self.stream.write_all(request).await?;
        self.incoming.clear();
        loop {
            let count = self.stream.read(self.incoming.space()?).await?;
            if let Some(head) = self.incoming.received(count)? {
                return Ok(head);
            }
        }
    }

    /// The same, for the body of a 200.
    pub(crate) async fn body(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        let head = tokio::time::timeout(ANSWER_WAIT, self.send(request)).await??;
        let body = self.incoming.body(head);
        anyhow::ensure!(
            head.status == 200,
            "{} answered {}: {}",
            String::from_utf8_lossy(request).lines().next().unwrap_or_default(),
            head.status,
            String::from_utf8_lossy(body)
        );
        Ok(body)
    }
}

/// For a thread of its own.
pub(super) struct BlockingConnection {
    stream: std::net::TcpStream,
    incoming: Incoming,
}

impl BlockingConnection {
    pub(super) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        Ok(Self { stream, incoming: Incoming::new() })
    }

    pub(super) fn send(&mut self, request: &[u8]) -> anyhow::Result<Head> {
        self.stream.write_all(request)?;
        self.incoming.clear();
        loop {
            let count = self.stream.read(self.incoming.space()?)?;
            if let Some(head) = self.incoming.received(count)? {
                return Ok(head);
            }
        }
    }
}
