//! The data directory: one owner at a time, made by `initdb` in one step.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::child::dies_with_parent;
use crate::location::{prepare_parents, set_mode};
use crate::log::beside;
use crate::{PostgresError, SUPERUSER, binaries};

/// How long a process that is just stopping may keep the directory.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(100);

/// A data directory that is ours, with the programs that fit it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) account: Account,
    pub(crate) binaries: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) log: PathBuf,
    /// Held as long as we live; the kernel releases it whatever way we end.
    _lock: File,
}

impl Cluster {
    /// Takes the directory, and makes a cluster in it when it is empty.
    pub(crate) async fn prepare(data_dir: &Path, durable: bool) -> Result<Self, PostgresError> {
        let account = Account::choose()?;
        let newest = binaries::find_binaries()?;
        let data_dir = prepare_parents(&account, data_dir)?;
        let lock = lock(&data_dir).await?;
        let binaries = match version_of(&data_dir)? {
            Some(major) => binaries::find_for_cluster(&data_dir, major)?,
            None => {
                let task = InitDb { account: account.clone(), binaries: newest.clone(), durable };
                let target = data_dir.clone();
                tokio::task::spawn_blocking(move || task.run(&target)).await.map_err(
                    |error| PostgresError::Initdb {
                        data_dir: data_dir.clone(),
                        output: error.to_string(),
                    },
                )??;
                newest
            }
        };
        let log = beside(&data_dir, "log");
        Ok(Self { account, binaries, data_dir, log, _lock: lock })
    }
}

/// Locks `<data_dir>.lock`. Without it a second `chert up` would take the server of the first for
/// a left-over and stop it.
async fn lock(data_dir: &Path) -> Result<File, PostgresError> {
    let path = beside(data_dir, "lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(PostgresError::io("open", &path))?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => {
                return Err(PostgresError::io("lock", &path)(source));
            }
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(PostgresError::InUse { data_dir: data_dir.to_owned() });
            }
        }
    }
}

/// The major version of the cluster; `None` when the directory is absent or empty.
fn version_of(data_dir: &Path) -> Result<Option<u32>, PostgresError> {
    let not_a_cluster = || PostgresError::NotACluster { data_dir: data_dir.to_owned() };
    match fs::read_to_string(data_dir.join("PG_VERSION")) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| not_a_cluster()),
        Err(_) if !data_dir.exists() => Ok(None),
        Err(_) => {
            let mut entries =
                fs::read_dir(data_dir).map_err(PostgresError::io("read", data_dir))?;
            if entries.next().is_some() { Err(not_a_cluster()) } else { Ok(None) }
        }
    }
}

/// One run of `initdb`.
struct InitDb {
    account: Account,
    binaries: PathBuf,
    durable: bool,
}

impl InitDb {
    /// Builds the cluster beside its place and renames it: an interrupted run leaves nothing that
    /// looks like a cluster.
    fn run(&self, data_dir: &Path) -> Result<(), PostgresError> {
        let staging = beside(data_dir, "new");
        if staging.exists() {
            fs::remove_dir_all(&staging).map_err(PostgresError::io("remove", &staging))?;
        }
        fs::create_dir(&staging).map_err(PostgresError::io("create", &staging))?;
        set_mode(&staging, 0o700)?;
        self.account.own(&staging)?;

        let output =
            self.initdb(&staging).map_err(PostgresError::io("run initdb for", data_dir))?;
        if !output.status.success() {
            return Err(PostgresError::Initdb {
                data_dir: data_dir.to_owned(),
                output: text_of(&output),
            });
        }
        fs::rename(&staging, data_dir)
            .map_err(PostgresError::io("move the new cluster to", data_dir))
    }

    fn initdb(&self, directory: &Path) -> std::io::Result<Output> {
        let mut command = dies_with_parent(&self.binaries.join("initdb"), "KILL");
        self.account.apply(&mut command);
        command
            .args(["--username", SUPERUSER, "--auth", "trust"])
            .args(["--encoding", "UTF8", "--locale", "C.UTF-8"])
            .arg("--pgdata")
            .arg(directory)
            // The caller's directory may be closed to the account.
            .current_dir("/");
        if !self.durable {
            command.arg("--no-sync");
        }
        command.output()
    }
}

/// What a program said, the errors first.
pub(crate) fn text_of(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    format!("{}\n{}", stderr.trim(), stdout.trim()).trim().to_owned()
}
