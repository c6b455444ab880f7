//! Taking connections in, as many as there is room for, and letting them go in the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::clients::Clients;
use super::connection;
use super::limits::{ConnectionLimits, protocols};
use super::tls::Tls;

/// How long requests in flight may go on after the stop signal.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Pause after the system refused us a connection, for want of file descriptors for instance:
/// asking again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections in.
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    clients: Arc<Clients>,
    places: Arc<Semaphore>,
    places_max: u32,
}

/// What all connections need.
pub(super) struct Shared {
    pub(super) protocols: Builder<TokioExecutor>,
    pub(super) limits: ConnectionLimits,
    tls: Option<Tls>,
    /// Finish what is under way.
    pub(super) stop: CancellationToken,
    /// The drain time is over.
    pub(super) end: CancellationToken,
}

impl Acceptor {
    /// `proxies` may have as many connections as there are.
    pub(crate) fn new(limits: ConnectionLimits, proxies: Vec<IpNet>, tls: Option<Tls>) -> Self {
        let places_max = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
        let places = usize::try_from(places_max).unwrap_or(limits.connections_max);
        Self {
            clients: Arc::new(Clients::new(limits.per_client_max, proxies)),
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            places_max,
            shared: Arc::new(Shared {
                protocols: protocols(),
                limits,
                tls,
                stop: CancellationToken::new(),
                end: CancellationToken::new(),
            }),
        }
    }

    /// Serves until `shutdown` ends and what was under way then has ended, too, or its time is up.
    pub(crate) async fn run(
        self,
        listener: TcpListener,
        router: Router,
        shutdown: impl Future<Output = ()>,
    ) {
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = shutdown.as_mut() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take_in(stream, peer, &router),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    refused("accept");
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    tokio::select! {
                        () = shutdown.as_mut() => break,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        // New clients are to be refused by the system, not to wait for us.
        drop(listener);
        self.drain().await;
    }

    async fn drain(&self) {
        self.shared.stop.cancel();
        let all = self.places.acquire_many(self.places_max);
        if tokio::time::timeout(DRAIN_MAX, all).await.is_err() {
            tracing::warn!("connections were still open after the drain time; closing them");
        }
        self.shared.end.cancel();
    }

    fn take_in(&self, stream: TcpStream, peer: SocketAddr, router: &Router) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return refused("connections");
        };
        let Some(counted) = self.clients.enter(peer.ip()) else {
            return refused("connections_of_client");
        };
        // Answers are written whole: waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let (shared, router) = (Arc::clone(&self.shared), router.clone());
        tokio::spawn(async move {
            shared.serve(stream, peer, router).await;
            drop((place, counted));
        });
    }
}

impl Shared {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, router: Router) {
        let Some(tls) = &self.tls else {
            return connection::serve(stream, peer, router, self).await;
        };
        let time = self.limits.head_time_max;
        match tokio::time::timeout(time, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => connection::serve(stream, peer, router, self).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                refused("tls");
            }
            Err(_) => refused("slow_head"),
        }
    }
}

/// Whether only the connection that was to be accepted is concerned.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Counts a connection that was not taken in, or was ended because of its client.
pub(super) fn refused(why: &'static str) {
    metrics::counter!("chert_connections_refused_total", "why" => why).increment(1);
}
