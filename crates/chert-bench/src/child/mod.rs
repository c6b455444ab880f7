//! Servers and writers in processes of their own, so that nothing measured shares an event loop
//! with what measures it. They end with us: a child leaves when its standard input closes.

mod roles;

pub(crate) use roles::main;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};

use crate::http::address_of;

const START_WAIT: Duration = Duration::from_secs(30);
/// Requests per minute that nobody reaches: the rate limit does its work and refuses nothing.
const RPM_UNREACHED: &str = "600000000";

/// A running child.
pub(crate) struct Child {
    process: Process,
    _input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

/// How the API server is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    /// As delivered, with a rate limit that is never reached.
    Default,
    /// No answer is kept and nothing is counted per client: every request reaches PostgreSQL.
    Off,
}

impl Child {
    fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("child").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // What is measured is the default configuration, not the user's.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CHERT_API") {
                command.env_remove(name);
            }
        }
        command.envs(environment.iter().copied()).kill_on_drop(true);
        let mut process = command.spawn().context("cannot run a child process")?;
        let output = process.stdout.take().context("a child without output")?;
        let input = process.stdin.take();
        Ok(Self { process, _input: input, output: BufReader::new(output).lines() })
    }

    /// The next line it prints.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        let line = tokio::time::timeout(START_WAIT, self.output.next_line()).await;
        line.context("the child process says nothing")??.context("the child process ended")
    }

    async fn address(&mut self) -> anyhow::Result<SocketAddr> {
        let line = self.line().await?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        address_of(url.with_context(|| format!("no address in {line:?}"))?)
    }

    /// Memory that it has in use, in MiB.
    pub(crate) fn resident_mb(&self) -> anyhow::Result<f64> {
        let pid = self.process.id().context("the child process ended")?;
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|rest| rest.split_whitespace().next());
        Ok(kb.context("no VmRSS")?.parse::<f64>()? / 1024.0)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// The API server on a database: what `chert serve` runs.
pub(crate) async fn serve(database: &str, cache: Cache) -> anyhow::Result<(Child, SocketAddr)> {
    // All load comes from one address.
    let mut environment =
        vec![("RUST_LOG", "error"), ("CHERT_API__SERVER__MAX_CONNECTIONS_PER_CLIENT", "0")];
    environment.extend(match cache {
        Cache::Default => vec![("CHERT_API__RATE_LIMITING__ANONYMOUS_RPM", RPM_UNREACHED)],
        Cache::Off => vec![
            ("CHERT_API__RATE_LIMITING__ANONYMOUS_RPM", "0"),
            ("CHERT_API__CACHE__BUDGET_MB", "0"),
        ],
    });
    let mut child = Child::spawn(&["serve", "--database-url", database], &environment)?;
    let address = child.address().await?;
    Ok((child, address))
}

/// A bare axum handler that answers with so many bytes.
pub(crate) async fn bare(body_bytes: usize) -> anyhow::Result<(Child, SocketAddr)> {
    let mut child = Child::spawn(&["bare", "--body-bytes", &body_bytes.to_string()], &[])?;
    let address = child.address().await?;
    Ok((child, address))
}

/// A node with so much history.
pub(crate) async fn node(blocks: u64) -> anyhow::Result<(Child, SocketAddr)> {
    let mut child = Child::spawn(&["node", "--blocks", &blocks.to_string()], &[])?;
    let address = child.address().await?;
    Ok((child, address))
}

/// A writer that extends a whale chain as fast as it can; returns once it has committed.
pub(crate) async fn backfill(database: &str) -> anyhow::Result<Child> {
    let mut child = Child::spawn(&["backfill", "--database-url", database], &[])?;
    child.line().await?;
    Ok(child)
}
