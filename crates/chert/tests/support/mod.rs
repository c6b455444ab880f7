//! The real binary as a child, killed with the test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest wait for anything a process should do.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
const WAIT_STEP: Duration = Duration::from_millis(10);

/// The binary with an environment that no developer's settings reach.
pub fn chert(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chert"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHERT_")) {
        // PostgreSQL's place is about the machine, not about the settings.
        if !name.starts_with("CHERT_PG_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").args(args).stdin(Stdio::null());
    command
}

/// Runs to the end.
pub fn run(args: &[&str]) -> Output {
    chert(args).output().expect("the binary runs")
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running `chert`.
pub struct Running {
    child: Child,
    /// Standard output up to and including the line waited for.
    pub said: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts and reads nothing.
    pub fn start(mut command: Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { child: child.expect("the binary starts"), said: String::new() }
    }

    /// Starts and waits for the line that begins so; fails with what it said instead.
    pub fn start_until(mut command: Command, line_start: &str) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut errors = child.stderr.take().expect("piped");
        // Its last words, for the message of a failed test; also keeps the pipe empty.
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).ok();
            text
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut said = String::new();
        loop {
            let start = said.len();
            if lines.read_line(&mut said).unwrap_or(0) == 0 {
                let _ = child.kill();
                let errors = errors.join().unwrap_or_default();
                panic!("ended before it said {line_start:?}:\n{said}\n{errors}");
            }
            if said[start..].starts_with(line_start) {
                break;
            }
        }
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, said }
    }

    /// The first word after a label in what it said.
    pub fn word_after(&self, label: &str) -> String {
        let rest = self.said.lines().find_map(|line| line.trim_start().strip_prefix(label));
        let word = rest.and_then(|rest| rest.split_whitespace().next());
        word.unwrap_or_else(|| panic!("no {label:?} in:\n{}", self.said)).to_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it may be killed");
        self.child.wait().expect("it ends");
    }

    /// Sends a signal and waits for the end.
    pub fn end_with(&mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(self.pid()), signal).expect("it may be signalled");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(started.elapsed() < WAIT_MAX, "it did not stop on {signal}");
            std::thread::sleep(WAIT_STEP);
        }
    }

    /// `true` while it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }
}

/// Waits until `condition` holds.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < WAIT_MAX, "waited in vain until {what}");
        tokio::time::sleep(WAIT_STEP).await;
    }
}

/// The postmaster of the private PostgreSQL of a data directory of `chert up`.
pub fn postmaster(data_dir: &Path) -> Option<i32> {
    let file = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).ok()?;
    file.lines().next()?.trim().parse().ok()
}

/// `true` while a process is there and not only waited for by its parent.
pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}
