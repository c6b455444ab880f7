//! `postmaster.pid`: what a server says about itself, and what a dead one left behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::PostgresError;

/// How long a predecessor gets to stop by itself (its parent's death has already told it to).
const GRACE: Duration = Duration::from_secs(3);
/// How long each signal gets after that.
const SIGNAL_WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// What `postmaster.pid` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    /// The server accepts connections.
    pub(crate) ready: bool,
}

/// Reads `postmaster.pid`; `None` when there is none, or it is only half written.
pub(crate) fn read(data_dir: &Path) -> Option<PidFile> {
    parse(&fs::read_to_string(data_dir.join("postmaster.pid")).ok()?)
}

/// Line 1 is the pid, line 8 the status (`starting`, `stopping`, `ready`, padded with spaces).
fn parse(text: &str) -> Option<PidFile> {
    let pid = text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
    let ready = text.lines().nth(7).is_some_and(|status| status.trim() == "ready");
    Some(PidFile { pid, ready })
}

/// Makes sure that no earlier server runs on `data_dir`: waits for it to go, then stops that very
/// process. The caller holds the lock of the directory, so a server that is still there has lost
/// its parent. The file of a dead server needs nothing: PostgreSQL recognises it.
pub(crate) async fn stop_predecessor(data_dir: &Path) -> Result<(), PostgresError> {
    let Some(PidFile { pid, .. }) = read(data_dir) else {
        return Ok(());
    };
    if occupant(data_dir, pid) == Occupant::Stranger {
        // PostgreSQL would take any living process of its own user for its predecessor and refuse
        // to start; in containers, where pids repeat, that is what happens after a crash.
        let file = data_dir.join("postmaster.pid");
        return fs::remove_file(&file).map_err(PostgresError::io("remove", &file));
    }
    if gone(data_dir, pid, GRACE).await {
        return Ok(());
    }
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        tracing::warn!(pid, %signal, data_dir = %data_dir.display(), "stopping a left-over PostgreSQL");
        // It may have gone meanwhile, and a refusal shows as `StillRunning`.
        let _ = kill(Pid::from_raw(pid), signal);
        if gone(data_dir, pid, SIGNAL_WAIT).await {
            return Ok(());
        }
    }
    Err(PostgresError::StillRunning { data_dir: data_dir.to_owned(), pid })
}

async fn gone(data_dir: &Path, pid: i32, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while occupant(data_dir, pid) == Occupant::Postgres {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

/// Who has the pid that `postmaster.pid` names.
#[derive(Debug, PartialEq, Eq)]
enum Occupant {
    /// Nobody, or a process that we may not look at and that is therefore not of our making.
    Nobody,
    /// A PostgreSQL whose working directory is the data directory.
    Postgres,
    /// Another program: after a reboot the pid in an old file may be anybody's.
    Stranger,
}

fn occupant(data_dir: &Path, pid: i32) -> Occupant {
    if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) {
        return Occupant::Nobody;
    }
    let process = Path::new("/proc").join(pid.to_string());
    let (Ok(working_dir), Ok(name), Ok(data_dir)) = (
        fs::read_link(process.join("cwd")),
        fs::read_to_string(process.join("comm")),
        fs::canonicalize(data_dir),
    ) else {
        return Occupant::Nobody;
    };
    if working_dir == data_dir && name.trim().starts_with("postgres") {
        Occupant::Postgres
    } else {
        Occupant::Stranger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reads_the_file_in_every_state() {
        let file = "4711\n/data\n1700000000\n5432\n\n127.0.0.1\n  123  456\nready   \n";
        assert_eq!(parse(file), Some(PidFile { pid: 4711, ready: true }));
        let starting = file.replace("ready   ", "starting");
        assert_eq!(parse(&starting), Some(PidFile { pid: 4711, ready: false }));
        assert_eq!(parse("4711\n/data\n"), Some(PidFile { pid: 4711, ready: false }));
        // Signalling 0, 1 or a negative number would hit groups of processes.
        for text in ["", "0\n", "1\n", "-4711\n", "x\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[tokio::test]
    async fn stop_predecessor_forgets_a_stranger_with_the_same_pid() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        stop_predecessor(dir.path()).await.unwrap();
        assert!(!file.exists());
    }
}
