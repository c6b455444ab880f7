//! What happens to every call before and after its method: what happens to every request of REST,
//! with another ending.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use tonic::Code;
use tracing::Instrument;

use super::deadline;
use super::methods::methods;
use crate::error::{GRPC_STATUS, Problem};
use crate::middleware::load::Class;
use crate::middleware::{Context, cors, handle, log, security};
use crate::state::ApiState;

/// What a call of a method that is not ours counts for: reflection, and names of nothing.
const OTHER_COST: u32 = 1;
const HEALTH: &str = "/grpc.health.v1.Health/";
const WEB: &str = "application/grpc-web";
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Where a call comes in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// The gRPC port.
    Native,
    /// The HTTP port, for browsers.
    Web,
}

/// Runs one call.
pub(super) async fn edge(
    State((api, port)): State<(ApiState, Port)>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let (cost, class) = price(request.uri().path());
    let context = Context::of_call(&request, cost, class, time_limit(&api, &request));
    let content_type = content_type(request.headers());
    let span = context.span();
    let mut response = handle(&api, &context, request, next).instrument(span.clone()).await;
    let code = span.in_scope(|| {
        let code = settle(&mut response, content_type);
        finish(&api, &context, port, response.headers_mut());
        tracing::debug!(?code, "answered");
        code
    });
    let method = context.route().to_owned();
    histogram!("chert_grpc_request_seconds", "method" => method.clone()).record(started.elapsed());
    counter!("chert_grpc_requests_total", "method" => method, "code" => format!("{code:?}"))
        .increment(1);
    response
}

/// What a call counts for, and what it may take: as its operation in REST. Health is asked by machines
/// that must not be refused.
fn price(path: &str) -> (u32, Class) {
    match methods().find(path) {
        Some(method) => (method.cost, Class::of(method.route())),
        None if path.starts_with(HEALTH) => (0, Class::Free),
        None => (OTHER_COST, Class::Short),
    }
}

/// Our own limit, or the client's where that is shorter. A malformed one is refused by the method.
fn time_limit(api: &ApiState, request: &Request) -> Duration {
    let own = api.settings().request_timeout;
    deadline::of(request.headers()).ok().flatten().map_or(own, |given| given.min(own))
}

/// What a status without messages is answered as: the kind of gRPC that was asked in.
fn content_type(headers: &HeaderMap) -> HeaderValue {
    let asked = headers.get(header::CONTENT_TYPE);
    asked.filter(|asked| asked.as_bytes().starts_with(WEB.as_bytes())).cloned().unwrap_or(GRPC)
}

/// Turns an error answer into a gRPC status, and says how the call ended. A stream counts by its
/// beginning.
fn settle(response: &mut Response, content_type: HeaderValue) -> Code {
    let status = response.status();
    let mut problem = response.extensions_mut().remove::<Problem>();
    if status.is_client_error() || status.is_server_error() {
        problem = problem.or_else(|| Some(Problem::of_status(status)));
    }
    if let Some(problem) = problem {
        log(&problem);
        let (parts, ()) = problem.grpc_status().into_http::<()>().into_parts();
        *response.status_mut() = StatusCode::OK;
        *response.body_mut() = Body::empty();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.extend(parts.headers);
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    let code = response.headers().get(&GRPC_STATUS);
    code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// Adds what every answer carries.
fn finish(api: &ApiState, context: &Context, port: Port, headers: &mut HeaderMap) {
    context.write(api, headers);
    if port == Port::Web {
        cors::write(headers, &context.method);
        security::write(headers, &context.path, api.settings().tls.is_some());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use axum::Router;
    use axum::routing::post;
    use chert_store::{PoolSettings, Store};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::ServiceExt;

    use super::*;
    use crate::ApiSettings;

    #[tokio::test]
    async fn a_panic_says_nothing_and_a_stuck_call_ends() {
        async fn panics() -> StatusCode {
            panic!("secret of the house")
        }
        let store = Store::connect_lazy(&PoolSettings::new("postgres://x@127.0.0.1:1/x")).unwrap();
        let settings =
            ApiSettings { request_timeout: Duration::from_millis(50), ..ApiSettings::default() };
        let api =
            ApiState::new(store, settings, PrometheusBuilder::new().build_recorder().handle());
        let edge = axum::middleware::from_fn_with_state((api, Port::Native), edge);
        let router = Router::new()
            .route("/panics", post(panics))
            .route("/hangs", post(std::future::pending::<StatusCode>))
            .layer(edge);
        for (path, code) in [("/panics", Code::Internal), ("/hangs", Code::DeadlineExceeded)] {
            let request = Request::post(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let status = tonic::Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.code(), code);
            assert!(!format!("{status:?}").contains("secret"));
            assert!(response.headers().contains_key("chert-indexed-height"));
        }
    }
}
