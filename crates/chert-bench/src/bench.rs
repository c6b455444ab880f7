//! One run: its database server, its sizes, what was measured so far.

use std::time::{Duration, Instant};

use crate::Arguments;
use crate::postgres::Postgres;
use crate::report::{Machine, Outcome, Report};
use crate::scale::{FULL, QUICK, Scale};

/// A run in progress.
pub(crate) struct Bench {
    /// Sizes and times.
    pub(crate) scale: Scale,
    /// The private server.
    pub(crate) postgres: Postgres,
    only: Vec<String>,
    started: Instant,
    report: Report,
}

impl Bench {
    /// Starts the database server.
    pub(crate) async fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let scale = if arguments.quick { QUICK } else { FULL };
        let postgres =
            Postgres::start(arguments.data_dir.as_deref(), arguments.shared_buffers_mb).await?;
        let machine = Machine::look(&postgres).await?;
        eprintln!("{}", machine.describe());
        if cfg!(debug_assertions) {
            eprintln!("chert-bench: WARNING: a debug build; figures mean nothing");
        }
        let report = Report { machine, quick: arguments.quick, seconds: 0.0, results: Vec::new() };
        Ok(Self { scale, postgres, only: arguments.only.clone(), started: Instant::now(), report })
    }

    /// Whether a measurement was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }

    /// Whether one of them was.
    pub(crate) fn wants_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wants(name))
    }

    /// A line of progress, with the seconds since the start.
    pub(crate) fn step(&self, text: impl std::fmt::Display) {
        eprintln!("[{:>5.0} s] {text}", self.started.elapsed().as_secs_f64());
    }

    /// Keeps a result.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.step(format_args!("    {}", outcome.line()));
        self.report.results.push(outcome);
    }

    /// Stops the server and gives the report.
    pub(crate) async fn finish(mut self, elapsed: Duration) -> anyhow::Result<Report> {
        self.report.seconds = elapsed.as_secs_f64();
        self.postgres.stop().await?;
        Ok(self.report)
    }
}
