//! What is remembered of a request from its arrival to the end of its answer.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::load::Class;
use super::{rate_limit, request_id};
use crate::answer::INDEXED_HEIGHT;
use crate::state::ApiState;

/// What is remembered of a request until its answer is finished.
pub(crate) struct Context {
    /// Its HTTP method.
    pub(crate) method: Method,
    /// Its path.
    pub(crate) path: String,
    pub(super) request_id: HeaderValue,
    caller: Option<SpanContext>,
    pub(super) route: Option<MatchedPath>,
    /// What it counts for; 0 for what is never counted.
    pub(super) cost: u32,
    pub(super) time_limit: Duration,
    pub(super) class: Class,
    /// A call of gRPC, whose messages its method reads.
    pub(super) is_call: bool,
}

impl Context {
    /// A call of gRPC that counts for `cost`, reads as `class` says and may take `time_limit`.
    pub(crate) fn of_call(
        request: &Request,
        cost: u32,
        class: Class,
        time_limit: Duration,
    ) -> Self {
        Self {
            request_id: request_id::of(request.headers()),
            caller: request_id::caller(request.headers()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            cost,
            time_limit,
            class,
            is_call: true,
        }
    }

    /// A request of HTTP.
    pub(super) fn of(api: &ApiState, request: &Request) -> Self {
        let limit = api.settings().request_timeout;
        let mut context = Self::of_call(request, 0, Class::Short, limit);
        (context.class, context.is_call) = (Class::of(context.route()), false);
        if !rate_limit::is_free(&context.path) {
            context.cost = rate_limit::cost(context.route());
        }
        context
    }

    /// The matched route.
    pub(crate) fn route(&self) -> &str {
        self.route.as_ref().map_or(crate::metrics::UNMATCHED, MatchedPath::as_str)
    }

    /// The span in which it runs, below the caller's.
    pub(crate) fn span(&self) -> tracing::Span {
        let span = tracing::info_span!(
            "request",
            request_id = self.request_id.to_str().unwrap_or_default(),
            trace_id = self.caller.as_ref().map(|c| tracing::field::display(c.trace_id())),
            method = self.method.as_str(),
            route = self.route(),
        );
        if let Some(caller) = &self.caller {
            let remote = opentelemetry::Context::new().with_remote_span_context(caller.clone());
            // Refused only where no trace is exported, and then nobody misses it.
            let _ = span.set_parent(remote);
        }
        span
    }

    /// Writes what every answer says of itself: where it was read, and whose request it answers.
    pub(crate) fn write(&self, api: &ApiState, headers: &mut HeaderMap) {
        if !headers.contains_key(&INDEXED_HEIGHT) {
            api.snapshot().consistency().write(headers);
        }
        headers.insert(request_id::HEADER, self.request_id.clone());
    }
}
