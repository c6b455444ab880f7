//! The server that is asked: `chert up` on free ports, with a data directory that goes with it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::workspace::{cargo, root};

/// Blocks of the development chain.
const BLOCKS: &str = "300";
/// No block comes while the server is asked, so that the same seed asks the same.
const BLOCK_TIME_MS: &str = "3600000";
/// Until it listens, and until it is ready.
const START_MAX: Duration = Duration::from_secs(120);
/// Until it has ended.
const STOP_MAX: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Longest answer that is read here, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// A running server.
pub(super) struct Server {
    process: Child,
    address: String,
    _data: TempDir,
}

impl Server {
    /// Builds it, starts it, and waits until it is ready.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let program = build().await?;
        let data = TempDir::new()?;
        // The private PostgreSQL runs as another user where we are root.
        set_open(data.path())?;
        let mut process = Command::new(program)
            .args(["up", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
            .args(["--devnet-history", BLOCKS, "--devnet-block-time-ms", BLOCK_TIME_MS])
            .arg("--data-dir")
            .arg(data.path().join("data"))
            .env("CHERT_API__RATE_LIMITING__ANONYMOUS_RPM", "0")
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run the chert program")?;
        let output = process.stdout.take().context("a process without output")?;
        let address = tokio::time::timeout(START_MAX, listening(output)).await;
        let address = address.context("the server did not start in time")??;
        let server = Self { process, address, _data: data };
        let ready = async {
            while server.get("/health/ready").await.is_err() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        tokio::time::timeout(START_MAX, ready).await.context("the server did not become ready")?;
        Ok(server)
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The JSON of a 200.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect(&self.address).await?;
        // HTTP/1.0: the end of the answer is the end of the connection.
        let request = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await?;
        let (head, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
        let good = head.lines().next().is_some_and(|line| line.contains(" 200 "));
        ensure!(good, "{path}: {head}");
        Ok(serde_json::from_str(body)?)
    }

    /// Ends it in order, so that its database ends, too.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.process.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        let ended = tokio::time::timeout(STOP_MAX, self.process.wait()).await;
        ensure!(ended.context("the server did not stop")??.success(), "the server failed");
        Ok(())
    }
}

async fn build() -> anyhow::Result<PathBuf> {
    let status = Command::new(cargo())
        .args(["build", "--quiet", "--package", "chert", "--bin", "chert"])
        .current_dir(root())
        .status()
        .await
        .context("cannot run cargo")?;
    ensure!(status.success(), "the server does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(root().join(target.unwrap_or_else(|| "target".into())).join("debug/chert"))
}

/// Waits for the line that names the address, and reads on for ever, so that the server can write.
async fn listening(
    output: impl tokio::io::AsyncRead + Unpin + Send + 'static,
) -> anyhow::Result<String> {
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        if let Some(url) = url.filter(|_| line.contains("web page")) {
            let address = url.trim_end_matches('/').to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(address);
        }
    }
    anyhow::bail!("the server ended before it listened; its messages are above")
}

fn set_open(directory: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?)
}
