//! A Valkey (or Redis) of one test's own: another process on a free port, with nothing on disk.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::{Cmd, FromRedisValue};

/// Names of the program, the better one first.
const PROGRAMS: [&str; 2] = ["valkey-server", "redis-server"];
const SETPRIV: &str = "/usr/bin/setpriv";
/// Attempts to find a port that nobody takes before the server does.
const PORTS_TRIED: u32 = 5;
const START_POLL: Duration = Duration::from_millis(20);
const START_POLLS_MAX: u32 = 500;

/// A server that ends with this value.
#[derive(Debug)]
pub struct TestValkey {
    port: u16,
    program: PathBuf,
    directory: tempfile::TempDir,
    process: Option<Process>,
}

/// A child on a thread of its own: the kernel ends it when that thread does, whatever happens to
/// the threads of the test.
#[derive(Debug)]
struct Process {
    pid: Pid,
    /// Dropped to end it.
    life: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TestValkey {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    ///
    /// Where none is installed, which a test cannot do anything about.
    pub async fn start() -> Self {
        match Self::try_start().await {
            Ok(valkey) => valkey,
            Err(error) => panic!("cannot start a Valkey: {error:#}"),
        }
    }

    async fn try_start() -> anyhow::Result<Self> {
        let program = find_program().context(
            "neither valkey-server nor redis-server is installed; ./chert test installs one",
        )?;
        let directory = tempfile::tempdir()?;
        let mut valkey = Self { port: 0, program, directory, process: None };
        for _ in 0..PORTS_TRIED {
            valkey.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            if valkey.launch().await.is_ok() {
                return Ok(valkey);
            }
        }
        bail!("{} does not come up", valkey.program.display())
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends the server as a crash would; what it knew is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again after [`TestValkey::kill`], on the same port.
    pub async fn restart(&mut self) {
        self.launch().await.unwrap_or_else(|error| panic!("cannot restart Valkey: {error:#}"));
    }

    /// Stops the server without ending it: connections stay, nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on after [`TestValkey::pause`].
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Runs a command as somebody else would.
    ///
    /// # Panics
    ///
    /// Where the server does not answer or refuses.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> T {
        match self.try_run(command).await {
            Ok(answer) => answer,
            Err(error) => panic!("Valkey refused a command of the test: {error:#}"),
        }
    }

    async fn try_run<T: FromRedisValue>(&self, command: &Cmd) -> anyhow::Result<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        Ok(command.query_async(&mut connection).await?)
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        self.process = Some(Process::spawn(self.command())?);
        for _ in 0..START_POLLS_MAX {
            if self.try_run::<String>(&redis::cmd("PING")).await.is_ok() {
                return Ok(());
            }
            if self.process.as_ref().is_none_or(Process::has_ended) {
                break;
            }
            tokio::time::sleep(START_POLL).await;
        }
        self.process = None;
        bail!("no answer on port {}", self.port)
    }

    fn command(&self) -> Command {
        let mut command = match Path::new(SETPRIV).is_file() {
            true => {
                let mut command = Command::new(SETPRIV);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
                command
            }
            false => Command::new(&self.program),
        };
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--daemonize", "no", "--port", &self.port.to_string()]);
        command.arg("--dir").arg(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }
}

impl Process {
    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let (life, ended) = channel::<()>();
        let (started, starting) = channel();
        let thread = std::thread::spawn(move || {
            let spawned = command.spawn();
            let id = spawned.as_ref().map(Child::id).map_err(|error| error.kind());
            // Whoever waits for it waits below.
            let _ = started.send(id);
            if let Ok(mut child) = spawned {
                while ended.recv_timeout(START_POLL)
                    == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                    && matches!(child.try_wait(), Ok(None))
                {}
                // Already ended: then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
            }
        });
        let id = starting.recv()?.map_err(std::io::Error::from)?;
        Ok(Self { pid: Pid::from_raw(i32::try_from(id)?), life: Some(life), thread: Some(thread) })
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished)
    }

    fn signal(&self, signal: Signal) {
        if !self.has_ended() {
            // A process that is just ending needs no signal.
            let _ = kill(self.pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.life = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}

fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = PROGRAMS.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
    all.into_iter().find(|program| program.is_file())
}
