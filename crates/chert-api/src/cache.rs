//! Finished answers kept as bytes.
//!
//! A tip answer is kept under its path *and* the checkpoint known in memory, so it dies when the
//! tip moves, and never outlives its `max-age`. A finalized answer is kept under its path alone.
//! While the wake-ups from the database are lost, the checkpoint is unknown and tip answers pass
//! by. Errors are never kept.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;
use metrics::{Counter, Gauge};
use moka::Expiry;
use moka::future::Cache;

use crate::answer::{Answer, Freshness, TIP_MAX_AGE};
use crate::error::Problem;
use crate::params::Call;
use crate::state::ApiState;

/// How long a finalized answer stays unused in memory.
const FINAL_IDLE: Duration = Duration::from_secs(3600);
/// Separates path and checkpoint in a key; it does not occur in a path.
const AT: char = '\n';
/// What an entry takes beside its key and its body, in bytes.
const ENTRY_OVERHEAD_BYTES: usize = 256;

/// Whether an operation can ever answer with something finalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It may: single blocks and transactions.
    MayBeFinal,
    /// It never does: lists, addresses, totals.
    Tip,
}

/// The answers, bounded by bytes.
#[derive(Debug)]
pub struct AnswerCache {
    answers: Option<Cache<String, Arc<Answer>>>,
    hits: Counter,
    misses: Counter,
    size_bytes: Gauge,
}

struct UntilStale;

impl Expiry<String, Arc<Answer>> for UntilStale {
    fn expire_after_create(
        &self,
        key: &String,
        answer: &Arc<Answer>,
        _: Instant,
    ) -> Option<Duration> {
        Some(match answer.freshness() {
            Freshness::Revalidate | Freshness::Never => Duration::ZERO,
            Freshness::Final if !key.contains(AT) => FINAL_IDLE,
            Freshness::Final | Freshness::Tip => TIP_MAX_AGE,
        })
    }
}

impl AnswerCache {
    /// A cache of so many bytes; 0 turns it off.
    pub fn new(bytes_max: u64) -> Self {
        let weigh = |key: &String, answer: &Arc<Answer>| {
            let bytes = key.len() + answer.weight() + ENTRY_OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let cache = || {
            Cache::builder().max_capacity(bytes_max).weigher(weigh).expire_after(UntilStale).build()
        };
        Self {
            answers: (bytes_max > 0).then(cache),
            hits: metrics::counter!("chert_cache_hits_total"),
            misses: metrics::counter!("chert_cache_misses_total"),
            size_bytes: metrics::gauge!("chert_cache_size_bytes"),
        }
    }

    /// Writes the size where the metrics are read.
    pub fn record_size(&self) {
        if let Some(cache) = &self.answers {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
            self.size_bytes.set(cache.weighted_size() as f64);
        }
    }
}

/// Answers by `load` and keeps nothing: for whatever contains anything of an identity, whose owner
/// may hide it at any moment.
pub async fn pass_by(
    call: &Call,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<Response, Problem> {
    Ok(load.await?.respond(call.if_none_match()))
}

/// Answers from the cache, else by `load`; equal requests at the same time load once.
pub async fn serve(
    api: &ApiState,
    call: &Call,
    scope: Scope,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<Response, Problem> {
    let (answer, _) = find_or_load(api, call.cache_key(), scope, load).await?;
    Ok(answer.respond(call.if_none_match()))
}

/// As [`serve`], for answers that hold something of an identity only sometimes: those are loaded
/// for each request, and others shared.
pub async fn serve_mixed<Load>(
    api: &ApiState,
    call: &Call,
    load: impl Fn() -> Load,
) -> Result<Response, Problem>
where
    Load: Future<Output = Result<Answer, Problem>>,
{
    let (answer, loaded) = find_or_load(api, call.cache_key(), Scope::Tip, load()).await?;
    if answer.freshness() == Freshness::Revalidate && !loaded {
        // Another request began to load it before this one came: it may be from before a change.
        return pass_by(call, load()).await;
    }
    Ok(answer.respond(call.if_none_match()))
}

/// As [`serve`], under a key of the caller's own, for an answer that leaves inside something else.
/// Nothing of an identity may be in it.
pub async fn find(
    api: &ApiState,
    key: String,
    scope: Scope,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<Arc<Answer>, Problem> {
    let (answer, _) = find_or_load(api, key, scope, load).await?;
    Ok(answer)
}

/// The answer, and whether this request loaded it.
async fn find_or_load(
    api: &ApiState,
    key: String,
    scope: Scope,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<(Arc<Answer>, bool), Problem> {
    let Some(cache) = &api.cache().answers else {
        return Ok((Arc::new(load.await?), true));
    };
    if scope == Scope::MayBeFinal
        && let Some(answer) = cache.get(&key).await
    {
        api.cache().hits.increment(1);
        return Ok((answer, false));
    }
    let mut loaded = false;
    let answer = match api.snapshot().tag() {
        Some(tag) => {
            let once = async {
                loaded = true;
                load.await.map(Arc::new)
            };
            let answer = cache.try_get_with(format!("{key}{AT}{tag}"), once).await;
            let counter = if loaded { &api.cache().misses } else { &api.cache().hits };
            counter.increment(1);
            answer.map_err(|problem| Problem::clone(&problem))?
        }
        None => {
            api.cache().misses.increment(1);
            loaded = true;
            Arc::new(load.await?)
        }
    };
    if answer.freshness() == Freshness::Final {
        cache.insert(key, Arc::clone(&answer)).await;
    }
    Ok((answer, loaded))
}
