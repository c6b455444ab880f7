//! Several nodes of one chain: who is healthy, who is asked, who is left alone for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use silica_models::{Block, Height};

use crate::{Fault, NodeSource, SourceError, Tip};

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Doublings after which the back-off stays at its maximum.
const BACKOFF_STEPS_MAX: u32 = 7;

/// How a source does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceHealth {
    /// Not asked yet.
    Unknown,
    /// Answers, and is where the others are.
    Healthy,
    /// Answers from below what was proven.
    Lagging,
    /// Does not answer usefully.
    Failing,
    /// Serves a branch that is not believed.
    Disagreeing,
    /// Serves another chain; not asked for blocks any more.
    WrongChain,
}

impl SourceHealth {
    /// Stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Lagging => "lagging",
            Self::Failing => "failing",
            Self::Disagreeing => "disagreeing",
            Self::WrongChain => "wrong_chain",
        }
    }
}

/// What is known of a source, for `/v1/status`.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// URL without credentials.
    pub name: String,
    /// How it does.
    pub health: SourceHealth,
    /// Its best height.
    pub height: Option<Height>,
    /// Faults since the process started.
    pub faults: u64,
    /// Last good answer, Unix seconds.
    pub last_ok_at: Option<i64>,
    /// Last fault, Unix seconds.
    pub last_error_at: Option<i64>,
    /// Its code.
    pub last_error: Option<&'static str>,
}

#[derive(Debug)]
struct State {
    view: SourceView,
    failures_in_row: u32,
    rest_until: Option<Instant>,
}

struct Entry {
    source: Arc<dyn NodeSource>,
    state: Mutex<State>,
}

/// The configured nodes. All methods take `&self`; the state of each node is its own.
pub struct SourceSet {
    entries: Vec<Entry>,
    /// Unix milliseconds.
    now_ms: fn() -> i64,
}

impl SourceSet {
    /// A set over at least one source.
    pub fn new(sources: Vec<Arc<dyn NodeSource>>, now_ms: fn() -> i64) -> Self {
        let entries = sources
            .into_iter()
            .map(|source| {
                let view = SourceView {
                    name: source.name(),
                    health: SourceHealth::Unknown,
                    height: None,
                    faults: 0,
                    last_ok_at: None,
                    last_error_at: None,
                    last_error: None,
                };
                let state = State { view, failures_in_row: 0, rest_until: None };
                Entry { source, state: Mutex::new(state) }
            })
            .collect();
        Self { entries, now_ms }
    }

    /// Number of sources.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// `true` for a set without sources.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The source itself.
    pub fn source(&self, index: usize) -> Option<&Arc<dyn NodeSource>> {
        self.entries.get(index).map(|e| &e.source)
    }

    /// What is known of every source.
    pub fn views(&self) -> Vec<SourceView> {
        self.entries.iter().map(|e| lock(e).view.clone()).collect()
    }

    /// Notes a good answer.
    pub fn note_ok(&self, index: usize, height: Option<Height>) {
        let Some(entry) = self.entries.get(index) else { return };
        let mut state = lock(entry);
        state.failures_in_row = 0;
        state.rest_until = None;
        state.view.last_ok_at = Some((self.now_ms)() / 1000);
        state.view.height = height.or(state.view.height);
        if matches!(state.view.health, SourceHealth::Unknown | SourceHealth::Failing) {
            state.view.health = SourceHealth::Healthy;
        }
    }

    /// Sets how a source does without counting a fault.
    pub fn set_health(&self, index: usize, health: SourceHealth) {
        let Some(entry) = self.entries.get(index) else { return };
        lock(entry).view.health = health;
    }

    /// Counts a fault and leaves the source alone for a while: as long as it asked, or a jittered,
    /// doubling time.
    pub fn note_fault(&self, index: usize, error: &SourceError) {
        let Some(entry) = self.entries.get(index) else { return };
        let mut state = lock(entry);
        state.failures_in_row = state.failures_in_row.saturating_add(1);
        let rest = error.retry_after.unwrap_or_else(|| backoff(state.failures_in_row));
        state.rest_until = Some(Instant::now() + rest);
        state.view.faults += 1;
        state.view.last_error_at = Some((self.now_ms)() / 1000);
        state.view.last_error = Some(error.fault.code());
        state.view.health = match error.fault {
            Fault::Lagging => SourceHealth::Lagging,
            Fault::Disagreeing => SourceHealth::Disagreeing,
            Fault::WrongChain => SourceHealth::WrongChain,
            _ if state.view.health == SourceHealth::WrongChain => SourceHealth::WrongChain,
            _ => SourceHealth::Failing,
        };
        let name = state.view.name.clone();
        drop(state);
        metrics::counter!("chert_source_faults_total",
            "source" => name.clone(), "fault" => error.fault.code())
        .increment(1);
        tracing::debug!(source = name, fault = error.fault.code(), detail = error.detail, "fault");
    }

    /// Sources that may be asked now, best first: fewest failures in a row, then highest tip.
    pub fn usable(&self) -> Vec<usize> {
        let now = Instant::now();
        let mut usable: Vec<(u32, std::cmp::Reverse<Option<Height>>, usize)> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let state = lock(entry);
            let resting = state.rest_until.is_some_and(|until| until > now);
            if !resting && state.view.health != SourceHealth::WrongChain {
                let height = std::cmp::Reverse(state.view.height);
                usable.push((state.failures_in_row, height, index));
            }
        }
        usable.sort_unstable();
        usable.into_iter().map(|(.., index)| index).collect()
    }

    /// `true` where every source serves another chain.
    pub fn all_wrong_chain(&self) -> bool {
        self.entries.iter().all(|e| lock(e).view.health == SourceHealth::WrongChain)
    }

    /// Tips of all sources that may be asked, asked at once.
    pub async fn tips(&self) -> Vec<(usize, Tip)> {
        let asked = self.usable().into_iter().map(|index| async move {
            let source = self.source(index)?;
            match source.tip().await {
                Ok(tip) => {
                    self.note_ok(index, Some(tip.height));
                    Some((index, tip))
                }
                Err(error) => {
                    self.note_fault(index, &error);
                    None
                }
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// `false` only for a source that is known not to have reached `height`.
    fn may_have(&self, index: usize, height: Height) -> bool {
        let known = self.entries.get(index).and_then(|e| lock(e).view.height);
        known.is_none_or(|tip| tip >= height)
    }

    /// Blocks from the first source that has them, and which source that was.
    pub async fn blocks(
        &self,
        first: Height,
        last: Height,
    ) -> Result<(usize, Vec<Block>), SourceError> {
        let mut outcome = Err(SourceError::new(Fault::Unreachable, "no source may be asked now"));
        for index in self.usable().into_iter().filter(|i| self.may_have(*i, last)) {
            let Some(source) = self.source(index) else { continue };
            match source.blocks(first, last).await {
                Ok(blocks) => {
                    self.note_ok(index, None);
                    return Ok((index, blocks));
                }
                Err(error) => {
                    self.note_fault(index, &error);
                    outcome = Err(error);
                }
            }
        }
        outcome
    }
}

fn lock(entry: &Entry) -> MutexGuard<'_, State> {
    // No code panics while holding it; the state would still be sound.
    entry.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn backoff(failures: u32) -> Duration {
    let doubled = BACKOFF_FIRST * 2_u32.pow(failures.saturating_sub(1).min(BACKOFF_STEPS_MAX));
    // Half fixed, half random, so that many clients of one node do not come back together.
    doubled.min(BACKOFF_MAX).mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

impl std::fmt::Debug for SourceSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.views()).finish()
    }
}
