//! The server process: start, restart, stop, crash.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use std::os::unix::process::CommandExt;

use crate::child::{Supervised, dies_with_parent};
use crate::cluster::{Cluster, text_of};
use crate::port::{free_port, is_free};
use crate::{PostgresError, SUPERUSER, log, postmaster};

/// Start-up includes crash recovery, which has work to do after a busy night.
const START_WAIT: Duration = Duration::from_secs(60);
/// A fast shutdown writes a checkpoint.
const STOP_WAIT: Duration = Duration::from_secs(60);
/// Dropping blocks its thread, so it has less patience.
const DROP_WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);
/// A start is tried again when the port was taken between our look and the server's, or when the
/// backends of a killed server still hold its shared memory.
const START_ATTEMPTS_MAX: u32 = 6;
const START_RETRY_DELAY: Duration = Duration::from_millis(500);

/// How to run a private PostgreSQL.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the data lives; made by `initdb` when absent or empty. The log (`<data_dir>.log`)
    /// and the lock (`<data_dir>.lock`) are beside it.
    pub data_dir: PathBuf,
    /// `false` trades every durability guarantee for speed: for tests only.
    pub durable: bool,
    /// `None`: a free port, which then stays the same over [`PrivatePostgres::restart`].
    pub port: Option<u16>,
    /// `max_connections`.
    pub max_connections: u32,
    /// `shared_buffers`, in MiB.
    pub shared_buffers_mb: u32,
    /// More settings, which win over those made here.
    pub extra: Vec<(String, String)>,
}

impl Options {
    /// The `name=value` pairs for the command line of `postgres`.
    fn settings(&self, port: u16) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            // No socket: its path would have a length limit and need a directory of its own.
            "unix_socket_directories=".to_owned(),
            format!("max_connections={}", self.max_connections),
            format!("shared_buffers={}MB", self.shared_buffers_mb),
            "logging_collector=off".to_owned(),
            "log_destination=stderr".to_owned(),
            // The log file is ours to bound: no line for every checkpoint.
            "log_checkpoints=off".to_owned(),
            "timezone=UTC".to_owned(),
        ];
        if !self.durable {
            let fast = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
            settings.extend(fast.map(str::to_owned));
        }
        settings.extend(self.extra.iter().map(|(name, value)| format!("{name}={value}")));
        settings
    }
}

/// A running PostgreSQL that belongs to this process. It stops when dropped (best effort: waits
/// up to five seconds) and, where `setpriv` is installed, when this process dies in any way.
#[derive(Debug)]
pub struct PrivatePostgres {
    cluster: Cluster,
    options: Options,
    port: u16,
    /// The last process, which may have ended.
    server: Supervised,
}

impl PrivatePostgres {
    /// Starts PostgreSQL on the data directory and waits until it accepts connections. A server
    /// that an earlier process of ours left there is stopped first.
    pub async fn start(options: Options) -> Result<Self, PostgresError> {
        let cluster = Cluster::prepare(&options.data_dir, options.durable).await?;
        postmaster::stop_predecessor(&cluster.data_dir).await?;
        let (server, port) = launch(&cluster, &options, options.port).await?;
        Ok(Self { cluster, options, port, server })
    }

    /// The URL of a database on this server, for the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> i32 {
        self.server.pid()
    }

    /// Whether the postmaster is still there.
    pub fn is_running(&self) -> bool {
        self.server.exit_status().is_none()
    }

    /// Where the server logs to.
    pub fn log_path(&self) -> &std::path::Path {
        &self.cluster.log
    }

    /// Makes a database, unless it exists, with PostgreSQL's own `createdb`.
    pub async fn ensure_database(&self, name: &str) -> Result<(), PostgresError> {
        let failed = |output: String| PostgresError::Client { program: "createdb", output };
        let output = tokio::process::Command::new(self.cluster.binaries.join("createdb"))
            .args(["--host", "127.0.0.1", "--username", SUPERUSER, "--no-password"])
            .args(["--maintenance-db", "postgres", "--port", &self.port.to_string()])
            .args(["--", name])
            .env("LC_ALL", "C")
            .output()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let text = text_of(&output);
        if output.status.success() || text.contains("already exists") {
            return Ok(());
        }
        Err(failed(text))
    }

    /// Fast shutdown: ends sessions, writes everything, waits for the process.
    pub async fn stop(self) -> Result<(), PostgresError> {
        self.shut_down().await
    }

    /// Fast shutdown and start again, on the same port. Also starts a killed server.
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        self.shut_down().await?;
        let (server, port) = launch(&self.cluster, &self.options, Some(self.port)).await?;
        (self.server, self.port) = (server, port);
        Ok(())
    }

    /// Immediate shutdown without a checkpoint: for clients and data the same as a crash.
    /// [`Self::restart`] recovers.
    pub async fn kill(&mut self) {
        self.server.signal(Signal::SIGQUIT);
        self.server.ended().await;
    }

    async fn shut_down(&self) -> Result<(), PostgresError> {
        self.server.signal(Signal::SIGINT);
        if tokio::time::timeout(STOP_WAIT, self.server.ended()).await.is_ok() {
            return Ok(());
        }
        self.server.signal(Signal::SIGQUIT);
        self.server.ended().await;
        Err(PostgresError::StopTimedOut { seconds: STOP_WAIT.as_secs() })
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.server.signal(Signal::SIGINT);
        if !self.server.wait_blocking(DROP_WAIT) {
            tracing::warn!(pid = self.pid(), "PostgreSQL is still shutting down");
        }
    }
}

/// Starts the server on the wanted port, or on a free one, and waits until it is ready.
async fn launch(
    cluster: &Cluster,
    options: &Options,
    wanted: Option<u16>,
) -> Result<(Supervised, u16), PostgresError> {
    let mut attempt = 1;
    loop {
        let port = match wanted {
            Some(port) => port,
            None => free_port().map_err(PostgresError::io("find a port for", &cluster.data_dir))?,
        };
        let result = launch_once(cluster, options, port).await;
        let Err(PostgresError::Start { tail, .. }) = &result else {
            return result.map(|server| (server, port));
        };
        let taken = tail.contains("Address already in use") || !is_free(port);
        let passing = taken || tail.contains("pre-existing shared memory block");
        if !passing {
            return result.map(|server| (server, port));
        }
        if attempt == START_ATTEMPTS_MAX {
            let error = PostgresError::PortTaken { port };
            return if taken { Err(error) } else { result.map(|server| (server, port)) };
        }
        attempt += 1;
        tokio::time::sleep(START_RETRY_DELAY).await;
    }
}

async fn launch_once(
    cluster: &Cluster,
    options: &Options,
    port: u16,
) -> Result<Supervised, PostgresError> {
    let (log_file, log_start) = log::open(&cluster.log)?;
    let stderr = log_file.try_clone().map_err(PostgresError::io("open", &cluster.log))?;
    let mut command: Command = dies_with_parent(&cluster.binaries.join("postgres"), "INT");
    cluster.account.apply(&mut command);
    command.arg("-D").arg(&cluster.data_dir);
    for setting in options.settings(port) {
        command.args(["-c", &setting]);
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log_file)
        .stderr(stderr)
        // A Ctrl-C in the terminal is for us: we finish our work before we stop the database.
        .process_group(0);
    let server = Supervised::spawn(command)
        .map_err(PostgresError::io("run postgres for", &cluster.data_dir))?;

    let failed = |reason: String| PostgresError::Start {
        reason,
        log: cluster.log.clone(),
        tail: log::tail(&cluster.log, log_start),
    };
    let deadline = Instant::now() + START_WAIT;
    loop {
        if let Some(status) = server.exit_status() {
            return Err(failed(format!("the process ended with {status}")));
        }
        // A file of an earlier server has another pid.
        let file = postmaster::read(&cluster.data_dir);
        if file.is_some_and(|file| file.ready && file.pid == server.pid())
            && tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        {
            return Ok(server);
        }
        if Instant::now() >= deadline {
            // Nobody would own it after this error.
            server.signal(Signal::SIGQUIT);
            server.ended().await;
            return Err(failed(format!("not ready after {} s", START_WAIT.as_secs())));
        }
        tokio::time::sleep(POLL).await;
    }
}
