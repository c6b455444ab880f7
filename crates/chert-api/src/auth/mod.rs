//! Authentication by signature: RFC 9421 with the keys of the chain's accounts (api.md §2). No
//! passwords, no sessions, nothing secret here.
//!
//! `fields` reads headers, `http_signature` recreates what was signed, `policy` says what we ask
//! for, `keys` verifies, `nonces` remembers. Here they meet. A request without signature headers
//! comes no further than [`is_signed`], which is two look-ups and no allocation.

mod caller;
pub mod digest;
pub mod fields;
#[cfg(test)]
mod fields_tests;
pub mod http_signature;
pub mod keys;
pub mod nonces;
pub mod policy;
pub mod refusal;
pub(crate) mod shared_nonces;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use chert_store::entities::identity::find_holder;
use futures::StreamExt;
use silica_models::Address;
use tokio::sync::Semaphore;

use crate::answer::now_ms;
use crate::error::Problem;
use crate::middleware::BODY_BYTES_MAX;
use crate::state::ApiState;
pub use caller::Caller;
use http_signature::{Message, SIGNATURE, SIGNATURE_INPUT};
use keys::{AddressKind, Algorithm};
use nonces::{NonceError, NonceStore};
use policy::Claim;
use refusal::Refusal;

/// Says how a signed request was taken: `account`, `identity`, or `unavailable` where it was
/// answered as an anonymous one because nobody could tell whether it is a replay.
pub const AUTHENTICATION: HeaderName = HeaderName::from_static("chert-authentication");
const INPUT: HeaderName = HeaderName::from_static(SIGNATURE_INPUT);
const SIGNED: HeaderName = HeaderName::from_static(SIGNATURE);
/// ML-DSA signatures verified at the same time at least; more on a machine with more than four
/// processors, up to half of them. Others wait: one takes 0.15 to 0.6 ms of a processor
/// (`docs/security.md`), which requests without a signature need, too.
const SLOW_VERIFICATIONS_MIN: usize = 2;

/// What authentication shares between requests.
pub(crate) struct Authentication {
    nonces: Arc<dyn NonceStore>,
    slow_verifications: Arc<Semaphore>,
}

impl Authentication {
    /// Over a memory of nonces.
    pub fn new(nonces: Arc<dyn NonceStore>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = (processors / 2).max(SLOW_VERIFICATIONS_MIN);
        Self { nonces, slow_verifications: Arc::new(Semaphore::new(permits)) }
    }
}

/// Whether a request claims to be somebody's.
pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(&INPUT) || headers.contains_key(&SIGNED)
}

/// Finds out who signed a request, and puts the [`Caller`] into its extensions. `None`: the memory
/// of nonces cannot be reached, and the request counts as anonymous (design §3.9).
///
/// # Errors
/// 401 with a reason for whatever is wrong with the signature; 413 for a body above the limit.
pub(crate) async fn authenticate(
    api: &ApiState,
    request: Request,
) -> Result<(Request, Option<Caller>), Problem> {
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() { Bytes::new() } else { whole(body).await? };
    let outcome = identify(api, &parts, &body).await;
    let label = match &outcome {
        Ok(Some(_)) => "accepted",
        Ok(None) => "unavailable",
        Err(problem) => problem.reason.unwrap_or("failed"),
    };
    metrics::counter!("chert_authentications_total", "outcome" => label).increment(1);
    let caller = outcome?;
    let mut request = Request::from_parts(parts, Body::from(body));
    if let Some(caller) = &caller {
        request.extensions_mut().insert(caller.clone());
    }
    Ok((request, caller))
}

/// The body, up to the limit of every body.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::of_status(StatusCode::BAD_REQUEST))?;
        if whole.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

async fn identify(api: &ApiState, parts: &Parts, body: &[u8]) -> Result<Option<Caller>, Problem> {
    let message = Message {
        method: parts.method.as_str(),
        authority: authority_of(parts),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
    };
    let now_s = now_ms().div_euclid(1000);
    let claim = policy::check(&message, body, &api.settings().authorities, now_s)?;
    let (claim, good) = verify(api, claim).await?;
    if !good {
        return Err(Refusal::BadSignature.into());
    }
    let account = AddressKind::Account.address_of(&claim.public_key);
    let account = Address::parse(&account).map_err(Problem::internal)?;
    let (fresh, identity) = tokio::join!(
        api.authentication().nonces.claim(&claim.nonce, claim.life),
        find_holder(api.store().readers(), account.key()),
    );
    let identity = identity.map_err(NonceError::from);
    match fresh.and_then(|fresh| Ok((fresh, if fresh { identity? } else { None }))) {
        Ok((true, identity)) => Ok(Some(Caller { account, identity })),
        Ok((false, _)) => Err(Refusal::Replayed.into()),
        Err(error @ NonceError::Unreachable(_)) => {
            tracing::warn!(%error, "a signed request is answered as an anonymous one");
            Ok(None)
        }
        Err(error @ NonceError::Failed(_)) => Err(Problem::internal(error)),
    }
}

/// Ed25519 at once; ML-DSA on a thread of its own, a few at a time.
async fn verify(api: &ApiState, claim: Claim) -> Result<(Claim, bool), Problem> {
    let started = Instant::now();
    let algorithm = claim.algorithm;
    let outcome = if algorithm == Algorithm::Ed25519 {
        let good = claim.holds();
        (claim, good)
    } else {
        let permits = Arc::clone(&api.authentication().slow_verifications);
        let permit = permits.acquire_owned().await.map_err(Problem::internal)?;
        let work = move || {
            let good = claim.holds();
            drop(permit);
            (claim, good)
        };
        tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?
    };
    metrics::histogram!("chert_signature_verify_seconds", "alg" => algorithm.as_str())
        .record(started.elapsed());
    Ok(outcome)
}

/// Host and port as the client named them.
fn authority_of(parts: &Parts) -> &str {
    let host = || parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    parts.uri.authority().map(|a| a.as_str()).or_else(host).unwrap_or_default()
}

/// Says on the answer who was recognised, and keeps others from keeping it.
pub(crate) fn mark(headers: &mut HeaderMap, caller: Option<&Caller>) {
    let state = match caller {
        None => HeaderValue::from_static("unavailable"),
        Some(Caller { identity: None, .. }) => HeaderValue::from_static("account"),
        Some(_) => HeaderValue::from_static("identity"),
    };
    headers.insert(AUTHENTICATION, state);
    crate::answer::make_private(headers);
}
