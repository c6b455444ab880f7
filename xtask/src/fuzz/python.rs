//! Schemathesis in an environment of its own, pinned with its digests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::workspace::root;

/// What it is and what it needs, each with a digest.
const REQUIREMENTS: &str = "xtask/fuzz/requirements.txt";

/// The program, installed where it is not yet or another one is.
pub(super) async fn schemathesis(directory: &Path) -> anyhow::Result<PathBuf> {
    let environment = directory.join("venv");
    let program = environment.join("bin/schemathesis");
    let requirements = root().join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).context(REQUIREMENTS)?;
    // Written last: an installation that was broken off is made again.
    let stamp = environment.join("requirements.txt");
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(program);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).context("cannot remove the old Python environment")?;
    }
    eprintln!("installing Schemathesis into {}", environment.display());
    let made = Command::new("python3").args(["-m", "venv"]).arg(&environment).status().await;
    ensure!(
        made.is_ok_and(|status| status.success()),
        "python3 cannot make an environment; install Python 3.11 or newer with its venv module \
         (Debian: apt-get install python3-venv)"
    );
    let installed = Command::new(environment.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--require-hashes", "--only-binary", ":all:", "-r"])
        .arg(&requirements)
        .status()
        .await?;
    ensure!(
        installed.success(),
        "Schemathesis could not be installed; it comes from PyPI, which must be reachable the \
         first time (pip.conf or PIP_INDEX_URL name a mirror), and needs Python 3.11 or newer"
    );
    fs::write(&stamp, wanted)?;
    Ok(program)
}
