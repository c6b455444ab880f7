//! Errors as JSON-RPC gives them (contract §1.3): a code, a sentence, never a message of the
//! database or the node.

use std::borrow::Cow;

use serde::Serialize;

use crate::error::{Kind, Problem};
use crate::middleware;

/// The body is not JSON.
const PARSE: i32 = -32_700;
/// The JSON is not a request.
const INVALID_REQUEST: i32 = -32_600;
/// There is no such method, or not here.
const UNKNOWN_METHOD: i32 = -32_601;
/// The method does not take these parameters.
const BAD_PARAMS: i32 = -32_602;
/// Something failed that the client did not cause.
const INTERNAL: i32 = -32_603;
/// A well-formed name of nothing, where the method has no other way to say so.
const NOT_FOUND: i32 = -32_004;
/// Characters of a client's own text that a message repeats.
const ECHO_CHARS_MAX: usize = 60;

/// The `error` member of a response.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RpcError {
    code: i32,
    message: Cow<'static, str>,
}

impl RpcError {
    fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The body is not JSON.
    pub fn parse() -> Self {
        Self::new(PARSE, "The body is not valid JSON.")
    }

    /// The JSON is not a request.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_REQUEST, message)
    }

    /// No method has this name.
    pub fn unknown_method(name: &str) -> Self {
        let name: String = name.chars().take(ECHO_CHARS_MAX).collect();
        Self::new(UNKNOWN_METHOD, format!("There is no method {name:?}."))
    }

    /// The method is known, but this server does not have it.
    pub fn not_here(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(UNKNOWN_METHOD, message)
    }

    /// The method does not take these parameters.
    pub fn params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(BAD_PARAMS, message)
    }

    /// A well-formed name of nothing.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(NOT_FOUND, message)
    }

    /// Something that is not known yet or did not work; the client may try again.
    pub fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INTERNAL, message)
    }
}

impl From<Problem> for RpcError {
    fn from(problem: Problem) -> Self {
        // Refusals that say all there is to say need no line in the log.
        if problem.cause.is_some() {
            middleware::log(&problem);
        }
        let code = match problem.kind {
            Kind::InvalidParameter => BAD_PARAMS,
            Kind::NotFound => NOT_FOUND,
            _ => INTERNAL,
        };
        Self::new(code, problem.detail)
    }
}

impl From<chert_store::StoreError> for RpcError {
    fn from(error: chert_store::StoreError) -> Self {
        Problem::from(error).into()
    }
}
