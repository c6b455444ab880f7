//! Finished answers kept as bytes.
//!
//! A tip answer is kept under its path *and* the checkpoint known in memory, so it dies when the
//! tip moves, and never outlives its `max-age`. A finalized answer is kept under its path alone.
//! While the wake-ups from the database are lost, the checkpoint is unknown and tip answers pass
//! by. Errors are never kept.
//!
//! Where a Valkey is configured, whoever would ask the database looks there first for what another
//! instance read. What names identities passes by ([`pass_by`]), since it may have to be hidden at any
//! moment; boards are kept in memory under a number that moves with any such change and is read for
//! each request ([`serve_edition`]); what names identities only sometimes is never shared
//! ([`serve_mixed`]).

mod memory;
mod shared;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use axum::response::Response;
use chert_store::Checkpoint;

use crate::answer::{Answer, Freshness};
use crate::error::Problem;
use crate::params::Call;
use crate::state::{ApiSettings, ApiState};
use memory::{AT, Memory, Truth};

pub use memory::CacheBound;
pub(crate) use shared::SharedAnswers;

/// One part in so many of the memory is for proposals, and another one for boards.
const PART: u64 = 16;

/// Whether an operation can ever answer with something finalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It may: single blocks and transactions.
    MayBeFinal,
    /// It never does: lists, addresses, totals.
    Tip,
    /// As `Tip`, and of proposals, which have a cache with bounds of its own.
    Proposals,
}

/// Who else may get an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Whoever asks this instance.
    Process,
    /// Whoever asks any instance.
    Instances,
}

/// The answers in memory, and those of other instances.
pub(crate) struct AnswerCache {
    answers: Option<Memory>,
    proposals: Option<Memory>,
    leaderboards: Option<Memory>,
    shared: Option<SharedAnswers>,
}

impl AnswerCache {
    /// As the settings say.
    pub fn new(settings: &ApiSettings) -> Self {
        let bytes = settings.cache_bytes;
        let part = bytes / PART;
        let bounded = |name, bound, truth| Memory::new(name, part, Some(bound), truth);
        let shared = settings.valkey.clone().map(|valkey| {
            // What the same rows would be shown as otherwise.
            let shown =
                format!("{:?} {:?} {:?}", settings.decimals, settings.network, settings.chain_id);
            SharedAnswers::new(valkey, &shown)
        });
        Self {
            answers: Memory::new("answers", bytes - 2 * part, None, Truth::AsFresh),
            proposals: bounded("proposals", settings.proposals_bound, Truth::AsFresh),
            leaderboards: bounded("leaderboards", settings.leaderboards_bound, Truth::ByKey),
            shared,
        }
    }

    /// Writes the sizes where the metrics are read.
    pub fn record_size(&self) {
        let all = [&self.answers, &self.proposals, &self.leaderboards];
        all.into_iter().flatten().for_each(Memory::record);
    }

    /// The second level, where there is one.
    pub fn shared(&self) -> Option<&SharedAnswers> {
        self.shared.as_ref()
    }

    fn memory(&self, scope: Scope) -> Option<&Memory> {
        match scope {
            Scope::MayBeFinal | Scope::Tip => self.answers.as_ref(),
            Scope::Proposals => self.proposals.as_ref(),
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
    let answer = find(api, call.cache_key(), scope, load).await?;
    Ok(answer.respond(call.if_none_match()))
}

/// As [`serve`], for answers that hold something of an identity only sometimes: those are loaded
/// for each request, and others shared by the requests of this instance.
pub async fn serve_mixed<Load>(
    api: &ApiState,
    call: &Call,
    load: impl Fn() -> Load,
) -> Result<Response, Problem>
where
    Load: Future<Output = Result<Answer, Problem>>,
{
    let place = Place { key: call.cache_key(), scope: Scope::Tip, reach: Reach::Process };
    let (answer, loaded) = find_or_load(api, place, load()).await?;
    if answer.freshness() == Freshness::Revalidate && !loaded {
        // Another request began to load it before this one came: it may be from before a change.
        return pass_by(call, load()).await;
    }
    Ok(answer.respond(call.if_none_match()))
}

/// Whether [`serve_edition`] keeps anything.
pub fn keeps_editions(api: &ApiState) -> bool {
    api.cache().leaderboards.is_some()
}

/// Answers as long as a board stays what it is, although it names identities: `edition`, read with
/// `checkpoint` for this very request, is all that the answer follows from, what may be shown of
/// identities included. `load` says which edition it found.
pub async fn serve_edition<Edition: PartialEq + Debug>(
    api: &ApiState,
    call: &Call,
    (checkpoint, edition): (&Checkpoint, Edition),
    load: impl Future<Output = Result<(Answer, Option<Edition>), Problem>>,
) -> Result<Response, Problem> {
    let Some(memory) = &api.cache().leaderboards else {
        let (answer, _) = load.await?;
        return Ok(answer.respond(call.if_none_match()));
    };
    let key = format!("{}{AT}{edition:?}", call.cache_key());
    let mut loaded = None;
    let once = async {
        let (answer, found) = load.await?;
        loaded = Some(found);
        Ok(Arc::new(answer))
    };
    let answer = memory.answers.try_get_with_by_ref(&key, once).await;
    let counter = if loaded.is_some() { &memory.misses } else { &memory.hits };
    counter.increment(1);
    let answer = answer.map_err(|problem: Arc<Problem>| Problem::clone(&problem))?;
    match loaded {
        None => Ok(answer.read_again(checkpoint).respond(call.if_none_match())),
        Some(found) => {
            // Another one than was asked for: it moved meanwhile, or another server was asked.
            if found != Some(edition) {
                memory.answers.invalidate(&key).await;
            }
            Ok(answer.respond(call.if_none_match()))
        }
    }
}

/// As [`serve`], under a key of the caller's own, for an answer that leaves inside something else.
/// Nothing of an identity may be in it.
pub async fn find(
    api: &ApiState,
    key: String,
    scope: Scope,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<Arc<Answer>, Problem> {
    let place = Place { key, scope, reach: Reach::Instances };
    let (answer, _) = find_or_load(api, place, load).await?;
    Ok(answer)
}

/// As [`find`], for what is not the database's: other instances may be told otherwise.
pub async fn find_here(
    api: &ApiState,
    key: String,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<Arc<Answer>, Problem> {
    let place = Place { key, scope: Scope::Tip, reach: Reach::Process };
    let (answer, _) = find_or_load(api, place, load).await?;
    Ok(answer)
}

/// Where an answer is kept.
struct Place {
    key: String,
    scope: Scope,
    reach: Reach,
}

/// The answer, and whether this request loaded it.
async fn find_or_load(
    api: &ApiState,
    place: Place,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<(Arc<Answer>, bool), Problem> {
    let Some(memory) = api.cache().memory(place.scope) else {
        return Ok((Arc::new(load.await?), true));
    };
    if place.scope == Scope::MayBeFinal
        && let Some(answer) = memory.answers.get(&place.key).await
    {
        memory.hits.increment(1);
        return Ok((answer, false));
    }
    let mut ran = false;
    let mut loaded = false;
    let snapshot = api.snapshot();
    let tag = snapshot.tag();
    let once = async {
        ran = true;
        let (answer, was_loaded) = share_or_load(api, &place, tag, load).await?;
        loaded = was_loaded;
        Ok::<_, Problem>(Arc::new(answer))
    };
    let answer = match tag {
        Some(tag) => {
            let answer = memory.answers.try_get_with(format!("{}{AT}{tag}", place.key), once).await;
            answer.map_err(|problem: Arc<Problem>| Problem::clone(&problem))
        }
        None => once.await,
    };
    let counter = if ran { &memory.misses } else { &memory.hits };
    counter.increment(1);
    let answer = answer?;
    if answer.freshness() == Freshness::Final {
        memory.answers.insert(place.key, Arc::clone(&answer)).await;
    }
    Ok((answer, loaded))
}

/// Another instance's answer, else one by `load`, which is left for the other instances.
async fn share_or_load(
    api: &ApiState,
    place: &Place,
    tag: Option<&str>,
    load: impl Future<Output = Result<Answer, Problem>>,
) -> Result<(Answer, bool), Problem> {
    let shared = api.cache().shared().filter(|_| place.reach == Reach::Instances);
    let may_be_final = place.scope == Scope::MayBeFinal;
    if let Some(shared) = shared.filter(|_| may_be_final || tag.is_some())
        && let Some(answer) = shared.find(&place.key, tag, may_be_final).await
    {
        return Ok((answer, false));
    }
    let answer = load.await?;
    if let Some(shared) = shared {
        shared.offer(&place.key, tag, &answer);
    }
    Ok((answer, true))
}
