//! Finding PostgreSQL's server programs on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::PostgresError;

/// The oldest major version that the schema and the queries are written for.
pub const VERSION_MAJOR_MIN: u32 = 15;

/// Where distributions put `<prefix><major>/bin`.
const PREFIXES: [&str; 4] = [
    "/usr/lib/postgresql/",
    "/usr/pgsql-",
    "/opt/homebrew/opt/postgresql@",
    "/usr/local/opt/postgresql@",
];

/// Newer major versions than this are not looked for by number; `PATH` still finds them.
const VERSION_MAJOR_MAX: u32 = 40;

/// The directory that holds `initdb` and `postgres`: `CHERT_PG_BIN` if set, else the newest
/// installed version from 15 on, else the one in `PATH`.
pub fn find_binaries() -> Result<PathBuf, PostgresError> {
    find(None).map(|(directory, _)| directory)
}

/// As [`find_binaries`], but of one major version: that of an existing data directory.
pub(crate) fn find_for_cluster(data_dir: &Path, major: u32) -> Result<PathBuf, PostgresError> {
    match find(Some(major)) {
        Ok((directory, found)) if found == major => Ok(directory),
        _ => Err(PostgresError::VersionMismatch { data_dir: data_dir.to_owned(), wanted: major }),
    }
}

fn find(wanted: Option<u32>) -> Result<(PathBuf, u32), PostgresError> {
    if let Some(directory) = std::env::var_os("CHERT_PG_BIN").filter(|value| !value.is_empty()) {
        let directory = PathBuf::from(directory);
        return match version_major(&directory) {
            Some(major) if major >= VERSION_MAJOR_MIN => Ok((directory, major)),
            Some(major) => Err(not_found(format!(
                " (CHERT_PG_BIN={} holds version {major})",
                directory.display()
            ))),
            None => Err(not_found(format!(
                " (CHERT_PG_BIN={} does not hold initdb and postgres)",
                directory.display()
            ))),
        };
    }

    let mut too_old = None;
    for directory in candidates(wanted) {
        match version_major(&directory) {
            Some(major) if major < VERSION_MAJOR_MIN => too_old = too_old.max(Some(major)),
            Some(major) if wanted.is_none_or(|wanted| wanted == major) => {
                return Ok((directory, major));
            }
            _ => {}
        }
    }
    Err(not_found(too_old.map_or_else(String::new, |major| format!(" (only version {major})"))))
}

fn not_found(detail: String) -> PostgresError {
    PostgresError::NotFound { detail }
}

/// Existing directories that may hold the programs, the preferred first.
fn candidates(wanted: Option<u32>) -> Vec<PathBuf> {
    let majors: Vec<u32> = match wanted {
        Some(major) => vec![major],
        None => (1..=VERSION_MAJOR_MAX).rev().collect(),
    };
    let by_number = majors.into_iter().flat_map(|major| {
        PREFIXES.iter().map(move |prefix| PathBuf::from(format!("{prefix}{major}/bin")))
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let by_path = std::env::split_paths(&path).collect::<Vec<_>>();
    by_number.chain(by_path).filter(|directory| has_programs(directory)).collect()
}

fn has_programs(directory: &Path) -> bool {
    directory.join("initdb").is_file() && directory.join("postgres").is_file()
}

/// Asks the binary itself: the name of a directory proves nothing.
fn version_major(directory: &Path) -> Option<u32> {
    if !has_programs(directory) {
        return None;
    }
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`.
fn parse_version(text: &str) -> Option<u32> {
    let number = text.split("(PostgreSQL)").nth(1)?.trim_start();
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn parse_version_reads_what_distributions_print() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres: unknown\n", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), expected, "{text}");
        }
    }
}
