//! Follows the node into the store: backfill, follow, reorganisations, balances, the registry,
//! governance, oracles, verify.
//!
//! The indexer decides what to fetch and what to believe; how rows are written is the store's
//! business, and it knows entities only through the batch that the store encodes.

mod balances;
mod conflict;
mod error;
mod feeds;
mod governance;
mod leaderboards;
mod maintenance;
mod oracles;
mod plan;
mod powers;
mod progress;
mod registry;
mod reorg;
mod session;
mod settings;
mod verify;

pub use error::IndexerError;
pub use oracles::{Objection, OracleSetup, objection};
pub use progress::{Mode, Progress};
pub use settings::{FeedSettings, IndexerSettings, OracleSettings, wall_clock_ms};
pub use verify::{NodeFinding, VerifyReport, verify};

use std::sync::Arc;
use std::time::Duration;

use chert_sources::{SourceError, SourceSet};
use chert_store::{PoolSettings, Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Connections beside the writer's, opened when needed: a quarter for what feeds store, the rest for
/// plain reads.
const CONNECTIONS_MAX: u32 = 40;

/// The indexer of one database.
#[derive(Debug)]
pub struct Indexer {
    pub(crate) sources: Arc<SourceSet>,
    pub(crate) oracles: Vec<Arc<oracles::Oracle>>,
    pub(crate) database: PoolSettings,
    pub(crate) store: Store,
    pub(crate) settings: IndexerSettings,
    pub(crate) progress: watch::Sender<Progress>,
    /// Wakes the balance feed after a commit.
    pub(crate) committed: Arc<Notify>,
}

impl Indexer {
    /// An indexer; nothing is opened yet. `database` must reach PostgreSQL directly, not through a
    /// transaction pooler, because the writer lock belongs to a session.
    pub fn new(
        sources: SourceSet,
        database: PoolSettings,
        settings: IndexerSettings,
    ) -> Result<Self, StoreError> {
        // Counted from the start, so that a rate over them exists before the first event.
        for counter in ["reorgs", "deep_reorgs_refused", "quarantined"] {
            metrics::counter!(format!("chert_indexer_{counter}_total")).increment(0);
        }
        let pool = PoolSettings {
            max_connections: CONNECTIONS_MAX,
            copies: true,
            min_connections: 0,
            ..database.clone()
        };
        Ok(Self {
            sources: Arc::new(sources),
            oracles: Vec::new(),
            database,
            store: Store::connect_lazy(&pool)?,
            settings,
            progress: watch::channel(Progress::default()).0,
            committed: Arc::new(Notify::new()),
        })
    }

    /// Oracles to read. Fails for an API key that cannot be sent.
    pub fn with_oracles(mut self, setups: Vec<OracleSetup>) -> Result<Self, SourceError> {
        let oracles = setups.into_iter().map(|setup| oracles::Oracle::new(setup).map(Arc::new));
        self.oracles = oracles.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Progress as it changes, for a terminal or a test.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Indexes until `stop` is cancelled. Outages of the database and the nodes are waited out;
    /// the only error is one that an operator has to settle.
    pub async fn run(self, stop: CancellationToken) -> Result<(), IndexerError> {
        self.run_sessions(&stop).await
    }

    async fn run_sessions(&self, stop: &CancellationToken) -> Result<(), IndexerError> {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let started = std::time::Instant::now();
            match session::run(self, stop).await {
                Ok(()) => break,
                Err(IndexerError::Store(error)) => {
                    if started.elapsed() > RETRY_MAX {
                        failures = 0;
                    }
                    failures = failures.saturating_add(1);
                    metrics::counter!("chert_indexer_session_errors_total", "code" => error.code())
                        .increment(1);
                    let wait = (RETRY_FIRST * 2_u32.pow(failures.min(6) - 1)).min(RETRY_MAX);
                    tracing::warn!(%error, wait_ms = wait.as_millis(), "opening a new session");
                    tokio::select! {
                        () = tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)) => {}
                        () = stop.cancelled() => break,
                    }
                }
                Err(fatal) => return Err(fatal),
            }
        }
        Ok(())
    }
}
