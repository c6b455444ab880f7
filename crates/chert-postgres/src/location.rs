//! Can PostgreSQL reach its data directory? When we are root it runs as somebody else.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::PostgresError;
use crate::account::Account;

/// Checks, without changing anything, that PostgreSQL would reach `data_dir`: lets a caller
/// choose another default before anything is created. Directories that do not exist yet are
/// fine: [`crate::PrivatePostgres::start`] makes them reachable.
pub fn check_location(data_dir: &Path) -> Result<(), PostgresError> {
    let data_dir = absolute(data_dir)?;
    match blocked_parent(&Account::choose()?, &data_dir)? {
        Some(error) => Err(error.1),
        None => Ok(()),
    }
}

/// Makes the parents of `data_dir` and returns its absolute path. Directories that we create are
/// traversable by all; existing ones are only opened below the temporary directory and when they
/// are ours, because opening somebody's `/root` is not for us to decide.
pub(crate) fn prepare_parents(
    account: &Account,
    data_dir: &Path,
) -> Result<PathBuf, PostgresError> {
    let data_dir = absolute(data_dir)?;
    let Some(parent) = data_dir.parent() else {
        return Err(PostgresError::NotACluster { data_dir });
    };
    create_traversable(parent)?;

    // Each round opens one directory, so there are at most as many rounds as components.
    for _ in data_dir.components() {
        let Some((blocked, error)) = blocked_parent(account, &data_dir)? else {
            return Ok(data_dir);
        };
        let metadata = metadata_of(&blocked)?;
        let ours = metadata.uid() == Uid::effective().as_raw();
        if !ours || !blocked.starts_with(std::env::temp_dir()) {
            return Err(error);
        }
        set_mode(&blocked, metadata.mode() | 0o011)?;
    }
    Ok(data_dir)
}

fn absolute(path: &Path) -> Result<PathBuf, PostgresError> {
    std::path::absolute(path).map_err(PostgresError::io("resolve", path))
}

/// Like `create_dir_all`, whatever the umask: what we create can be passed through.
fn create_traversable(directory: &Path) -> Result<(), PostgresError> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        create_traversable(parent)?;
    }
    match fs::create_dir(directory) {
        Ok(()) => set_mode(directory, 0o755),
        // Another process was faster.
        Err(_) if directory.is_dir() => Ok(()),
        Err(source) => Err(PostgresError::io("create", directory)(source)),
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), PostgresError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))
        .map_err(PostgresError::io("change the mode of", path))
}

/// The first existing parent that the account cannot pass through, and what to tell the user.
fn blocked_parent(
    account: &Account,
    data_dir: &Path,
) -> Result<Option<(PathBuf, PostgresError)>, PostgresError> {
    let Some(user) = account.other() else {
        return Ok(None);
    };
    for parent in data_dir.ancestors().skip(1).filter(|parent| parent.exists()) {
        // A link's target decides, and so do the directories that lead to it.
        let real = fs::canonicalize(parent).map_err(PostgresError::io("resolve", parent))?;
        for directory in real.ancestors() {
            if !traversable(&metadata_of(directory)?, user.uid.as_raw(), user.gid.as_raw()) {
                let error = PostgresError::Unreachable {
                    user: user.name.clone(),
                    blocked: directory.to_owned(),
                    data_dir: data_dir.to_owned(),
                };
                return Ok(Some((directory.to_owned(), error)));
            }
        }
    }
    Ok(None)
}

fn metadata_of(path: &Path) -> Result<Metadata, PostgresError> {
    fs::metadata(path).map_err(PostgresError::io("look at", path))
}

/// The kernel's rule: only the first class that matches counts.
fn traversable(metadata: &Metadata, uid: u32, gid: u32) -> bool {
    let bit = if metadata.uid() == uid {
        0o100
    } else if metadata.gid() == gid {
        0o010
    } else {
        0o001
    };
    metadata.mode() & bit != 0
}
