//! The node's own interface over what is indexed: JSON-RPC 2.0 as the ecosystem's explorer and
//! wallet speak it (contract `node-rpc.md` §1.3–1.5, §2, §8, §9, §11).
//!
//! A body is one call or a batch of them (`envelope`); a name leads to a method (`names`); a method
//! reads its parameters in whatever form they come (`params`) and gives an [`Answer`] that is kept
//! by tip like any other. Every outcome of a call is HTTP 200.

mod accounts;
mod analytics;
mod block_analytics;
mod blocks;
mod dispatch;
mod empties;
mod envelope;
mod error;
mod fees;
mod governance;
mod governance_explorer;
mod governance_sdk;
pub mod names;
mod network;
mod params;
mod passthrough;
mod registry;
mod staking;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::error::Problem;
use crate::middleware::rate_limit::Verdict;
use crate::state::ApiState;
use envelope::{Refused, Request};
use error::RpcError;
pub(crate) use passthrough::CALLS_AT_ONCE;
pub use passthrough::{NodePassthrough, PassthroughError};

/// Calls of one batch at most; each counts in the rate limit.
pub const BATCH_CALLS_MAX: usize = 50;
/// Calls of one batch that run at the same time.
const BATCH_AT_ONCE: usize = 8;
/// Bytes of results after which the other calls of a batch are refused.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// An answer is given this long before the request's own time limit would end it.
const DEADLINE_MARGIN: Duration = Duration::from_millis(100);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What became of one call.
type Outcome = Result<Arc<Answer>, RpcError>;

/// Calls in the node's own interface.
///
/// One JSON-RPC 2.0 call or a batch of at most 50, also at `POST /`. Reads of the explorer and the
/// wallet under all their names; what is not indexed has well-formed empty answers. Errors of calls
/// are in the body: -32700, -32600, -32601 (also for methods that change something: send those to a
/// node), -32602, -32603.
#[utoipa::path(
    post, path = "/jsonrpc", tag = "node",
    request_body(content = Value, description = "A call or an array of calls",
                 example = json!({"jsonrpc": "2.0", "id": 1, "method": "get_block_number"})),
    responses((status = 200, description = "The response, or an array of them", body = Value,
               example = json!({"jsonrpc": "2.0", "id": 1, "result": {"block_number": 18427}})),
              (status = 204, description = "Notifications only"))
)]
pub async fn post_jsonrpc(
    State(api): State<ApiState>,
    verdict: Option<Extension<Verdict>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let verdict = verdict.map(|Extension(verdict)| verdict);
    let Ok(raw) = serde_json::from_slice::<&RawValue>(&body) else {
        return one(&api, Err(Refused { id: None, error: RpcError::parse() })).await;
    };
    if !raw.get().starts_with('[') {
        return one(&api, Request::parse(raw)).await;
    }
    match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        Ok(calls) if (1..=BATCH_CALLS_MAX).contains(&calls.len()) => {
            batch(&api, verdict, &calls).await
        }
        _ => {
            let reason = format!("A batch must hold 1 to {BATCH_CALLS_MAX} calls.");
            one(&api, Err(Refused { id: None, error: RpcError::invalid_request(reason) })).await
        }
    }
}

fn deadline(api: &ApiState) -> Instant {
    let limit = api.settings().request_timeout;
    Instant::now() + limit.saturating_sub(DEADLINE_MARGIN.min(limit / 2))
}

async fn one(api: &ApiState, call: Result<Request<'_>, Refused<'_>>) -> Result<Response, Problem> {
    let (id, outcome) = match call {
        Err(refused) => (refused.id, Err(refused.error)),
        Ok(request) => match (request.id, dispatch::run(api, &request, deadline(api)).await) {
            (None, _) => return Ok(StatusCode::NO_CONTENT.into_response()),
            answered => answered,
        },
    };
    let mut body = Vec::with_capacity(room_for(&outcome));
    write(&mut body, id, &outcome)?;
    Ok(respond(body, outcome.ok().as_deref()))
}

async fn batch(
    api: &ApiState,
    verdict: Option<Verdict>,
    calls: &[&RawValue],
) -> Result<Response, Problem> {
    let further = u32::try_from(calls.len() - 1).unwrap_or(u32::MAX);
    let verdict = match verdict {
        Some(verdict) => Some(verdict.spend_more(api, further).await),
        None => None,
    };
    if let Some(refused) = verdict.as_ref().filter(|verdict| !verdict.allowed()) {
        let mut response = refused.problem().into_response();
        response.extensions_mut().insert(refused.clone());
        return Ok(response);
    }
    let deadline = deadline(api);
    let running: Vec<_> = calls.iter().map(|raw| answer_one(api, raw, deadline)).collect();
    let mut running = std::pin::pin!(stream::iter(running).buffered(BATCH_AT_ONCE));
    let mut body = vec![b'['];
    let mut oldest: Option<Arc<Answer>> = None;
    while let Some(done) = running.next().await {
        let Some((id, outcome)) = done else { continue };
        let outcome = outcome.and_then(|answer| fitting(body.len(), answer));
        if body.len() > 1 {
            body.push(b',');
        }
        write(&mut body, id, &outcome)?;
        if let Ok(answer) = outcome
            && oldest.as_ref().is_none_or(|oldest| answer.height() < oldest.height())
        {
            oldest = Some(answer);
        }
    }
    let mut response = match body.len() {
        1 => StatusCode::NO_CONTENT.into_response(),
        _ => {
            body.push(b']');
            respond(body, oldest.as_deref())
        }
    };
    if let Some(verdict) = verdict {
        response.extensions_mut().insert(verdict);
    }
    Ok(response)
}

/// A call of a batch; `None` for a notification.
fn answer_one<'a>(
    api: &'a ApiState,
    raw: &'a RawValue,
    deadline: Instant,
) -> BoxFuture<'a, Option<(Option<&'a RawValue>, Outcome)>> {
    Box::pin(async move {
        match Request::parse(raw) {
            Err(refused) => Some((refused.id, Err(refused.error))),
            Ok(request) => {
                let outcome = dispatch::run(api, &request, deadline).await;
                request.id.map(|id| (Some(id), outcome))
            }
        }
    })
}

fn fitting(written: usize, answer: Arc<Answer>) -> Outcome {
    if written.saturating_add(answer.body().len()) > BATCH_BYTES_MAX {
        return Err(RpcError::failed("The batch's answers are too large; ask by single calls."));
    }
    Ok(answer)
}

fn room_for(outcome: &Outcome) -> usize {
    const ENVELOPE: usize = 256;
    ENVELOPE + outcome.as_ref().map_or(0, |answer| answer.body().len())
}

fn write(body: &mut Vec<u8>, id: Option<&RawValue>, outcome: &Outcome) -> Result<(), Problem> {
    let outcome = outcome.as_ref().map(|answer| &answer.body()[..]);
    envelope::write(body, id, outcome).map_err(Problem::internal)
}

/// 200 with the consistency headers of the oldest snapshot that was read; where none was, the edge
/// adds those it knows.
fn respond(body: Vec<u8>, read: Option<&Answer>) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    if let Some(answer) = read {
        answer.consistency().write(headers);
    }
    response
}
