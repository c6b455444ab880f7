//! Rules about source files.

use super::Findings;
use crate::workspace::Source;

/// A longer file is better split by thing.
const FILE_LINES_WARN: usize = 400;
/// A longer file must be split.
const FILE_LINES_MAX: usize = 500;

/// Unfinished work, and tests that do not run. In pieces, because this file is checked too.
const MARKS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ig", "nore"),
];

/// The crates that may speak SQL.
const SQL_CRATES: [&str; 5] = [
    "crates/chert-store/",
    "crates/chert-migration/",
    "crates/chert-testkit/",
    "crates/chert-postgres/",
    "crates/chert-bench/",
];

/// No file in a crate's `src` is too long to read in one sitting.
pub(super) fn check_length(file: &Source, findings: &mut Findings) {
    if !file.path.contains("/src/") {
        return;
    }
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.error(format!("{}: {lines} lines, at most {FILE_LINES_MAX}: split it", file.path));
    } else if lines > FILE_LINES_WARN {
        findings.warn(format!("{}: {lines} lines, more than {FILE_LINES_WARN}", file.path));
    }
}

/// Nothing is left for later in the code, and no test is switched off.
pub(super) fn check_marks(file: &Source, findings: &mut Findings) {
    for (number, line) in numbered(&file.text) {
        for mark in MARKS.iter().filter(|mark| line.contains(*mark)) {
            findings.error(format!("{}:{number}: {mark}: finish it or remove it", file.path));
        }
    }
}

/// Only the store and what serves it knows SQL; tests may look into the database.
pub(super) fn check_sql(file: &Source, findings: &mut Findings) {
    let is_test = ["/tests/", "/benches/"].iter().any(|part| file.path.contains(part))
        || file.path.ends_with("/tests.rs");
    let may = SQL_CRATES.iter().any(|prefix| file.path.starts_with(prefix));
    if is_test || may || !file.path.starts_with("crates/") {
        return;
    }
    for (number, line) in numbered(&file.text) {
        if !line.trim_start().starts_with("//") && has_sql(line) {
            findings.error(format!("{}:{number}: SQL belongs in chert-store", file.path));
        }
    }
}

fn has_sql(line: &str) -> bool {
    let update = line.find("UPDATE ").is_some_and(|at| line[at..].contains(" SET"));
    update || ["SELECT ", "INSERT INTO", "DELETE FROM"].iter().any(|verb| line.contains(verb))
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> Vec<String> {
        let file = Source { path: path.to_owned(), text: text.to_owned() };
        let mut findings = Findings::default();
        check_length(&file, &mut findings);
        check_marks(&file, &mut findings);
        check_sql(&file, &mut findings);
        findings.errors.extend(findings.warnings.into_iter().map(|text| format!("warning {text}")));
        findings.errors
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(errors("crates/a/src/x.rs", &"\n".repeat(400)), Vec::<String>::new());
        assert!(errors("crates/a/src/x.rs", &"\n".repeat(401))[0].starts_with("warning"));
        assert!(errors("crates/a/src/x.rs", &"\n".repeat(501))[0].contains("501 lines"));
        assert_eq!(errors("crates/a/tests/x.rs", &"\n".repeat(501)), Vec::<String>::new());
    }

    #[test]
    fn marks_are_found_with_their_line() {
        for mark in MARKS {
            let found = errors("crates/a/tests/x.rs", &format!("fn a() {{}}\n// {mark} later\n"));
            assert!(found[0].starts_with("crates/a/tests/x.rs:2: "), "{found:?}");
        }
    }

    #[test]
    fn sql_is_found_outside_the_store_only() {
        let sql = "let q = \"UPDATE blocks SET x = 1\";";
        assert_eq!(errors("crates/chert-api/src/x.rs", sql).len(), 1);
        assert_eq!(errors("crates/chert-store/src/x.rs", sql).len(), 0);
        assert_eq!(errors("crates/chert-api/src/routes/tests.rs", sql).len(), 0);
        assert_eq!(errors("crates/e2e/tests/x.rs", sql).len(), 0);
        assert_eq!(errors("crates/chert-api/src/x.rs", "/// SELECT a tab").len(), 0);
        assert_eq!(errors("crates/chert-api/src/x.rs", "\"SELECTED \"; \"UPDATE it\"").len(), 0);
    }
}
