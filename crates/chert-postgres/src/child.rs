//! One child process, started and reaped by a thread of its own.
//!
//! `setpriv --pdeathsig` makes the kernel send SIGINT to PostgreSQL when its parent dies. "Parent"
//! means the *thread* that spawned it: a child spawned from a worker thread that ends would be
//! stopped for no reason. So the thread that spawns also waits, and lives as long as the child.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

/// Handle on a supervised child. Dropping it does not stop the child.
#[derive(Debug)]
pub(crate) struct Supervised {
    pid: Pid,
    state: Arc<State>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug)]
struct State {
    /// `Some` once the child has been reaped; its pid may belong to somebody else from then on.
    exit: Mutex<Option<ExitStatus>>,
    reaped: Condvar,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        // The lock guards one assignment: it is whole even if a holder panicked.
        self.exit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervised {
    /// Spawns `command` from a new thread and waits until it runs.
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let state = Arc::new(State { exit: Mutex::new(None), reaped: Condvar::new() });
        let (ended_sender, ended) = watch::channel(false);
        let (spawned_sender, spawned) = std::sync::mpsc::sync_channel(1);
        let thread_state = Arc::clone(&state);
        std::thread::Builder::new().name("postgres-parent".to_owned()).spawn(move || {
            match command.spawn() {
                // The receiver waits below, so sending cannot fail.
                Err(error) => drop(spawned_sender.send(Err(error))),
                Ok(child) => {
                    let _ = spawned_sender.send(Ok(child.id()));
                    reap(child, &thread_state);
                    ended_sender.send_replace(true);
                }
            }
        })?;
        let id = spawned.recv().map_err(io::Error::other)??;
        let pid = Pid::from_raw(i32::try_from(id).map_err(io::Error::other)?);
        Ok(Self { pid, state, ended })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// How the child ended, if it has.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        *self.state.lock()
    }

    /// Sends a signal, unless the child has ended. Never hits another process that got the same
    /// pid: the lock keeps the child from being reaped meanwhile.
    pub(crate) fn signal(&self, signal: Signal) {
        let exit = self.state.lock();
        if exit.is_none()
            && let Err(errno) = kill(self.pid, signal)
        {
            tracing::warn!(pid = self.pid(), %errno, "cannot signal PostgreSQL");
        }
    }

    /// Waits until the child has ended.
    pub(crate) async fn ended(&self) {
        // An error means that the sender is gone, which it is only after the child.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Blocks until the child has ended or the time is over; true when it has ended.
    pub(crate) fn wait_blocking(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut exit = self.state.lock();
        while exit.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.state.reaped.wait_timeout(exit, left);
            exit = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// Waits for the child without reaping it, then reaps it under the lock.
fn reap(mut child: Child, state: &State) {
    loop {
        wait_without_reaping(&child);
        let mut exit = state.lock();
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => {
                *exit = Some(status);
                state.reaped.notify_all();
                return;
            }
            // Somebody else reaped it, e.g. because SIGCHLD is ignored in this process.
            Err(_) => {
                *exit = Some(ExitStatus::default());
                state.reaped.notify_all();
                return;
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn wait_without_reaping(child: &Child) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    if let Ok(pid) = i32::try_from(child.id()) {
        // An interrupted wait is repeated by the caller's loop.
        let _ = waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    }
}

#[cfg(not(target_os = "linux"))]
fn wait_without_reaping(_child: &Child) {
    std::thread::sleep(Duration::from_millis(50));
}

/// A command that the kernel stops with `signal` when we die, where util-linux is installed.
pub(crate) fn dies_with_parent(program: &Path, signal: &str) -> Command {
    let setpriv =
        ["/usr/bin/setpriv", "/bin/setpriv"].into_iter().find(|path| Path::new(path).is_file());
    match setpriv {
        None => Command::new(program),
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", signal, "--"]).arg(program);
            command
        }
    }
}
