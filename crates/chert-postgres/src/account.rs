//! The operating-system account that PostgreSQL runs as: ours, unless we are root.

use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User, chown};
use std::os::unix::process::CommandExt;

use crate::PostgresError;

/// Tried in this order when we are root and `CHERT_PG_USER` is not set.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Who runs PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) enum Account {
    /// We are not root: PostgreSQL runs as we do.
    Current,
    /// We are root: PostgreSQL runs as this user.
    Other(User),
}

impl Account {
    /// Chooses the account for this process.
    pub(crate) fn choose() -> Result<Self, PostgresError> {
        if !Uid::effective().is_root() {
            return Ok(Self::Current);
        }
        let asked = std::env::var("CHERT_PG_USER").ok().filter(|name| !name.is_empty());
        let names: Vec<&str> = match &asked {
            Some(name) => vec![name.as_str()],
            None => CANDIDATES.to_vec(),
        };
        names
            .iter()
            .filter_map(|name| User::from_name(name).ok().flatten())
            .find(|user| !user.uid.is_root())
            .map(Self::Other)
            .ok_or_else(|| PostgresError::NoAccount {
                tried: format!("an unprivileged user {}", names.join(" or ")),
            })
    }

    /// Makes a command run as this account (the standard library also drops root's groups).
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other(user) = self {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
    }

    /// Gives one file or directory to the account.
    pub(crate) fn own(&self, path: &Path) -> Result<(), PostgresError> {
        let Self::Other(user) = self else {
            return Ok(());
        };
        chown(path, Some(user.uid), Some(user.gid))
            .map_err(|errno| PostgresError::io("change the owner of", path)(errno.into()))
    }

    /// The other user, if PostgreSQL does not run as we do.
    pub(crate) fn other(&self) -> Option<&User> {
        match self {
            Self::Current => None,
            Self::Other(user) => Some(user),
        }
    }
}
