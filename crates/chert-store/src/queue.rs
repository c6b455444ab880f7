//! Who waits for a connection, and for how long: the place where too much work is refused early.
//!
//! A burst may wait, and so may those who come while the database stalls for a moment: it is over
//! before anybody is tired. A queue whose turns keep coming too late is overload, and waiting in it
//! helps nobody; so from then on a statement is given a few milliseconds and refused after them,
//! until the queue is empty again. Those that came while it still looked like a burst are refused as
//! well, when their turn comes: what is accepted stays fast, and the rest knows at once. This is the
//! idea of controlled delay (K. Nichols, V. Jacobson: Controlling Queue Delay, 2012), applied to
//! waiting requests rather than to packets.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Statements that wait for a connection of one class at most.
const WAITING_MAX: usize = 1_024;
/// A queue whose turns all came too late for so long is standing.
const STANDING_AFTER: Duration = Duration::from_millis(100);
/// How long a statement waits while the queue is not standing.
const BURST_PATIENCE: Duration = Duration::from_millis(500);
/// How long a short read waits in a standing queue.
const SHORT_PATIENCE: Duration = Duration::from_millis(15);
/// How long a long read does.
const LONG_PATIENCE: Duration = Duration::from_millis(150);

const NEVER: u64 = u64::MAX;

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
    /// Since when every turn came too late, in milliseconds since `started`; [`NEVER`] for not now.
    late_since_ms: AtomicU64,
    /// Whether that lasted; until the queue is empty.
    standing: AtomicBool,
}

/// A place in the queue; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    queue: &'a Queue,
    since_ms: u64,
}

impl Queue {
    pub(crate) fn new(class: ReadClass) -> Self {
        Self {
            class,
            started: Instant::now(),
            waiting: AtomicUsize::new(0),
            late_since_ms: AtomicU64::new(NEVER),
            standing: AtomicBool::new(false),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A connection was free.
    pub(crate) fn was_empty(&self) {
        self.late_since_ms.store(NEVER, Ordering::Relaxed);
        self.standing.store(false, Ordering::Relaxed);
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

    /// How long whoever comes now waits.
    fn patience(&self) -> Duration {
        match self.standing.load(Ordering::Relaxed) {
            true => self.class.standing_patience(),
            false => BURST_PATIENCE,
        }
    }

    /// Whether somebody who came at `since_ms` and gets a connection at `now_ms` may keep it.
    fn may_keep(&self, since_ms: u64, now_ms: u64) -> bool {
        let waited = Duration::from_millis(now_ms.saturating_sub(since_ms));
        let late = waited > self.class.standing_patience();
        if self.standing.load(Ordering::Relaxed) {
            return !late;
        }
        let late_since_ms = self.late_since_ms.load(Ordering::Relaxed);
        match (late, late_since_ms) {
            (false, _) => self.late_since_ms.store(NEVER, Ordering::Relaxed),
            (true, NEVER) => self.late_since_ms.store(now_ms, Ordering::Relaxed),
            (true, since_ms) => {
                let lasted = Duration::from_millis(now_ms.saturating_sub(since_ms));
                if lasted > STANDING_AFTER {
                    self.standing.store(true, Ordering::Relaxed);
                    return false;
                }
            }
        }
        true
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
        self.queue.patience()
    }

    /// Its turn has come; whether that is soon enough.
    pub(crate) fn may_keep(&self) -> bool {
        self.queue.may_keep(self.since_ms, self.queue.now_ms())
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
        assert_eq!(queue.patience(), BURST_PATIENCE);
        // Turns that come after 16 ms, for 100 ms.
        for now_ms in [1_000, 1_050, 1_100] {
            assert!(queue.may_keep(now_ms - 16, now_ms), "a burst may wait");
        }
        assert!(!queue.may_keep(1_085, 1_101), "it is no burst");
        assert_eq!(queue.patience(), SHORT_PATIENCE);
        // Standing until it is empty: some come in time, and those that came too early do not.
        assert!(queue.may_keep(1_190, 1_200));
        assert!(!queue.may_keep(1_100, 1_200));
        assert_eq!(queue.patience(), SHORT_PATIENCE);
        queue.was_empty();
        assert_eq!(queue.patience(), BURST_PATIENCE);
        assert!(queue.may_keep(1_100, 1_201), "it is over");
    }

    #[test]
    fn who_waits_for_a_stall_to_end_is_served() {
        let queue = Queue::new(ReadClass::Short);
        // Nobody had a turn for 400 ms, and then all have, within 50.
        for waiting in 0..50 {
            assert!(queue.may_keep(1_000 + waiting * 8, 1_400 + waiting));
        }
        // A turn in time ends it, so that the next stall is another.
        assert!(queue.may_keep(1_450, 1_455));
        assert!(queue.may_keep(1_400, 1_600));
        assert_eq!(queue.patience(), BURST_PATIENCE);
        let long = Queue::new(ReadClass::Long);
        assert!(long.may_keep(0, 100) && long.may_keep(100, 250), "150 ms are not late");
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
