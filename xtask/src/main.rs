//! Developer tasks: `cargo run -p xtask -- <task>`, mostly called through `./chert`.

mod bench;
mod fuzz;
mod openapi;
mod sqlx;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer tasks of the Chert workspace.
#[derive(Parser)]
#[command(name = "xtask", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the tests with nextest on a PostgreSQL started for them
    Test(test::Arguments),
    /// Measure against anchors in the same run
    Bench(bench::Arguments),
    /// Ask a real server everything its description allows, and much that it does not
    Fuzz(fuzz::Arguments),
    /// Check rules of this code base that no compiler knows
    Tidy,
    /// Write openapi.json, or check that it is current
    Openapi(openapi::Arguments),
    /// Regenerate .sqlx, the checked descriptions of the SQL queries
    Sqlx,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().task {
        Task::Test(arguments) => test::run(arguments).await,
        Task::Bench(arguments) => bench::run(arguments).await,
        Task::Fuzz(arguments) => fuzz::run(arguments).await,
        Task::Tidy => tidy::run(),
        Task::Openapi(arguments) => openapi::run(&arguments),
        Task::Sqlx => sqlx::run().await,
    }
}
