//! A way to PostgreSQL that does not wait.
//!
//! sqlx 0.9 never sets `TCP_NODELAY`. A COPY is several writes before an answer, so Nagle's
//! algorithm holds the last one back until the server's delayed acknowledgement: 40 ms for every
//! COPY, six times per commit. sqlx offers no way to the socket; so the writer's one session goes
//! through a Unix socket of our own, and from there over TCP with the option set. Measured: a live
//! batch took 240 ms before and single milliseconds after (`docs/performance.md`).

use std::path::Path;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::{PoolSettings, StoreError};

const BUFFER_BYTES: usize = 128 * 1024;

/// Carries one session; ends with it, or when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Readable by this user only, as temporary directories are.
    directory: TempDir,
    task: JoinHandle<()>,
}

impl Relay {
    /// Connects to the server and waits for the session to come through [`Relay::directory`].
    pub(crate) async fn open(host: &str, port: u16) -> std::io::Result<Self> {
        let server = TcpStream::connect((host, port)).await?;
        server.set_nodelay(true)?;
        let directory = tempfile::Builder::new().prefix("chert-relay-").tempdir()?;
        // The name under which PostgreSQL's clients look for a socket in a directory.
        let listener = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{port}")))?;
        let task = tokio::spawn(async move {
            let Ok((session, _)) = listener.accept().await else { return };
            drop(listener);
            carry(session, server).await;
        });
        Ok(Self { directory, task })
    }

    /// What to give as the socket directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut session: UnixStream, mut server: TcpStream) {
    let carried =
        copy_bidirectional_with_sizes(&mut session, &mut server, BUFFER_BYTES, BUFFER_BYTES);
    if let Err(error) = carried.await {
        // The session sees the same and says it better.
        tracing::debug!(%error, "a relayed connection broke");
    }
}

/// Relays for every connection of a pool; ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Hub(#[expect(dead_code, reason = "held for its Drop")] Arc<Relay>);

impl Hub {
    /// Options that lead to the same server through the hub; as they are, and without a hub, where
    /// the server is reached by a Unix socket. Must be called inside a Tokio runtime.
    pub(crate) fn around(
        options: PgConnectOptions,
    ) -> std::io::Result<(PgConnectOptions, Option<Self>)> {
        if options.get_socket().is_some() || options.get_host().starts_with('/') {
            return Ok((options, None));
        }
        let (host, port) = (options.get_host().to_owned(), options.get_port());
        let directory = tempfile::Builder::new().prefix("chert-relay-").tempdir()?;
        let listener = UnixListener::bind(directory.path().join(format!(".s.PGSQL.{port}")))?;
        let task = tokio::spawn(async move {
            // The pool bounds how many there are.
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((session, _)) = listener.accept().await {
                while sessions.try_join_next().is_some() {}
                let host = host.clone();
                sessions.spawn(async move {
                    // A session that cannot be carried is closed, which its owner sees.
                    match TcpStream::connect((host.as_str(), port)).await {
                        Ok(server) if server.set_nodelay(true).is_ok() => {
                            carry(session, server).await
                        }
                        Ok(_) => {}
                        Err(error) => tracing::debug!(%error, "the database cannot be reached"),
                    }
                });
            }
        });
        let options = options.socket(directory.path());
        Ok((options, Some(Self(Arc::new(Relay { directory, task })))))
    }
}

/// A session of its own, through a [`Relay`] where the server is reached by TCP.
pub(crate) async fn connect(
    settings: &PoolSettings,
) -> Result<(PgConnection, Option<Relay>), StoreError> {
    let options = settings.connect_options()?;
    if options.get_socket().is_some() || options.get_host().starts_with('/') {
        return Ok((PgConnection::connect_with(&options).await?, None));
    }
    let relay =
        Relay::open(options.get_host(), options.get_port()).await.map_err(sqlx::Error::Io)?;
    let options = options.socket(relay.directory());
    Ok((PgConnection::connect_with(&options).await?, Some(relay)))
}
