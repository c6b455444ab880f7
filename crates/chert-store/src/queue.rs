//! Who waits for a connection, and for how long: the place where too much work is refused early.
//!
//! A burst may wait: it is over before anybody is tired. A queue that does not empty any more is
//! overload, and waiting in it helps nobody, so then a statement is given a few milliseconds and
//! refused after them: what is accepted stays fast, and the rest knows at once. Those that came while
//! it still looked like a burst are refused as well, when their turn comes. This is the idea of
//! controlled delay (K. Nichols, V. Jacobson: Controlling Queue Delay, 2012), applied to waiting
//! requests rather than to packets.

use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Statements that wait for a connection of one class at most.
const WAITING_MAX: usize = 1_024;
/// A queue that was not empty for so long is standing.
const STANDING_AFTER: Duration = Duration::from_millis(100);
/// How long a statement waits while the queue is not standing.
const BURST_PATIENCE: Duration = Duration::from_millis(1_000);
/// How long a short read waits in a standing queue.
const SHORT_PATIENCE: Duration = Duration::from_millis(15);
/// How long a long read does.
const LONG_PATIENCE: Duration = Duration::from_millis(150);

const _: () = assert!(SHORT_PATIENCE.as_millis() < LONG_PATIENCE.as_millis());
const _: () = assert!(LONG_PATIENCE.as_millis() < BURST_PATIENCE.as_millis());

/// What a read may cost. Each class has connections, a queue and a `statement_timeout` of its own,
/// so that searches cannot take the connections of look-ups by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadClass {
    /// Look-ups by key and pages along an index: nearly everything.
    Short,
    /// Searches in texts and the like.
    Long,
}

impl ReadClass {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }

    fn standing_patience(self) -> Duration {
        match self {
            Self::Short => SHORT_PATIENCE,
            Self::Long => LONG_PATIENCE,
        }
    }
}

tokio::task_local! {
    static CLASS: ReadClass;
}

/// Runs `work` with its reads counted as long ones. Tasks that it spawns are not meant.
pub async fn as_long<F: Future>(work: F) -> F::Output {
    CLASS.scope(ReadClass::Long, work).await
}

/// The class of the reads of the current task.
pub(crate) fn current_class() -> ReadClass {
    CLASS.try_with(|class| *class).unwrap_or(ReadClass::Short)
}

/// Too much work at once; nothing was read.
#[derive(Debug, thiserror::Error)]
#[error("too many {} reads at once; try again shortly", .0.name())]
pub struct Saturated(pub ReadClass);

impl From<Saturated> for sqlx::Error {
    fn from(saturated: Saturated) -> Self {
        Self::AnyDriverError(Box::new(saturated))
    }
}

/// The queue of one class.
#[derive(Debug)]
pub(crate) struct Queue {
    class: ReadClass,
    started: Instant,
    waiting: AtomicUsize,
    /// When somebody last got a connection without waiting, in milliseconds since `started`.
    empty_at_ms: AtomicU64,
}

/// A place in the queue; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    queue: &'a Queue,
    since_ms: u64,
}

impl Queue {
    pub(crate) fn new(class: ReadClass) -> Self {
        let (waiting, empty_at_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { class, started: Instant::now(), waiting, empty_at_ms }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A connection was free.
    pub(crate) fn was_empty(&self) {
        self.empty_at_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Saturated`] where too many wait.
    pub(crate) fn enter(&self) -> Result<Place<'_>, Saturated> {
        let place = Place { queue: self, since_ms: self.now_ms() };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(self.refuse("queue_full"));
        }
        Ok(place)
    }

    /// How long whoever comes at this time waits.
    fn patience_at(&self, now_ms: u64) -> Duration {
        let since = now_ms.saturating_sub(self.empty_at_ms.load(Ordering::Relaxed));
        if Duration::from_millis(since) > STANDING_AFTER {
            self.class.standing_patience()
        } else {
            BURST_PATIENCE
        }
    }

    /// Whether somebody who came at `since_ms` and gets a connection at `now_ms` came too early: the
    /// queue has turned out to be standing.
    fn is_stale_at(&self, since_ms: u64, now_ms: u64) -> bool {
        Duration::from_millis(now_ms.saturating_sub(since_ms)) > self.patience_at(now_ms)
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&self, why: &'static str) -> Saturated {
        let class = self.class.name();
        metrics::counter!("chert_store_refused_total", "class" => class, "why" => why).increment(1);
        Saturated(self.class)
    }

    /// Counts a statement that took longer than it may.
    pub(crate) fn count_cancelled(&self) {
        let class = self.class.name();
        metrics::counter!("chert_store_cancelled_total", "class" => class).increment(1);
    }
}

impl Place<'_> {
    /// How long to wait in it.
    pub(crate) fn patience(&self) -> Duration {
        self.queue.patience_at(self.since_ms)
    }

    /// Whether its turn came too late to be taken.
    pub(crate) fn is_stale(&self) -> bool {
        self.queue.is_stale_at(self.since_ms, self.queue.now_ms())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_waits_and_a_standing_queue_does_not() {
        let queue = Queue::new(ReadClass::Short);
        queue.empty_at_ms.store(1_000, Ordering::Relaxed);
        assert_eq!(queue.patience_at(1_000), BURST_PATIENCE);
        assert_eq!(queue.patience_at(1_100), BURST_PATIENCE);
        assert_eq!(queue.patience_at(1_101), SHORT_PATIENCE);
        assert_eq!(Queue::new(ReadClass::Long).patience_at(5_000), LONG_PATIENCE);
    }

    #[test]
    fn who_came_before_the_queue_stood_is_refused_with_the_others() {
        let queue = Queue::new(ReadClass::Short);
        queue.empty_at_ms.store(1_000, Ordering::Relaxed);
        assert!(!queue.is_stale_at(1_010, 1_100), "a burst may wait");
        assert!(queue.is_stale_at(1_010, 1_101));
        assert!(!queue.is_stale_at(1_090, 1_101), "within the patience of a standing queue");
        queue.empty_at_ms.store(1_101, Ordering::Relaxed);
        assert!(!queue.is_stale_at(1_010, 1_101), "it was a burst after all");
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let queue = Queue::new(ReadClass::Short);
        let places: Vec<_> = (0..WAITING_MAX).map(|_| queue.enter().expect("a place")).collect();
        assert!(queue.enter().is_err());
        assert!(queue.enter().is_err(), "a refusal must not take a place");
        drop(places);
        assert!(queue.enter().is_ok());
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_class_goes_with_the_task() {
        assert_eq!(current_class(), ReadClass::Short);
        assert_eq!(as_long(async { current_class() }).await, ReadClass::Long);
        assert_eq!(current_class(), ReadClass::Short);
    }
}
