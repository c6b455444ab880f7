//! A listener whose connections can be cut: by a fault that ends without an answer, and
//! by a shutdown that does not wait for clients that keep theirs open.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// More clients than this wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

pub(crate) struct Listener {
    tcp: TcpListener,
    stop: CancellationToken,
    slots: Arc<Semaphore>,
}

impl Listener {
    pub(crate) async fn bind(addr: SocketAddr, stop: CancellationToken) -> io::Result<Listener> {
        let tcp = TcpListener::bind(addr).await?;
        Ok(Listener { tcp, stop, slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)) })
    }

    pub(crate) fn addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            let slot = self.slots.clone().acquire_owned().await.ok();
            match self.tcp.accept().await {
                Ok((tcp, addr)) => {
                    if let Err(error) = tcp.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY was refused");
                    }
                    return (Stream::new(tcp, self.stop.child_token(), slot), addr);
                }
                Err(error) => {
                    // A client that left, or no file descriptors: neither ends a server.
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.addr()
    }
}

/// The handle of a connection, given to its handlers.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Cancelling it closes the connection, whatever is in flight.
    pub(crate) cut: CancellationToken,
}

impl Connected<IncomingStream<'_, Listener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Connection {
        Connection { cut: stream.io().cut.clone() }
    }
}

pub(crate) struct Stream {
    tcp: TcpStream,
    cut: CancellationToken,
    wait_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Stream {
    fn new(tcp: TcpStream, cut: CancellationToken, slot: Option<OwnedSemaphorePermit>) -> Stream {
        let wait_cut = Box::pin(cut.clone().cancelled_owned());
        Stream { tcp, cut, wait_cut, _slot: slot }
    }

    fn is_cut(&mut self, context: &mut Context<'_>) -> bool {
        self.cut.is_cancelled() || self.wait_cut.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
