//! Keeps a chain growing at the pace of the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::config::BLOCK_TIME_MIN;
use crate::rng::Rng;
use crate::state::Clock;

const MINER_DOMAIN: u64 = 0x6d69_6e65;

/// How a miner works.
#[derive(Clone, Copy, Debug)]
pub struct MinerConfig {
    /// Time between two blocks; at least [`BLOCK_TIME_MIN`].
    pub block_time: Duration,
    /// A reorg after this many mined blocks; `None` or 0 for never.
    pub reorg_every: Option<u64>,
    /// Reorgs replace 1 to this many blocks.
    pub reorg_depth_max: u64,
}

impl Default for MinerConfig {
    fn default() -> MinerConfig {
        MinerConfig { block_time: Duration::from_secs(2), reorg_every: None, reorg_depth_max: 6 }
    }
}

/// A running miner. Dropping it stops it as well.
#[derive(Debug)]
pub struct Miner {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Miner {
    /// Starts mining on the current Tokio runtime. New blocks carry the time of the wall
    /// clock; everything else stays deterministic.
    pub fn start(chain: Chain, schedule: MinerConfig) -> Miner {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(chain, schedule, stop.clone()));
        Miner { stop, task: Some(task) }
    }

    /// Stops after the block in progress, if any.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the miner did not end cleanly");
        }
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(chain: Chain, schedule: MinerConfig, stop: CancellationToken) {
    let mut rng = Rng::new(&[chain.seed(), MINER_DOMAIN]);
    let mut ticks = tokio::time::interval(schedule.block_time.max(BLOCK_TIME_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await; // The first tick comes at once; the tip is fresh enough for one block time.
    let mut mined_since_reorg = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let reorg_due =
            schedule.reorg_every.is_some_and(|every| every > 0 && mined_since_reorg >= every);
        let (depth, new_len) = if reorg_due {
            mined_since_reorg = 0;
            let depth = 1 + rng.below(schedule.reorg_depth_max.max(1));
            // The longer branch wins nearly always; sometimes an equally long one does.
            (depth, if rng.one_in(8) { depth } else { depth + 1 })
        } else {
            mined_since_reorg += 1;
            (0, 1)
        };
        let worker = chain.clone();
        let work = tokio::task::spawn_blocking(move || {
            worker.replace(depth, new_len, Clock::Now(now_ms()))
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "mining failed");
            return;
        }
    }
}

/// Milliseconds since the Unix epoch; 0 on a machine whose clock stands before it.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
