//! Keeps an oracle's log growing at the pace of the wall clock.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ANCHOR_BLOCKS, ANCHOR_DEPTH, Oracle, OracleConfig};
use crate::miner::now_ms;

/// How long the pacer sleeps at most, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);
const SLEEP_MIN: Duration = Duration::from_millis(10);
/// Items appended in one go, so that requests are answered while a log catches up.
const APPEND_MAX: u64 = 500;
/// A chain that has not grown for so many block times is not waited for.
const WAIT_BLOCKS: u32 = 3;

/// A running pacer. Dropping it stops it as well.
#[derive(Debug)]
pub struct OraclePacer {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl OraclePacer {
    /// Starts appending on the current Tokio runtime: at any moment the log holds the items
    /// whose time has come, so that their times are those of the wall clock. What is missing
    /// since the configured start is caught up with first.
    pub fn start(oracle: Oracle) -> OraclePacer {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(oracle, stop.clone()));
        OraclePacer { stop, task: Some(task) }
    }

    /// Stops after the items in progress, if any.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the pacer of an oracle did not end cleanly");
        }
    }
}

impl Drop for OraclePacer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(oracle: Oracle, stop: CancellationToken) {
    let config = &oracle.0.config;
    let pause = Duration::from_millis(config.step_ms).clamp(SLEEP_MIN, SLEEP_MAX);
    let mut watch = ChainWatch { tip: 0, grown: Instant::now() };
    while !stop.is_cancelled() {
        let appended = oracle.lock().appended;
        let until = watch.settled_ms(config, now_ms());
        let due = config.items_due(until).saturating_sub(appended).min(APPEND_MAX);
        let worker = oracle.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || worker.append(due)).await {
            tracing::error!(%error, "appending to the log of an oracle failed");
            return;
        }
        if due < APPEND_MAX {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// Waits for a chain that catches up with the clock, after the machine was suspended: an item
/// names a transaction by its time, and has to name the same one when the oracle starts again.
struct ChainWatch {
    tip: u64,
    grown: Instant,
}

impl ChainWatch {
    /// Up to when items may be told, milliseconds since the Unix epoch.
    fn settled_ms(&mut self, config: &OracleConfig, now_ms: u64) -> u64 {
        let Some(chain) = &config.chain else { return now_ms };
        let tip = chain.tip().0;
        if tip != self.tip {
            *self = ChainWatch { tip, grown: Instant::now() };
        }
        let recipe = chain.recipe();
        if self.grown.elapsed() > Duration::from_millis(recipe.block_time_ms) * WAIT_BLOCKS {
            return now_ms;
        }
        now_ms.min(recipe.nominal_time_ms(tip + ANCHOR_DEPTH - ANCHOR_BLOCKS))
    }
}
