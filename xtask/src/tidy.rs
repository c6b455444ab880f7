//! `tidy`: rules of this code base that neither the compiler nor clippy knows.
//!
//! Each rule is a pure function from texts to findings, so that it can be tested without files.

mod documents;
mod sources;

use std::fs;
use std::process::ExitCode;

use crate::workspace::{self, root};

/// What a rule found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Break the rule: the check fails.
    errors: Vec<String>,
    /// Come close.
    warnings: Vec<String>,
}

impl Findings {
    fn error(&mut self, text: String) {
        self.errors.push(text);
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }
}

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = root();
    let files = workspace::sources(&root)?;
    let crates = workspace::crates(&root)?;
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();

    let mut findings = Findings::default();
    for file in &files {
        sources::check_length(file, &mut findings);
        sources::check_marks(file, &mut findings);
        sources::check_sql(file, &mut findings);
    }
    let (manifest, listed) = (read("Cargo.toml"), read(documents::DEPENDENCIES));
    documents::check_dependencies(&manifest, &listed, &mut findings);
    documents::check_crates(&crates, &read(documents::ARCHITECTURE), &mut findings);

    for warning in &findings.warnings {
        println!("warning: {warning}");
    }
    for error in &findings.errors {
        eprintln!("error: {error}");
    }
    println!("tidy: {} files, {} errors", files.len(), findings.errors.len());
    Ok(if findings.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
