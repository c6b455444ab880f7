//! `test`: one PostgreSQL for the whole run, then nextest.

use std::process::ExitCode;

use anyhow::Context;
use chert_postgres::TemporaryPostgres;
use tokio::process::Command;

use crate::workspace::{cargo, root};

/// nextest runs a process per test, each with a few pools; migrations and drops come on top.
const CONNECTIONS_MAX: u32 = 300;

/// Options of `test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed to `cargo nextest run`, e.g. `-p chert-store` or `-E 'test(reorg)'`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let postgres = TemporaryPostgres::start(CONNECTIONS_MAX).await?;
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let mut nextest = Command::new(cargo())
        .args(nextest_arguments(&arguments.nextest, is_ci))
        .current_dir(root())
        .env("CHERT_TEST_DATABASE_URL", postgres.url("postgres"))
        .env("SQLX_OFFLINE", "true")
        .spawn()
        .context(
            "cannot run cargo nextest; install it with: cargo install cargo-nextest --locked",
        )?;

    // A Ctrl-C reaches nextest too: it reports what it has, and then we end.
    let interrupts = tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let status = nextest.wait().await;
    interrupts.abort();
    // Dropped rather than stopped: what the tests left behind is deleted anyway.
    drop(postgres);
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    // No code means that a signal ended it.
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn nextest_arguments(given: &[String], is_ci: bool) -> Vec<String> {
    let has = |names: [&str; 2]| {
        given.iter().any(|argument| {
            let name = argument.split('=').next().unwrap_or_default();
            names.contains(&name)
        })
    };
    let mut arguments = vec!["nextest".to_owned(), "run".to_owned()];
    // Cargo ignores -p beside --workspace.
    if !has(["-p", "--package"]) {
        arguments.push("--workspace".to_owned());
    }
    if is_ci && !has(["-P", "--profile"]) {
        arguments.extend(["--profile", "ci"].map(str::to_owned));
    }
    arguments.extend_from_slice(given);
    arguments
}

#[cfg(test)]
mod tests {
    use super::nextest_arguments;

    #[test]
    fn nextest_arguments_respect_what_is_given() {
        let check = |given: &[&str], is_ci, expected: &str| {
            let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(nextest_arguments(&given, is_ci).join(" "), expected);
        };
        check(&[], false, "nextest run --workspace");
        check(&[], true, "nextest run --workspace --profile ci");
        check(&["-p", "e2e"], true, "nextest run --profile ci -p e2e");
        check(&["--package=e2e", "-P", "x"], true, "nextest run --package=e2e -P x");
    }
}
