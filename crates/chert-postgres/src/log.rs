//! The server's log file, `<data_dir>.log`, beside the data directory.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::PostgresError;

/// A longer log is set aside (`.log.1`) at the next start, so that two of this size is the most.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// How much of the log an error message shows.
const TAIL_LINES_MAX: usize = 15;
const TAIL_BYTES_MAX: u64 = 16 * 1024;

/// `dir/postgres` → `dir/postgres.<suffix>`: the files that live beside a data directory.
pub(crate) fn beside(data_dir: &Path, suffix: &str) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// The log, opened to append, and its length: what the server adds comes after it.
pub(crate) fn open(path: &Path) -> Result<(File, u64), PostgresError> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length(path) > LOG_BYTES_MAX {
        let aside = path.with_extension("log.1");
        fs::rename(path, aside).map_err(PostgresError::io("rename", path))?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(PostgresError::io("open", path))?;
    Ok((file, length(path)))
}

/// The last lines that were written after `from`; empty when the log cannot be read.
pub(crate) fn tail(path: &Path, from: u64) -> String {
    read_tail(path, from).unwrap_or_default()
}

fn read_tail(path: &Path, from: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES_MAX))))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_shows_the_end_of_what_came_after_the_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        fs::write(&path, "old\n").unwrap();
        let (_, mark) = open(&path).unwrap();
        let new: String = (0..20).map(|line| format!("line {line}\n")).collect();
        fs::write(&path, format!("old\n{new}")).unwrap();
        let tail = tail(&path, mark);
        assert!(tail.starts_with("line 5\n"), "{tail}");
        assert!(tail.ends_with("line 19"), "{tail}");
    }

    #[test]
    fn beside_appends_to_the_whole_name() {
        assert_eq!(beside(Path::new("/a/pg.15"), "log"), Path::new("/a/pg.15.log"));
    }
}
