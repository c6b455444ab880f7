//! Oracles: follows the work feed of each, probes each, and tells how each does.
//!
//! Every oracle has tasks of its own, so that one that hangs or lies holds up nobody else. They end
//! with the session, because only the process that holds the writer lock reads sources.

mod pages;
mod status;
mod trust;
mod visit;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chert_sources::{OracleClient, OracleOptions, OracleSource, SourceError};
use chert_store::Store;
use chert_store::entities::oracle::Probe;
use chert_store::entities::source::SourceState;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::trust::{Objection, objection};
use crate::settings::OracleSettings;
use crate::{Indexer, IndexerSettings, Progress};
use status::View;

/// Pause between two looks at which oracles are known by now.
const ROLL_CALL: Duration = Duration::from_secs(10);
/// A probe waits so long at most for the oracle's first answer, which tells its id.
const ID_WAIT: Duration = Duration::from_secs(30);

/// An oracle to read.
#[derive(Debug, Clone)]
pub struct OracleSetup {
    /// How to talk to it and what it has to prove.
    pub options: OracleOptions,
    /// The network it must work for, where one is configured.
    pub network_id: Option<String>,
}

/// A configured oracle and what is known of it.
pub(crate) struct Oracle {
    setup: OracleSetup,
    source: Arc<dyn OracleSource>,
    view: watch::Sender<View>,
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Oracle {
    pub(crate) fn new(setup: OracleSetup) -> Result<Self, SourceError> {
        let source = Arc::new(OracleClient::new(setup.options.clone())?);
        Ok(Self { setup, source, view: watch::channel(View::default()).0 })
    }

    /// What `/v1/status` shows.
    pub(crate) fn state(&self) -> SourceState {
        self.view.borrow().source_state(self.source.name())
    }
}

/// What the tasks of one oracle have.
#[derive(Clone)]
struct Context {
    oracle: Arc<Oracle>,
    store: Store,
    settings: OracleSettings,
    progress: watch::Receiver<Progress>,
    now_ms: fn() -> i64,
}

impl Context {
    fn now_s(&self) -> i64 {
        (self.now_ms)() / 1_000
    }
}

/// Reads all oracles for ever; dropped with the session.
pub(crate) async fn run(indexer: &Indexer) -> Infallible {
    // Checking signatures takes time: tasks of their own keep it away from the chain. The set
    // aborts them when it is dropped.
    let mut tasks: JoinSet<Infallible> = JoinSet::new();
    let IndexerSettings { oracles: settings, now_ms, .. } = &indexer.settings;
    for oracle in &indexer.oracles {
        let context = Context {
            oracle: Arc::clone(oracle),
            store: indexer.store.clone(),
            settings: settings.clone(),
            progress: indexer.progress.subscribe(),
            now_ms: *now_ms,
        };
        tasks.spawn(visit::follow(context.clone()));
        tasks.spawn(probe(context));
    }
    let mut known: Vec<String> = Vec::new();
    loop {
        tokio::time::sleep(ROLL_CALL.min(settings.probe)).await;
        retire_others(indexer, &mut known).await;
    }
}

/// Marks oracles as retired that are not configured any more, once it is known which these are.
async fn retire_others(indexer: &Indexer, known: &mut Vec<String>) {
    let ids = indexer.oracles.iter().map(|o| o.view.borrow().oracle_id.clone());
    let Some(mut ids) = ids.collect::<Option<Vec<String>>>() else { return };
    ids.sort_unstable();
    if *known == ids {
        return;
    }
    let now_s = (indexer.settings.now_ms)() / 1_000;
    match indexer.store.retire_oracles(&ids, now_s).await {
        Ok(_) => *known = ids,
        Err(error) => tracing::debug!(%error, "put off"),
    }
}

/// Probes an oracle for ever: whether it answers, how fast, and its counters (contract §4.1).
async fn probe(context: Context) -> Infallible {
    let oracle = &context.oracle;
    loop {
        let reading = oracle.source.probe().await;
        let now_s = context.now_s();
        oracle.view.send_modify(|view| {
            view.probed(reading.reachable, reading.fault.map(chert_sources::Fault::code), now_s);
        });
        let mut view = oracle.view.subscribe();
        let named = view.wait_for(|view| view.oracle_id.is_some());
        let id = match tokio::time::timeout(ID_WAIT, named).await {
            Ok(Ok(view)) => view.oracle_id.clone(),
            _ => None,
        };
        if let Some(oracle_id) = id {
            let probe = Probe {
                oracle_id: &oracle_id,
                good: reading.reachable,
                rtt_ms: reading.rtt_ms,
                counters: reading.reachable.then_some(&reading.counters),
                now_s,
            };
            if let Err(error) = context.store.put_probe(&probe).await {
                tracing::debug!(%error, "a probe is not stored");
            }
        }
        // Jitter, so that oracles are not asked by everybody at once.
        let wait = context.settings.probe.mul_f64(0.75 + rand::random::<f64>() / 2.0);
        tokio::time::sleep(wait).await;
    }
}
