//! What all feeds of the node have in common: when they run, which node they ask, and the proof
//! that the node stood on the indexed chain while it was asked.
//!
//! The registry and governance tell only what is now, without saying on which branch. So a reading
//! counts only if the same node had the indexed block at the index's height before and after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chert_sources::{Fault, NodeSource, SourceError};
use chert_store::StoreError;
use silica_models::{BlockHash, Height};
use tokio::sync::watch;

use crate::settings::FeedSettings;
use crate::{Indexer, Progress};

/// The indexed block under which a feed reads.
#[derive(Debug, Clone)]
pub(crate) struct Stand {
    pub(crate) height: Height,
    pub(crate) hash: BlockHash,
    /// The block's time, Unix seconds.
    pub(crate) time_s: i64,
}

/// Where the index stands; `None` while nothing is indexed or blocks are being filled in.
pub(crate) async fn stand(indexer: &Indexer) -> Result<Option<Stand>, StoreError> {
    if indexer.progress.borrow().mode.is_filling() {
        return Ok(None);
    }
    let checkpoint = indexer.store.checkpoint().await?;
    let (false, Some(height), Some(hash)) =
        (checkpoint.bulk, checkpoint.tip(), checkpoint.tip_hash())
    else {
        return Ok(None);
    };
    Ok(Some(Stand { height, hash, time_s: checkpoint.tip_time_ms.div_euclid(1_000) }))
}

/// What a feed does after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// There is more to read.
    None,
    /// Everything is read: until the index moves.
    UntilNews,
    /// Something did not work.
    Retry,
    /// No node has the feed.
    Absent,
}

/// The rhythm of a feed.
pub(crate) struct Rhythm {
    settings: FeedSettings,
    news: watch::Receiver<Progress>,
    failures: u32,
}

impl Rhythm {
    pub(crate) fn new(indexer: &Indexer) -> Self {
        Self {
            settings: indexer.settings.feeds.clone(),
            news: indexer.progress.subscribe(),
            failures: 0,
        }
    }

    /// The last news; to be asked before a round.
    pub(crate) fn seen(&self) -> News {
        News::of(&self.news.borrow())
    }

    /// Waits as long as the outcome of a round asks for.
    pub(crate) async fn wait(&mut self, pause: Pause, seen: News) {
        let settings = &self.settings;
        self.failures = match pause {
            Pause::Retry => self.failures.saturating_add(1),
            _ => 0,
        };
        match pause {
            Pause::None => tokio::task::yield_now().await,
            Pause::UntilNews => {
                tokio::time::sleep(settings.round_min).await;
                let rest = settings.round_max.saturating_sub(settings.round_min);
                // Fails when the time is up, and when the indexer is gone and all is over anyway.
                let moved = self.news.wait_for(|progress| News::of(progress) != seen);
                let _ = tokio::time::timeout(rest, moved).await;
            }
            Pause::Retry => {
                let doubled = settings.retry * 2_u32.pow(self.failures.clamp(1, 8) - 1);
                let wait = doubled.min(settings.round_max.max(settings.retry));
                tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            }
            Pause::Absent => tokio::time::sleep(settings.absent_retry).await,
        }
    }
}

/// What makes a feed look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    height: i64,
    /// Reorganisations followed so far.
    pub(crate) reorgs: u64,
    filling: bool,
}

impl News {
    fn of(progress: &Progress) -> Self {
        Self {
            height: progress.height,
            reorgs: progress.reorgs,
            filling: progress.mode.is_filling(),
        }
    }
}

/// A node that has the block of a [`Stand`].
pub(crate) struct Vantage {
    index: usize,
    pub(crate) source: Arc<dyn NodeSource>,
    stand: Stand,
}

impl Vantage {
    /// Whether the node still has the block: what was read meanwhile belongs to the indexed chain.
    pub(crate) async fn holds(&self) -> bool {
        self.source.hash_at(self.stand.height).await.is_ok_and(|hash| hash == self.stand.hash)
    }

    /// Highest block that what was read may speak of: the node's tip now. `None` where the node has
    /// left the block, or does not say.
    pub(crate) async fn spoken_to(&self) -> Option<Height> {
        let tip = self.source.tip().await.ok()?.height;
        self.holds().await.then(|| tip.max(self.stand.height))
    }

    /// Whether the block is the node's tip, too: then it can speak of no later block.
    pub(crate) async fn is_at_tip(&self) -> bool {
        self.source.tip().await.is_ok_and(|tip| tip.height == self.stand.height)
    }
}

/// The nodes as one feed sees them: who has its methods.
pub(crate) struct Nodes {
    feed: &'static str,
    /// Nodes without the feed's methods, and when to ask them again.
    absent: HashMap<usize, Instant>,
    absent_retry: Duration,
}

impl Nodes {
    pub(crate) fn new(feed: &'static str, indexer: &Indexer) -> Self {
        metrics::counter!("chert_feed_faults_total", "feed" => feed, "fault" => "malformed")
            .increment(0);
        metrics::gauge!("chert_feed_absent", "feed" => feed).set(0.0);
        let absent_retry = indexer.settings.feeds.absent_retry;
        Self { feed, absent: HashMap::new(), absent_retry }
    }

    /// The best node that has the feed and stands where the index stands, or why there is none.
    pub(crate) async fn pick(
        &mut self,
        indexer: &Indexer,
        stand: &Stand,
    ) -> Result<Vantage, Pause> {
        let now = Instant::now();
        self.absent.retain(|_, until| *until > now);
        for index in indexer.sources.usable() {
            if self.absent.contains_key(&index) {
                continue;
            }
            let Some(source) = indexer.sources.source(index) else { continue };
            let vantage = Vantage { index, source: Arc::clone(source), stand: stand.clone() };
            if vantage.holds().await {
                return Ok(vantage);
            }
        }
        let none_has_it = self.absent.len() >= indexer.sources.len();
        Err(if none_has_it { Pause::Absent } else { Pause::Retry })
    }

    /// Notes a failed request and tells how to go on.
    pub(crate) fn failed(
        &mut self,
        indexer: &Indexer,
        vantage: &Vantage,
        error: &SourceError,
    ) -> Pause {
        if error.is_unknown_method() {
            self.absent.insert(vantage.index, Instant::now() + self.absent_retry);
            let all = self.absent.len() >= indexer.sources.len();
            metrics::gauge!("chert_feed_absent", "feed" => self.feed).set(f64::from(u8::from(all)));
            tracing::info!(
                feed = self.feed,
                node = vantage.source.name(),
                "the node does not have it; it will be asked again"
            );
            return if all { Pause::Absent } else { Pause::None };
        }
        metrics::counter!("chert_feed_faults_total",
            "feed" => self.feed, "fault" => error.fault.code())
        .increment(1);
        // A node whose registry is broken may still serve good blocks: only what concerns the
        // connection rests it.
        if matches!(
            error.fault,
            Fault::Unreachable | Fault::Timeout | Fault::RateLimited | Fault::HttpStatus
        ) {
            indexer.sources.note_fault(vantage.index, error);
        }
        tracing::debug!(feed = self.feed, %error, "not read");
        Pause::Retry
    }

    /// The feed answered.
    pub(crate) fn answered(&self, height: Height) {
        metrics::gauge!("chert_feed_absent", "feed" => self.feed).set(0.0);
        metrics::gauge!("chert_feed_height", "feed" => self.feed)
            .set(f64::from(u32::try_from(height).unwrap_or(u32::MAX)));
    }
}
