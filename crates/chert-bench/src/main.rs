//! `chert-bench`: measures the goals of `docs/performance.md`.
//!
//! Every figure is a ratio against an anchor measured in the same run on the same machine, in
//! interleaved rounds, and the median of the rounds is reported. The tool starts a PostgreSQL of
//! its own, listens on loopback only, and leaves nothing behind.

mod anchor;
mod api;
mod bench;
mod blocks;
mod child;
mod http;
mod ingest;
mod people;
mod pgbench;
mod postgres;
mod report;
mod scale;
mod statistics;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;

use crate::bench::Bench;
use crate::report::Report;

/// Measures against anchors in the same run; a goal that is missed is reported, not an error
#[derive(Debug, Parser)]
#[command(name = "chert-bench", disable_version_flag = true)]
struct Arguments {
    /// What to measure; everything where absent
    suite: Option<Suite>,
    /// Small data and short rounds: below five minutes, figures are noisy
    #[arg(long)]
    quick: bool,
    /// Write the results to a file as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only measurements whose name contains one of these texts, e.g. ingest.live,api.mixed
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Where the private PostgreSQL keeps its data during the run (some 30 GB in a full run)
    /// [default: the temporary directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Buffers of the private PostgreSQL; a machine that takes its page cache back soon needs as much
    /// as the data (12 GB in a full run) to measure warm data
    #[arg(long, value_name = "MB", default_value_t = 2_048)]
    shared_buffers_mb: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    /// Live ingest, bulk backfill, freshness, reorganisation
    Ingest,
    /// Cached and uncached endpoints, busy addresses, mixed load, growth
    Api,
    /// Identities, governance and useful work: reads, search, boards, feeds
    People,
}

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == "child") {
        return child::main(std::env::args_os().skip(1));
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chert-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Lines of the indexer and the store only where something is wrong: they cost time.
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            outcome = measure(arguments) => outcome,
            // Everything that was started is stopped by dropping it.
            signal = tokio::signal::ctrl_c() => {
                signal?;
                anyhow::bail!("interrupted")
            }
        }
    })?;
    // A thread of a load generator that is still at work must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    report.print();
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
        println!("written to {}", path.display());
    }
    Ok(())
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let known = [&ingest::NAMES[..], &api::NAMES, &people::NAMES].concat();
    for only in &arguments.only {
        anyhow::ensure!(
            known.iter().any(|name| name.contains(only.as_str())),
            "no measurement is called {only:?}; there are: {}",
            known.join(", ")
        );
    }
    let started = Instant::now();
    let mut bench = Bench::start(arguments).await?;
    let asked = |suite| arguments.suite.is_none_or(|only| only == suite);
    if asked(Suite::Ingest) && bench.wants_any(&ingest::NAMES) {
        ingest::run(&mut bench).await.context("ingest")?;
    }
    if asked(Suite::Api) && bench.wants_any(&api::NAMES) {
        api::run(&mut bench).await.context("api")?;
    }
    if asked(Suite::People) && bench.wants_any(&people::NAMES) {
        people::run(&mut bench).await.context("people")?;
    }
    bench.finish(started.elapsed()).await
}
