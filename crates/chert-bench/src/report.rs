//! What is reported: a table for people, JSON for programs.

use serde::Serialize;

use crate::postgres::Postgres;

/// What a ratio has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Not below.
    AtLeast(f64),
    /// Not above.
    AtMost(f64),
    /// Measured for information.
    None,
}

/// One measured figure and its anchor.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    /// Stable name: suite, dot, what.
    pub(crate) name: String,
    /// Ours; the median of the rounds.
    pub(crate) figure: f64,
    /// The anchor's, in the same rounds; for a limit in milliseconds the limit.
    pub(crate) anchor: f64,
    /// Median of the rounds' ratios.
    pub(crate) ratio: f64,
    /// What the ratio must reach or keep below; absent where nothing was promised.
    pub(crate) goal: Option<f64>,
    /// `min` or `max`.
    pub(crate) goal_is: Option<&'static str>,
    /// Whether it does.
    pub(crate) met: Option<bool>,
    /// Unit of figure and anchor.
    pub(crate) unit: &'static str,
    /// The data, and whether it was in memory.
    pub(crate) dataset: String,
    /// What the anchor is, and what else one has to know.
    pub(crate) note: String,
}

impl Outcome {
    /// A result of rounds, each ours and the anchor's.
    pub(crate) fn new(
        name: &str,
        unit: &'static str,
        rounds: &[(f64, f64)],
        goal: Goal,
        dataset: String,
        note: String,
    ) -> Self {
        let column = |of: fn(&(f64, f64)) -> f64| {
            crate::statistics::median(&Vec::from_iter(rounds.iter().map(of)))
        };
        let ratio = column(|(ours, anchor)| if *anchor > 0.0 { ours / anchor } else { f64::MAX });
        let (limit, goal_is, met) = match goal {
            Goal::AtLeast(limit) => (Some(limit), Some("min"), Some(ratio >= limit)),
            Goal::AtMost(limit) => (Some(limit), Some("max"), Some(ratio <= limit)),
            Goal::None => (None, None, None),
        };
        Self {
            name: name.to_owned(),
            figure: column(|(ours, _)| *ours),
            anchor: column(|(_, anchor)| *anchor),
            ratio,
            goal: limit,
            goal_is,
            met: met.filter(|_| !rounds.is_empty()),
            unit,
            dataset,
            note,
        }
    }

    /// Failed requests spoil a result however fast they were.
    pub(crate) fn with_errors(mut self, errors: u64) -> Self {
        if errors > 0 {
            self.note = format!("{errors} FAILED REQUESTS; {}", self.note);
            self.met = self.met.map(|_| false);
        }
        self
    }

    /// One line of progress.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}: {} {} against {}: ratio {:.2}{}",
            self.name,
            number(self.figure),
            self.unit,
            number(self.anchor),
            self.ratio,
            self.verdict()
        )
    }

    fn goal_text(&self) -> String {
        match (self.goal, self.goal_is) {
            (Some(goal), Some("min")) => format!(">= {goal:.2}"),
            (Some(goal), _) => format!("<= {goal:.2}"),
            _ => "-".to_owned(),
        }
    }

    fn verdict(&self) -> String {
        match self.met {
            Some(true) => format!(" ({}: met)", self.goal_text()),
            Some(false) => format!(" ({}: MISSED)", self.goal_text()),
            None => String::new(),
        }
    }
}

/// The machine of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    memory_mb: u64,
    processor: String,
    postgres: String,
    data_directory: String,
}

impl Machine {
    /// Asks the operating system and the server.
    pub(crate) async fn look(postgres: &Postgres) -> anyhow::Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kb: u64 =
            memory.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mb: memory_kb / 1024,
            processor: field(&read("/proc/cpuinfo"), "model name"),
            postgres: postgres.describe().await?,
            data_directory: postgres.data_dir().display().to_string(),
        })
    }

    /// One line.
    pub(crate) fn describe(&self) -> String {
        format!(
            "machine: {} cores ({}), {} MB; {}; data in {}",
            self.cores, self.processor, self.memory_mb, self.postgres, self.data_directory
        )
    }
}

/// Everything measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Where.
    pub(crate) machine: Machine,
    /// Small data and short rounds.
    pub(crate) quick: bool,
    /// Length of the run.
    pub(crate) seconds: f64,
    /// The results in the order of measuring.
    pub(crate) results: Vec<Outcome>,
}

impl Report {
    /// The table on standard output.
    pub(crate) fn print(&self) {
        println!("{}", self.machine.describe());
        let kind = if self.quick { "quick run, figures are noisy" } else { "full run" };
        println!("{kind}, {:.0} s\n", self.seconds);
        println!(
            "{:<26} {:>11} {:>11} {:<7} {:>7} {:>8}  {:<6} data",
            "measurement", "ours", "anchor", "unit", "ratio", "goal", "met"
        );
        for result in &self.results {
            let met = match result.met {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "-",
            };
            println!(
                "{:<26} {:>11} {:>11} {:<7} {:>7.2} {:>8}  {met:<6} {}",
                result.name,
                number(result.figure),
                number(result.anchor),
                result.unit,
                result.ratio,
                result.goal_text(),
                result.dataset
            );
        }
        println!();
        for result in &self.results {
            println!("{}: {}", result.name, result.note);
        }
    }
}

/// Three or four digits that matter.
fn number(value: f64) -> String {
    match value {
        1_000.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let rounds = [(10.0, 10.0), (8.0, 10.0), (1.0, 10.0)];
        let make = |goal| Outcome::new("x", "tx/s", &rounds, goal, String::new(), String::new());
        assert!((make(Goal::None).ratio - 0.8).abs() < 1e-9);
        assert_eq!(make(Goal::AtLeast(0.7)).met, Some(true));
        assert_eq!(make(Goal::AtMost(0.7)).met, Some(false));
        assert_eq!(make(Goal::AtLeast(0.7)).with_errors(1).met, Some(false));
        assert_eq!(make(Goal::None).met, None);
    }
}
