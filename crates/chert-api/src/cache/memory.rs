//! The answers in memory, in caches bounded by bytes and, where so configured, by number and time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, counter, gauge};
use moka::Expiry;
use moka::future::Cache;
use moka::notification::RemovalCause;

use crate::answer::{Answer, Freshness, TIP_MAX_AGE};

/// How long a finalized answer stays unused in memory.
pub(super) const FINAL_IDLE: Duration = Duration::from_secs(3600);
/// Separates path and checkpoint in a key; it does not occur in a path.
pub(super) const AT: char = '\n';
/// What an entry takes beside its key and its body, in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 256;

/// An upper bound of one cache, beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBound {
    /// Answers kept at most; 0 for none at all.
    pub entries_max: u64,
    /// How long one is kept at most.
    pub age_max: Duration,
}

/// One cache with its metrics, labelled with its name.
#[derive(Debug)]
pub(super) struct Memory {
    pub answers: Cache<String, Arc<Answer>>,
    pub hits: Counter,
    pub misses: Counter,
    size_bytes: Gauge,
    entries: Gauge,
}

/// How long what a cache holds stays true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// As long as the answer says.
    AsFresh,
    /// As long as its key can be asked for: the key names everything that the answer follows from.
    ByKey,
}

struct UntilStale {
    age_max: Option<Duration>,
    truth: Truth,
}

impl Expiry<String, Arc<Answer>> for UntilStale {
    fn expire_after_create(
        &self,
        key: &String,
        answer: &Arc<Answer>,
        _: Instant,
    ) -> Option<Duration> {
        let stays = match answer.freshness() {
            _ if self.truth == Truth::ByKey => Duration::MAX,
            Freshness::Revalidate | Freshness::Never => Duration::ZERO,
            Freshness::Final if !key.contains(AT) => FINAL_IDLE,
            // Its age counts from its reading, also where another instance read it.
            Freshness::Final => TIP_MAX_AGE,
            Freshness::Tip => TIP_MAX_AGE.saturating_sub(answer.age()),
        };
        Some(self.age_max.map_or(stays, |age_max| stays.min(age_max)))
    }
}

impl Memory {
    /// A cache of so many bytes; `None` where its bounds leave no room.
    pub fn new(
        name: &'static str,
        bytes_max: u64,
        bound: Option<CacheBound>,
        truth: Truth,
    ) -> Option<Self> {
        if bytes_max == 0 || bound.is_some_and(|bound| bound.entries_max == 0) {
            return None;
        }
        // Where their number is bounded, each counts for its share of the bytes at least: one sum
        // keeps both bounds.
        let share = bound.map_or(0, |bound| bytes_max / bound.entries_max);
        let weigh = move |key: &String, answer: &Arc<Answer>| {
            let bytes = u64::try_from(key.len() + answer.weight()).unwrap_or(u64::MAX);
            u32::try_from(bytes.saturating_add(ENTRY_OVERHEAD_BYTES).max(share)).unwrap_or(u32::MAX)
        };
        let pushed_out = counter!("chert_cache_evictions_total", "cache" => name);
        let answers = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(weigh)
            .expire_after(UntilStale { age_max: bound.map(|bound| bound.age_max), truth })
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    pushed_out.increment(1);
                }
            })
            .build();
        Some(Self {
            answers,
            hits: counter!("chert_cache_hits_total", "cache" => name),
            misses: counter!("chert_cache_misses_total", "cache" => name),
            size_bytes: gauge!("chert_cache_size_bytes", "cache" => name),
            entries: gauge!("chert_cache_entries", "cache" => name),
        })
    }

    /// Writes the gauges. The size is what the bound counts.
    #[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
    pub fn record(&self) {
        self.size_bytes.set(self.answers.weighted_size() as f64);
        self.entries.set(self.answers.entry_count() as f64);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chert_store::Checkpoint;

    use super::*;

    fn answer(freshness: Freshness, bytes: usize) -> Arc<Answer> {
        let checkpoint = Checkpoint {
            height: 1,
            hash: vec![1],
            tip_time_ms: 0,
            finalized_height: 0,
            finality_depth: 1,
            node_height: 1,
            bulk: false,
        };
        Arc::new(Answer::json(&checkpoint, freshness, &"x".repeat(bytes)).unwrap())
    }

    async fn filled(bytes_max: u64, bound: Option<CacheBound>, bytes: usize) -> u64 {
        let memory = Memory::new("test", bytes_max, bound, Truth::AsFresh).unwrap();
        for number in 0..50 {
            memory.answers.insert(number.to_string(), answer(Freshness::Final, bytes)).await;
        }
        memory.answers.run_pending_tasks().await;
        memory.answers.entry_count()
    }

    #[tokio::test]
    async fn number_and_bytes_are_both_bounds() {
        let few = CacheBound { entries_max: 10, age_max: Duration::from_secs(60) };
        assert_eq!(filled(1 << 20, None, 100).await, 50);
        assert_eq!(filled(1 << 20, Some(few), 100).await, 10);
        let big = filled(1 << 20, Some(few), 300_000).await;
        assert!((1..10).contains(&big), "{big}");
        let none = CacheBound { entries_max: 0, ..few };
        assert!(Memory::new("test", 1, Some(none), Truth::ByKey).is_none());
        assert!(Memory::new("test", 0, None, Truth::AsFresh).is_none());
    }

    #[test]
    fn nothing_outlives_its_promise() {
        let stays_as = |truth, age_max, key: &str, freshness| {
            let expiry = UntilStale { age_max, truth };
            expiry.expire_after_create(&key.to_owned(), &answer(freshness, 1), Instant::now())
        };
        let stays =
            |age_max, key: &str, freshness| stays_as(Truth::AsFresh, age_max, key, freshness);
        assert_eq!(stays(None, "/a", Freshness::Final), Some(FINAL_IDLE));
        assert!(stays(None, "/a\n1:aa", Freshness::Tip).unwrap() < TIP_MAX_AGE);
        assert_eq!(stays(None, "/a\n1:aa", Freshness::Revalidate), Some(Duration::ZERO));
        let short = Duration::from_millis(5);
        assert_eq!(stays(Some(short), "/a", Freshness::Final), Some(short));
        let board = stays_as(Truth::ByKey, Some(short), "/a\n1", Freshness::Revalidate);
        assert_eq!(board, Some(short));
    }
}
