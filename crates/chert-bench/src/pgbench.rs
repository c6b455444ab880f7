//! The anchor of uncached reads: PostgreSQL's own load generator with the same SQL.
//!
//! The statements are cut out of the store's source, so that they cannot drift apart.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use chert_postgres::SUPERUSER;

use crate::scale::CONNECTIONS;

const BLOCKS: &str = include_str!("../../chert-store/src/entities/block/query.rs");
const TRANSACTIONS: &str = include_str!("../../chert-store/src/entities/transaction/query.rs");
const ADDRESSES: &str = include_str!("../../chert-store/src/entities/address/query.rs");

/// The statement of a function of the store: the first string in it that begins like one.
pub(crate) fn statement(source: &'static str, function: &str) -> anyhow::Result<String> {
    let find = || {
        let (_, body) = source.split_once(&format!("async fn {function}("))?;
        let (before, sql) = body.split_once("\"SELECT ")?;
        let end = if before.ends_with("r#") { "\"#" } else { "\"" };
        sql.split_once(end).map(|(sql, _)| format!("SELECT {sql}"))
    };
    find().with_context(|| format!("the statement of {function} was not found in chert-store"))
}

/// A constant of the store that holds SQL.
pub(crate) fn constant(source: &'static str, name: &str) -> anyhow::Result<&'static str> {
    let find = || {
        let (_, rest) = source.split_once(&format!("const {name}: &str = \""))?;
        rest.split_once('"').map(|(sql, _)| sql)
    };
    find().with_context(|| format!("{name} was not found in chert-store"))
}

/// A block by a random height.
pub(crate) fn block_script(tip: u64) -> anyhow::Result<String> {
    let sql = statement(BLOCKS, "find_block_by_height")?.replace("$1", ":height");
    Ok(format!("\\set height random(1, {tip})\n{};\n", one_line(&sql)))
}

/// A transaction by one of these ids of 16 bytes.
pub(crate) fn transaction_script(ids: &[[u8; 16]]) -> anyhow::Result<String> {
    let sql = statement(TRANSACTIONS, "find_transaction")?;
    let sql = sql.replace("$1", ":high").replace("$2", BYTES);
    Ok(format!("{}{};\n", choose(ids), one_line(&sql)))
}

/// The first page of one of these addresses' history.
pub(crate) fn history_script(keys: &[[u8; 16]], rows: u64) -> anyhow::Result<String> {
    let sql = statement(ADDRESSES, "list_history")?;
    let key = format!("encode({BYTES}, 'hex')::uuid");
    let sql = sql.replace("$1", &key).replace("$2", ":before").replace("$3", ":rows");
    let set = format!("\\set before {}\n\\set rows {}\n", i64::MAX, rows + 1);
    Ok(format!("{}{set}{};\n", choose(keys), one_line(&sql)))
}

/// Sixteen bytes from the two numbers that [`choose`] sets: pgbench has no other variables.
const BYTES: &str = "(int8send(:high::bigint) || int8send(:low::bigint))";

/// Sets `high` and `low` to the halves of a random one of the values.
fn choose(values: &[[u8; 16]]) -> String {
    let half = |value: &[u8; 16], at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(value.get(at..at + 8).unwrap_or(&[0; 8]));
        i64::from_be_bytes(bytes)
    };
    let mut text = format!("\\set n random(0, {})\n", values.len().saturating_sub(1));
    for (name, at) in [("high", 0), ("low", 8)] {
        let halves: Vec<i64> = values.iter().map(|value| half(value, at)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\\set {name} {}", tree(&halves, 0));
    }
    text
}

/// A binary search as nested CASEs, so that the client spends next to nothing on it.
fn tree(values: &[i64], offset: usize) -> String {
    match values {
        [] => "0".to_owned(),
        [one] => one.to_string(),
        _ => {
            let (low, high) = values.split_at(values.len() / 2);
            let at = offset + low.len();
            let (low, high) = (tree(low, offset), tree(high, at));
            format!("CASE WHEN :n < {at} THEN {low} ELSE {high} END")
        }
    }
}

/// A statement on one line, as pgbench wants it.
pub(crate) fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A script, and how often it runs compared with the others of a mix.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Meta commands and statements.
    pub(crate) text: String,
    /// From 1.
    pub(crate) weight: usize,
}

impl From<String> for Script {
    fn from(text: String) -> Self {
        Self { text, weight: 1 }
    }
}

/// Runs a mix of scripts as prepared statements; transactions per second.
pub(crate) async fn run(
    port: u16,
    database: &str,
    scripts: &[Script],
    duration: Duration,
) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let mut files = Vec::new();
    for (number, script) in scripts.iter().enumerate() {
        let path = directory.path().join(number.to_string());
        std::fs::write(&path, &script.text)?;
        files.push(format!("--file={}@{}", path.display(), script.weight));
    }
    let seconds = duration.as_secs().max(1).to_string();
    let output = tokio::process::Command::new(program()?)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--time", &seconds])
        .args(["--client", &CONNECTIONS.to_string()])
        .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--username", SUPERUSER])
        .args(files)
        .arg(database)
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let tps = tps.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok());
    tps.filter(|_| output.status.success())
        .with_context(|| format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Beside the server's programs, where distributions put it.
fn program() -> anyhow::Result<PathBuf> {
    let beside = chert_postgres::find_binaries()?.join("pgbench");
    Ok(if beside.is_file() { beside } else { PathBuf::from("pgbench") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_statements_are_found() {
        let ids = [[1; 16], [0xff; 16], [3; 16]];
        let scripts = [block_script(9), transaction_script(&ids), history_script(&ids, 25)]
            .map(Result::unwrap);
        for script in &scripts {
            let last = script.lines().last().unwrap();
            assert!(last.starts_with("SELECT c.height AS cp_height"), "{last}");
            assert!(last.ends_with("WHERE c.pipeline = 'chain';"), "{last}");
            assert!(!last.contains('$'), "{last}");
        }
        assert!(scripts[1].contains("CASE WHEN :n < 1 THEN 72340172838076673 ELSE CASE WHEN"));
        assert!(scripts[1].contains("THEN -1 ELSE 217020518514230019 END END"));
    }
}
