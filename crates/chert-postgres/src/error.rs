//! Everything that can go wrong around a private PostgreSQL, each with its remedy.

use std::io;
use std::path::{Path, PathBuf};

/// Why a private PostgreSQL could not be started, stopped or found.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No directory with `initdb` and `postgres` of a version that we support.
    #[error(
        "PostgreSQL 15 or newer was not found{detail}; install it with: apt-get install postgresql \
         (or point CHERT_PG_BIN to the directory that holds initdb and postgres)"
    )]
    NotFound {
        /// What was found instead, empty or starting with a space.
        detail: String,
    },
    /// The data directory belongs to a major version whose binaries are not installed.
    #[error(
        "{} was made by PostgreSQL {wanted}, which is not installed; install it with: apt-get \
         install postgresql-{wanted}, or move the directory away to start with an empty database",
        data_dir.display()
    )]
    VersionMismatch {
        /// The data directory.
        data_dir: PathBuf,
        /// The major version that made it.
        wanted: u32,
    },
    /// We are root and the account that PostgreSQL should run as does not exist.
    #[error(
        "PostgreSQL refuses to run as root and {tried} does not exist; create an account with: \
         useradd --system postgres, or name one in CHERT_PG_USER"
    )]
    NoAccount {
        /// The accounts that were looked for.
        tried: String,
    },
    /// A parent of the data directory is closed to the account that PostgreSQL runs as.
    #[error(
        "the user {user} cannot pass through {} to reach the data directory {}; use a data \
         directory that every user can reach, such as /var/lib/chert, or run: chmod o+x {}",
        blocked.display(), data_dir.display(), blocked.display()
    )]
    Unreachable {
        /// The account that PostgreSQL runs as.
        user: String,
        /// The closed directory.
        blocked: PathBuf,
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The data directory has files in it that are not a PostgreSQL cluster.
    #[error(
        "{} is not empty and is not a PostgreSQL data directory; choose another data directory \
         or empty this one",
        data_dir.display()
    )]
    NotACluster {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Another process of ours holds the data directory.
    #[error(
        "another chert process is using the data directory {}; stop it, or choose another data \
         directory",
        data_dir.display()
    )]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// A PostgreSQL that we did not start and could not stop runs on the data directory.
    #[error(
        "process {pid} still runs PostgreSQL on {} and does not stop; stop it with: kill -INT {pid}",
        data_dir.display()
    )]
    StillRunning {
        /// The data directory.
        data_dir: PathBuf,
        /// The postmaster.
        pid: i32,
    },
    /// The port that was asked for is taken.
    #[error(
        "port {port} on 127.0.0.1 is in use by another program; stop it or choose another port"
    )]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// `initdb` failed.
    #[error("initdb could not make a database cluster in {}: {output}", data_dir.display())]
    Initdb {
        /// The data directory.
        data_dir: PathBuf,
        /// What initdb printed.
        output: String,
    },
    /// PostgreSQL ended while it was starting, or did not become ready in time.
    #[error(
        "PostgreSQL did not start: {reason}; the end of its log ({}) says:\n{tail}",
        log.display()
    )]
    Start {
        /// What we saw.
        reason: String,
        /// The log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A fast shutdown took too long; the server was stopped the hard way and will recover its
    /// data from the write-ahead log at the next start.
    #[error(
        "PostgreSQL took more than {seconds} s to shut down and was stopped immediately; nothing \
         is lost: the next start recovers from the write-ahead log"
    )]
    StopTimedOut {
        /// How long we waited.
        seconds: u64,
    },
    /// A client program of PostgreSQL failed.
    #[error("{program} failed: {output}; look at the log of the server beside its data directory")]
    Client {
        /// The program.
        program: &'static str,
        /// What it printed.
        output: String,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}; check the permissions and the free space", path.display())]
    Io {
        /// What we tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

impl PostgresError {
    /// For `map_err`: names the action and the path that an I/O error is about.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
