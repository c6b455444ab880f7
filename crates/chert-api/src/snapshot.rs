//! The system as last seen, kept in memory: for `/health`, for the headers of errors, and as the
//! checkpoint under which tip answers are cached.
//!
//! A background task reads it every second and whenever the indexer says that the tip moved.

use std::time::{Duration, Instant};

use chert_store::entities::source::query::{SystemStatus, get_status};
use chert_store::{Checkpoint, Listener, StoreError, TIP_CHANNEL};
use futures::FutureExt;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::answer::{Consistency, now_ms};
use crate::metrics;
use crate::state::ApiState;

const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// A refresh that takes longer counts as a database that does not answer.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(3);
const LISTEN_BACKOFF_MIN: Duration = Duration::from_secs(1);
const LISTEN_BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The node must have answered within this time.
pub const NODE_SEEN_MS_MAX: i64 = 30_000;
/// The indexer must have finished a round within this time.
pub const PROGRESS_MS_MAX: i64 = 45_000;
/// Blocks behind the node from which on the service calls itself degraded.
const LAG_BLOCKS_MAX: i64 = 10;

/// The system at the last look.
#[derive(Debug)]
pub struct Snapshot {
    /// What was read; absent before the first time.
    pub status: Option<SystemStatus>,
    /// Whether the last look succeeded.
    pub database_ok: bool,
    /// Whether wake-ups arrive.
    pub listening: bool,
    consistency: Consistency,
    tag: String,
}

impl Snapshot {
    /// Before anything was read.
    pub fn unknown() -> Self {
        Self::new(None, false, false)
    }

    fn new(status: Option<SystemStatus>, database_ok: bool, listening: bool) -> Self {
        let nothing = Checkpoint {
            height: -1,
            hash: Vec::new(),
            tip_time_ms: 0,
            finalized_height: -1,
            finality_depth: 0,
            node_height: -1,
            bulk: false,
        };
        let checkpoint = status.as_ref().map_or(&nothing, |s| &s.checkpoint);
        let consistency = Consistency::of(checkpoint, now_ms());
        let tag = format!("{}:{}", checkpoint.height, hex::encode(&checkpoint.hash));
        Self { consistency, tag, status, database_ok, listening }
    }

    /// The checkpoint, where one was read.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.status.as_ref().map(|s| &s.checkpoint)
    }

    /// Headers for answers that read nothing themselves.
    pub fn consistency(&self) -> &Consistency {
        &self.consistency
    }

    /// Names the checkpoint; `None` where it may have moved without our knowing.
    pub fn tag(&self) -> Option<&str> {
        (self.listening && self.database_ok).then_some(&self.tag)
    }

    /// Whether a node answered lately.
    pub fn node_ok(&self, now_ms: i64) -> bool {
        self.status
            .as_ref()
            .is_some_and(|s| now_ms - s.progress.node_seen_at_ms <= NODE_SEEN_MS_MAX)
    }

    /// Whether the indexer finished a round lately.
    pub fn progress_ok(&self, now_ms: i64) -> bool {
        self.status
            .as_ref()
            .is_some_and(|s| now_ms - s.progress.progressed_at_ms <= PROGRESS_MS_MAX)
    }

    /// Whether everything is as it should be.
    pub fn healthy(&self, now_ms: i64) -> bool {
        let behind = self.checkpoint().is_none_or(|c| c.bulk || c.lag_blocks() > LAG_BLOCKS_MAX);
        self.database_ok && self.node_ok(now_ms) && self.progress_ok(now_ms) && !behind
    }
}

/// Reads the system until told to stop.
pub(crate) async fn keep_fresh(api: ApiState, stop: CancellationToken) {
    let mut tick = tokio::time::interval(REFRESH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ear = Ear::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                api.upkeep_metrics();
                ear.ensure(&api).await;
            }
            () = ear.changed() => api.streams().wake(),
        }
        refresh(&api, ear.is_open()).await;
    }
}

async fn refresh(api: &ApiState, listening: bool) {
    let read = tokio::time::timeout(REFRESH_TIMEOUT, get_status(api.store())).await;
    let snapshot = match read {
        Ok(Ok(status)) => Snapshot::new(Some(status), true, listening),
        failed => {
            if api.snapshot().database_ok {
                let code =
                    failed.map_or("timeout", |r| r.err().map_or("", |e: StoreError| e.code()));
                tracing::warn!(code, "the database does not answer; serving from memory");
            }
            Snapshot::new(api.snapshot().status.clone(), false, false)
        }
    };
    metrics::record_snapshot(api, &snapshot);
    api.set_snapshot(snapshot);
}

/// The connection on which wake-ups arrive, made again when it is lost.
struct Ear {
    listener: Option<Listener>,
    retry_at: Instant,
    backoff: Duration,
}

impl Ear {
    fn new() -> Self {
        Self { listener: None, retry_at: Instant::now(), backoff: LISTEN_BACKOFF_MIN }
    }

    fn is_open(&self) -> bool {
        self.listener.is_some()
    }

    async fn ensure(&mut self, api: &ApiState) {
        if self.listener.is_some() || Instant::now() < self.retry_at {
            return;
        }
        match api.store().listen(TIP_CHANNEL).await {
            Ok(listener) => {
                self.listener = Some(listener);
                self.backoff = LISTEN_BACKOFF_MIN;
            }
            Err(_) => {
                self.retry_at = Instant::now() + self.backoff;
                self.backoff = (self.backoff * 2).min(LISTEN_BACKOFF_MAX);
            }
        }
    }

    /// Ends when there is news, or a doubt whether some was missed. News that piled up during a
    /// refresh is one piece of news.
    async fn changed(&mut self) {
        let Some(listener) = &mut self.listener else { return std::future::pending().await };
        let mut news = listener.changed().await;
        while let Ok(true) = news {
            match listener.changed().now_or_never() {
                Some(more) => news = more,
                None => return,
            }
        }
        if news.is_err() {
            self.listener = None;
        }
    }
}
