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
mod verifier;

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::Bytes;
use chert_store::entities::identity::find_holder;
use silica_models::Address;

use crate::answer::now_ms;
use crate::error::Problem;
use crate::state::ApiState;
pub use caller::Caller;
use http_signature::{Message, SIGNATURE, SIGNATURE_INPUT};
use keys::AddressKind;
use nonces::{NonceError, NonceStore};
use refusal::Refusal;
use verifier::Verifier;

/// Says how a signed request was taken: `account`, `identity`, or `unavailable` where it was
/// answered as an anonymous one because nobody could tell whether it is a replay.
pub const AUTHENTICATION: HeaderName = HeaderName::from_static("chert-authentication");
const INPUT: HeaderName = HeaderName::from_static(SIGNATURE_INPUT);
const SIGNED: HeaderName = HeaderName::from_static(SIGNATURE);
/// What authentication shares between requests.
pub(crate) struct Authentication {
    nonces: Arc<dyn NonceStore>,
    verifier: Verifier,
}

impl Authentication {
    /// Over a memory of nonces.
    pub fn new(nonces: Arc<dyn NonceStore>) -> Self {
        Self { nonces, verifier: Verifier::new() }
    }

    /// Where signatures are verified.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
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
    let body = if body.is_end_stream() { Bytes::new() } else { crate::body::whole(body).await? };
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
    let algorithm = claim.algorithm;
    let work = move || (claim.holds(), claim);
    let (good, claim) = api.authentication().verifier.run(algorithm, work).await?;
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
        Err(NonceError::Overloaded) => Err(Problem::overloaded()),
        Err(error @ NonceError::Failed(_)) => Err(Problem::internal(error)),
    }
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
