//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::stream::{FuturesUnordered, StreamExt};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::Service;

use super::accept::{Shared, refused};
use super::activity::{Activity, Verdict, Watch};

/// Serves one connection until it ends or is to be ended.
pub(super) async fn serve<S>(stream: S, peer: SocketAddr, router: Router, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let mut watch = Watch::new(Arc::clone(&activity), shared.limits.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let exchange = activity.begin(request.version());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        // The router is always ready, and cloning it counts a reference.
        let answering = router.clone().call(request);
        async move {
            let response = match answering.await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let (parts, body) = response.into_parts();
            let body = exchange.answer(&parts.headers, body);
            Ok::<_, Infallible>(hyper::Response::from_parts(parts, body))
        }
    });
    let mut connection = pin!(shared.protocols.serve_connection(io, service));
    // Polled only when one of them has come: the requests do not pay for the watching.
    let mut events = FuturesUnordered::from_iter([next_event(watch.every(), shared, false)]);
    let mut closing = false;
    loop {
        let event = tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    note(error.as_ref());
                }
                return;
            }
            Some(event) = events.next() => event,
        };
        let close = match event {
            Event::End => return,
            Event::Stop => true,
            Event::Look => match watch.look() {
                Verdict::Fine => false,
                Verdict::Cut(why) => return refused(why),
                // Asked to close and still here: it does not listen.
                Verdict::Idle if closing => return,
                Verdict::Idle => true,
            },
        };
        if close && !closing {
            closing = true;
            connection.as_mut().graceful_shutdown();
        }
        events.push(next_event(watch.every(), shared, closing));
    }
}

/// What ends a connection, apart from itself.
enum Event {
    /// It is time to look what it does.
    Look,
    /// The server stops: finish what is under way.
    Stop,
    /// Now.
    End,
}

async fn next_event(after: Duration, shared: &Shared, closing: bool) -> Event {
    tokio::select! {
        () = tokio::time::sleep(after) => Event::Look,
        () = shared.stop.cancelled(), if !closing => Event::Stop,
        () = shared.end.cancelled() => Event::End,
    }
}

/// Counts a connection that ended because of what its client sent. One that was merely broken off
/// is everyday.
fn note(error: &(dyn std::error::Error + Send + Sync + 'static)) {
    tracing::debug!(error, "a connection ended with an error");
    let Some(error) = error.downcast_ref::<hyper::Error>() else { return };
    let broken_off = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    let io = std::error::Error::source(error).is_some_and(|source| source.is::<io::Error>());
    if !broken_off && !io {
        refused("protocol");
    }
}

/// A stream that says when something moves on it.
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.read();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn count(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => self.activity.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.blocked(),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.count(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
