//! What happens to every request before and after its handler.
//!
//! One function in one order rather than a stack of layers: the order matters (a refused request
//! must still carry its id and its headers), and one boxed future per request is enough. gRPC has an
//! edge of its own (`grpc::edge`) around the same [`handle`]: only the endings differ.

pub(crate) mod client;
pub(crate) mod conditional;
mod context;
pub(crate) mod cors;
pub(crate) mod encoding;
pub(crate) mod load;
pub(crate) mod rate_limit;
mod request_id;
pub(crate) mod security;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use crate::answer::NO_STORE;
use crate::auth;
use crate::body::{self, BODY_BYTES_MAX};
use crate::error::{Kind, Problem};
use crate::params::check_encoding;
use crate::state::ApiState;
use rate_limit::Verdict;

pub(crate) use context::Context;

/// Longest URI, in bytes.
pub(crate) const URI_BYTES_MAX: usize = 8 * 1024;
/// Longest headers of a request, names and values together, in bytes.
const HEADER_BYTES_MAX: usize = 48 * 1024;
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Marks an error answer whose body is already as it should be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verbatim;

/// Runs one request.
pub(crate) async fn edge(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let context = Context::of(&api, &request);
    let span = context.span();
    let mut response = handle(&api, &context, request, next).instrument(span.clone()).await;
    span.in_scope(|| finish(&api, &context, &mut response));
    let route = context.route.as_ref().map(MatchedPath::as_str);
    api.http_metrics().record(route, &context.method, response.status(), started.elapsed());
    response
}

/// Runs a request through everything that may refuse it, and its handler.
pub(crate) async fn handle(
    api: &ApiState,
    context: &Context,
    request: Request,
    next: Next,
) -> Response {
    if context.method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let mut verdict = match admit(api, context, client_of(api, context, &request)).await {
        Ok(verdict) => verdict,
        Err(response) => return *response,
    };
    let mut response = match admissible(api, context, request).await {
        Err(problem) => problem.into_response(),
        Ok(request) if auth::is_signed(request.headers()) && context.cost > 0 => {
            // Boxed: requests without a signature do not carry its state along.
            Box::pin(run_signed(api, context, request, next, &mut verdict)).await
        }
        Ok(mut request) => {
            pass_on(context, &mut request, verdict.as_ref());
            guard(api, context, next.run(request)).await
        }
    };
    // A handler that counted more than one request leaves what the limit said then.
    let verdict = response.extensions_mut().remove::<Verdict>().or(verdict);
    if let Some(verdict) = verdict {
        let free = response.status() == StatusCode::NOT_MODIFIED;
        let verdict = if free { verdict.refund(api).await } else { verdict };
        verdict.write(response.headers_mut());
    }
    response
}

/// Lets a handler that takes several calls in one body count the others.
fn pass_on(context: &Context, request: &mut Request, verdict: Option<&Verdict>) {
    if context.method == Method::POST
        && let Some(verdict) = verdict
    {
        request.extensions_mut().insert(verdict.clone());
    }
}

/// Runs a request that is signed, or is said to be, within the same time limit.
async fn run_signed(
    api: &ApiState,
    context: &Context,
    request: Request,
    next: Next,
    verdict: &mut Option<Verdict>,
) -> Response {
    let work = async {
        let (mut request, caller) = match auth::authenticate(api, request).await {
            Ok(authenticated) => authenticated,
            Err(problem) => return problem.into_response(),
        };
        if let Some(identity) = caller.as_ref().and_then(|caller| caller.identity.as_ref()) {
            let own = api.limits().check_identity(identity, context.cost).await;
            let allowed = own.as_ref().is_none_or(Verdict::allowed);
            let address = std::mem::replace(verdict, own);
            match verdict {
                // Not given back: what comes beyond the limit ends before the next signature is
                // looked at.
                Some(own) if !allowed => return own.problem().into_response(),
                _ => {
                    if let Some(address) = address {
                        address.refund(api).await;
                    }
                }
            }
        }
        pass_on(context, &mut request, verdict.as_ref());
        let mut response = next.run(request).await;
        auth::mark(response.headers_mut(), caller.as_ref());
        response
    };
    guard(api, context, work).await
}

/// Whose request it is; nobody's where it is not counted.
fn client_of(api: &ApiState, context: &Context, request: &Request) -> Option<IpAddr> {
    if context.cost == 0 {
        return None;
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?.0.ip();
    Some(client::address(peer, request.headers(), &api.settings().trusted_proxies))
}

/// Asks the rate limit. The answer to a refused request is boxed: it is big and rare.
async fn admit(
    api: &ApiState,
    context: &Context,
    address: Option<IpAddr>,
) -> Result<Option<Verdict>, Box<Response>> {
    let Some(address) = address else { return Ok(None) };
    let verdict = api.limits().check_address(address, context.cost).await;
    let Some(verdict) = verdict else { return Ok(None) };
    if verdict.allowed() {
        return Ok(Some(verdict));
    }
    let mut response = verdict.problem().into_response();
    verdict.write(response.headers_mut());
    Err(Box::new(response))
}

/// The request with its whole body, unless something about it is refused at once.
async fn admissible(
    api: &ApiState,
    context: &Context,
    request: Request,
) -> Result<Request, Problem> {
    match refuse(&request) {
        Some(problem) => Err(problem),
        // A call may keep sending while it is answered; its messages are bounded one by one.
        None if context.is_call => Ok(request),
        None => body::arrived(api, request).await,
    }
}

fn refuse(request: &Request) -> Option<Problem> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > URI_BYTES_MAX {
        return Some(Problem::new(Kind::UriTooLong, "The URI is above 8 KiB."));
    }
    let headers = request.headers().iter();
    if headers.map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
        > HEADER_BYTES_MAX
    {
        return Some(Problem::new(Kind::HeadersTooLarge, "The headers are above 48 KiB."));
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if length.and_then(|l| l.parse::<usize>().ok()).is_some_and(|l| l > BODY_BYTES_MAX) {
        return Some(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    check_encoding(uri).err()
}

/// Runs a handler where there is room for it, within the time limit; a panic becomes an answer.
async fn guard(
    api: &ApiState,
    context: &Context,
    work: impl Future<Output = Response>,
) -> Response {
    let work = AssertUnwindSafe(load::run(api, context.class, work)).catch_unwind();
    match tokio::time::timeout(context.time_limit, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Problem::internal(format_args!("panic: {}", text.unwrap_or_default())).into_response()
        }
        Err(_) => Problem::timeout().into_response(),
    }
}

/// Adds what every answer carries, and writes the body of errors.
fn finish(api: &ApiState, context: &Context, response: &mut Response) {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        write_problem(context, response);
    }
    encoding::tag_encoding(response);
    let headers = response.headers_mut();
    context.write(api, headers);
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
    cors::write(headers, &context.method);
    security::write(headers, &context.path, api.settings().tls.is_some());
    tracing::debug!(status = status.as_u16(), "answered");
}

fn write_problem(context: &Context, response: &mut Response) {
    if response.extensions().get::<Verbatim>().is_some() {
        return;
    }
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::of_status(response.status()));
    log(&problem);
    let request_id = context.request_id.to_str().unwrap_or_default();
    let body = problem.body(&context.path, request_id);
    let body = serde_json::to_vec(&body).unwrap_or_default();
    *response.status_mut() = problem.status();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::ETAG);
    *response.body_mut() = Body::from(body);
}

/// Writes a refusal to the log, with the cause that clients do not see.
pub(crate) fn log(problem: &Problem) {
    let (kind, _, status) = problem.kind.table();
    let cause = problem.cause.as_deref().unwrap_or_default();
    // Refusing is how overload is handled; a line for each would only add to it. They are counted.
    if status.is_server_error() && problem.kind != Kind::Overloaded {
        tracing::error!(status = status.as_u16(), kind, cause, "request failed");
    } else {
        tracing::debug!(status = status.as_u16(), kind, detail = %problem.detail, "refused");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use chert_store::{PoolSettings, Store};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::ApiSettings;
    use crate::answer::INDEXED_HEIGHT;

    /// State over a database that does not exist.
    fn state() -> ApiState {
        let store = Store::connect_lazy(&PoolSettings::new("postgres://x@127.0.0.1:1/x")).unwrap();
        let request_timeout = Duration::from_millis(100);
        let settings = ApiSettings { request_timeout, ..ApiSettings::default() };
        ApiState::new(store, settings, PrometheusBuilder::new().build_recorder().handle())
    }

    async fn answer(router: Router, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        assert!(response.headers().contains_key(request_id::HEADER));
        assert!(response.headers().contains_key(INDEXED_HEIGHT));
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn panics_and_time_outs_become_problems() {
        async fn panics() -> StatusCode {
            panic!("secret of the house")
        }
        let state = state();
        let edge = axum::middleware::from_fn_with_state(state.clone(), edge);
        let router = Router::new()
            .route("/panic", get(panics))
            .route("/slow", get(std::future::pending::<StatusCode>))
            .layer(edge)
            .with_state(state);
        let (status, body) = answer(router.clone(), "/panic").await;
        assert_eq!((status.as_u16(), &body["type"]), (500, &"urn:chert:problem:internal".into()));
        assert!(!body.to_string().contains("secret"));
        let (status, body) = answer(router, "/slow").await;
        assert_eq!((status.as_u16(), &body["type"]), (504, &"urn:chert:problem:timeout".into()));
    }

    #[tokio::test]
    async fn without_a_database_health_lives_and_data_says_so() {
        let state = state();
        let (status, body) = answer(crate::router(state.clone()), "/health").await;
        assert_eq!((status.as_u16(), &body["status"]), (200, &"degraded".into()));
        let (status, body) = answer(crate::router(state.clone()), "/v1/explorer/blocks").await;
        assert!(status.is_server_error() && body["detail"].is_string(), "{body}");
        let (status, _) = answer(crate::router(state), "/nowhere").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}
