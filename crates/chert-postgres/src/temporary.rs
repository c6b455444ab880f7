//! A server that leaves nothing behind: for tests, benchmarks and code generation.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{Options, PostgresError, PrivatePostgres};

/// Directories are named `<PREFIX><pid>-<random>`, so that those of killed processes are known.
const PREFIX: &str = "chert-pg-";
const SHARED_BUFFERS_MB: u32 = 128;

/// A private PostgreSQL without durability, whose data is deleted when it is dropped.
#[derive(Debug)]
pub struct TemporaryPostgres {
    // The order matters: the server stops before its directory goes.
    server: PrivatePostgres,
    _directory: TempDir,
}

impl TemporaryPostgres {
    /// Starts an empty server in the temporary directory, about half a second.
    pub async fn start(max_connections: u32) -> Result<Self, PostgresError> {
        let root = std::env::temp_dir();
        sweep(&root);
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in(&root)
            .map_err(PostgresError::io("create a directory in", &root))?;
        let server = PrivatePostgres::start(Options {
            data_dir: directory.path().join("data"),
            durable: false,
            port: None,
            max_connections,
            shared_buffers_mb: SHARED_BUFFERS_MB,
            // No checkpoint interrupts a bulk load.
            extra: vec![("max_wal_size".to_owned(), "4GB".to_owned())],
        })
        .await?;
        Ok(Self { server, _directory: directory })
    }
}

impl Deref for TemporaryPostgres {
    type Target = PrivatePostgres;
    fn deref(&self) -> &PrivatePostgres {
        &self.server
    }
}

impl DerefMut for TemporaryPostgres {
    fn deref_mut(&mut self) -> &mut PrivatePostgres {
        &mut self.server
    }
}

/// Deletes what processes that were killed have left, once their server is gone too.
fn sweep(root: &Path) {
    for directory in leftovers(root) {
        // Another test process may be sweeping the same one.
        let _ = std::fs::remove_dir_all(directory);
    }
}

fn leftovers(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            let server = crate::postmaster::read(&path.join("data")).map(|file| file.pid);
            owner.and_then(|pid| pid.parse().ok()).is_some_and(is_dead)
                && server.is_none_or(is_dead)
        })
        .collect()
}

fn is_dead(pid: i32) -> bool {
    pid > 1 && kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_those_of_dead_processes() {
        let root = tempfile::tempdir().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let gone = root.path().join(format!("{PREFIX}{}-abc", dead.id()));
        let alive = root.path().join(format!("{PREFIX}{}-abc", std::process::id()));
        let other = root.path().join("something-else");
        for directory in [&gone, &alive, &other] {
            std::fs::create_dir(directory).unwrap();
        }
        assert_eq!(leftovers(root.path()), vec![gone]);
    }
}
