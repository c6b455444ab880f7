//! Whole-system test support: an indexer that can be killed, and waiting without sleeping blindly.
#![expect(clippy::expect_used, reason = "test support: a failure is the test's failure")]

pub mod api;
pub mod events;
pub mod ground_truth;
pub mod grpc;
pub mod oracles;
pub mod people;
pub mod reader;
pub mod simulation;
pub mod stage;
pub mod told;

use std::sync::Arc;
use std::time::Duration;

use chert_indexer::{
    FeedSettings, Indexer, IndexerError, IndexerSettings, OracleSettings, OracleSetup,
};
use chert_sources::{NodeClient, NodeOptions, NodeSource, SourceSet};
use chert_store::{PoolSettings, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for the indexer to reach a state.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
pub(crate) const WAIT_STEP: Duration = Duration::from_millis(5);

/// Settings for tests: fast polls, short patience.
pub fn fast_settings() -> IndexerSettings {
    IndexerSettings {
        sync_interval: Duration::from_millis(5),
        shorter_branch_patience: Duration::from_millis(100),
        bulk_threshold_blocks: None,
        feeds: FeedSettings {
            round_min: Duration::from_millis(5),
            round_max: Duration::from_millis(200),
            retry: Duration::from_millis(10),
            absent_retry: Duration::from_millis(200),
            ..FeedSettings::default()
        },
        oracles: OracleSettings {
            long_poll: Duration::from_millis(100),
            poll_min: Duration::from_millis(10),
            backoff: Duration::from_millis(10),
            backoff_max: Duration::from_millis(200),
            refused_retry: Duration::from_millis(100),
            absent_retry: Duration::from_millis(200),
            standby: Duration::from_millis(50),
            ..OracleSettings::default()
        },
        leaderboard_interval: Duration::from_millis(50),
        ..IndexerSettings::default()
    }
}

/// Sources over node URLs.
pub fn sources(urls: &[String], request_timeout: Duration) -> SourceSet {
    let options = NodeOptions { request_timeout };
    let clients = urls
        .iter()
        .map(|url| {
            let url = url.parse().expect("a valid URL");
            let client = NodeClient::new(url, options).expect("a client");
            Arc::new(client) as Arc<dyn NodeSource>
        })
        .collect();
    SourceSet::new(clients, chert_indexer::wall_clock_ms)
}

/// An indexer in a task of its own.
pub struct RunningIndexer {
    task: JoinHandle<Result<(), IndexerError>>,
    stop: CancellationToken,
}

impl RunningIndexer {
    /// Starts indexing `urls` into `database`.
    pub fn start(database: &str, urls: &[String], settings: IndexerSettings) -> Self {
        Self::start_with(database, urls, settings, Vec::new())
    }

    /// The same, which also reads oracles.
    pub fn start_with(
        database: &str,
        urls: &[String],
        settings: IndexerSettings,
        oracles: Vec<OracleSetup>,
    ) -> Self {
        let stop = CancellationToken::new();
        let sources = sources(urls, Duration::from_millis(400));
        let indexer = Indexer::new(sources, PoolSettings::new(database), settings)
            .expect("a valid database URL")
            .with_oracles(oracles)
            .expect("valid oracles");
        let task = tokio::spawn(indexer.run(stop.clone()));
        Self { task, stop }
    }

    /// Ends it between two instructions, as a crash would, at whatever await it is.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Ends it in order and returns how it ended.
    pub async fn stop(self) -> Result<(), IndexerError> {
        self.stop.cancel();
        self.task.await.expect("the indexer must not panic")
    }

    /// `true` once it ended by itself.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

/// Waits until the checkpoint is the block (height, hash).
pub async fn wait_for_tip(store: &Store, tip: (u64, String)) -> anyhow::Result<()> {
    let expected = i64::try_from(tip.0)?;
    let started = std::time::Instant::now();
    loop {
        let seen = store.checkpoint().await;
        if let Ok(checkpoint) = &seen
            && checkpoint.height == expected
            && checkpoint.tip_hash().is_some_and(|h| h.to_string() == tip.1)
            && !checkpoint.bulk
        {
            return Ok(());
        }
        anyhow::ensure!(
            started.elapsed() < WAIT_MAX,
            "waited for {tip:?}, the store is at {seen:?}"
        );
        tokio::time::sleep(WAIT_STEP).await;
    }
}

/// Waits until `condition` holds; fails with its last error, or with `what` was waited for.
pub async fn wait_until(
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    loop {
        let outcome = condition().await;
        if matches!(outcome, Ok(true)) {
            return Ok(());
        }
        if started.elapsed() >= WAIT_MAX {
            outcome?;
            anyhow::bail!("waited in vain until {what}");
        }
        tokio::time::sleep(WAIT_STEP).await;
    }
}

/// Waits until registry and governance have been read at the tip.
pub async fn wait_for_feeds(url: &str) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    while !chert_testkit::dump::feeds_are_read(url).await? {
        anyhow::ensure!(started.elapsed() < WAIT_MAX, "feeds are still to be read");
        tokio::time::sleep(WAIT_STEP).await;
    }
    Ok(())
}

/// Waits until no balance has to be read any more.
pub async fn wait_for_balances(url: &str) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    while chert_testkit::dump::open_balances(url).await? > 0 {
        anyhow::ensure!(started.elapsed() < WAIT_MAX, "balances are still to be read");
        tokio::time::sleep(WAIT_STEP).await;
    }
    Ok(())
}
