//! The only table from errors to answers: RFC 9457 problem documents, and gRPC statuses.
//!
//! Handlers return a [`Problem`]; `middleware::edge` writes its body, because only there are the
//! request id and the consistency headers known. A detail tells the client what to do and never
//! carries a message of the database or the node.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chert_store::privacy::Closed;
use chert_store::read::Outage;
use chert_store::{Checkpoint, StoreError};
use serde::Serialize;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use utoipa::ToSchema;

/// What a 401 must name; the scheme has no other parameters.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Signature realm=\"chert\"");
/// What we ask a signer for (RFC 9421 §5.1).
const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");
const ACCEPTED_SIGNATURE: HeaderValue = HeaderValue::from_static(
    "chert=(\"@method\" \"@authority\" \"@path\" \"@query\");created;expires;nonce;keyid;alg",
);
/// Seconds after which a client may ask again when the database is away.
const UNAVAILABLE_RETRY_S: u32 = 2;
/// Seconds after which a client may ask again when there is too much to do.
const OVERLOADED_RETRY_S: u32 = 1;
/// Seconds after which a client may ask again while the indexes are being built.
const INDEX_BUILDING_RETRY_S: u32 = 10;

/// How a call ended (gRPC over HTTP/2).
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The problem's `type`, in the metadata of a gRPC status.
pub(crate) const PROBLEM_TYPE: HeaderName = HeaderName::from_static("problem-type");
/// Who names the reasons in the details of a gRPC status (`google.rpc.ErrorInfo.domain`).
const ERROR_DOMAIN: &str = "chert.api.v1";

/// What went wrong, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A parameter or the request itself is malformed.
    InvalidParameter,
    /// Well-formed, but there is no such object or route.
    NotFound,
    /// The identity does not show its figures to this caller.
    StatsHidden,
    /// The cursor belongs to a snapshot that is gone.
    SnapshotExpired,
    /// The log of events does not go back so far.
    EventsExpired,
    /// The request builds on a version of the object that is not the current one.
    VersionConflict,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The request body is above the limit.
    BodyTooLarge,
    /// The request body did not arrive within its time.
    BodyTooSlow,
    /// The request body is compressed.
    EncodingRefused,
    /// The URI is above the limit.
    UriTooLong,
    /// The request's headers are above the limit.
    HeadersTooLarge,
    /// The request is signed, and something is wrong with its signature.
    SignatureRefused,
    /// More requests than the limit allows.
    RateLimited,
    /// A defect of ours.
    Internal,
    /// The database cannot be reached.
    Unavailable,
    /// There is more to do than can be done soon.
    Overloaded,
    /// The first fill of the store is under way.
    IndexBuilding,
    /// The time limit of the request passed.
    Timeout,
}

impl Kind {
    /// Every kind, for the API description.
    pub const ALL: [Self; 19] = [
        Self::InvalidParameter,
        Self::NotFound,
        Self::StatsHidden,
        Self::SnapshotExpired,
        Self::EventsExpired,
        Self::VersionConflict,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::EncodingRefused,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::SignatureRefused,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::Overloaded,
        Self::IndexBuilding,
        Self::Timeout,
    ];

    /// Slug, title and status.
    pub fn table(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::InvalidParameter => {
                ("invalid-parameter", "Invalid parameter", StatusCode::BAD_REQUEST)
            }
            Self::NotFound => ("not-found", "Not found", StatusCode::NOT_FOUND),
            Self::StatsHidden => ("stats-hidden", "Statistics are hidden", StatusCode::FORBIDDEN),
            Self::SnapshotExpired => ("snapshot-expired", "Snapshot expired", StatusCode::GONE),
            Self::EventsExpired => ("events-expired", "Events expired", StatusCode::GONE),
            Self::VersionConflict => ("version-conflict", "Version conflict", StatusCode::CONFLICT),
            Self::MethodNotAllowed => {
                ("method-not-allowed", "Method not allowed", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::BodyTooLarge => {
                ("body-too-large", "Request body too large", StatusCode::PAYLOAD_TOO_LARGE)
            }
            Self::BodyTooSlow => {
                ("body-too-slow", "Request body too slow", StatusCode::REQUEST_TIMEOUT)
            }
            Self::EncodingRefused => (
                "encoding-refused",
                "Encoding of the request body refused",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::UriTooLong => ("uri-too-long", "URI too long", StatusCode::URI_TOO_LONG),
            Self::HeadersTooLarge => (
                "headers-too-large",
                "Request headers too large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ),
            Self::SignatureRefused => {
                ("signature-refused", "Signature refused", StatusCode::UNAUTHORIZED)
            }
            Self::RateLimited => {
                ("rate-limited", "Too many requests", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Internal => ("internal", "Internal error", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Unavailable => {
                ("unavailable", "Temporarily unavailable", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Overloaded => ("overloaded", "Too busy", StatusCode::SERVICE_UNAVAILABLE),
            Self::IndexBuilding => {
                ("index-building", "Index is being built", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Timeout => ("timeout", "Time limit passed", StatusCode::GATEWAY_TIMEOUT),
        }
    }
}

impl Kind {
    /// The code of its gRPC status.
    pub fn grpc_code(self) -> Code {
        match self {
            Self::InvalidParameter | Self::UriTooLong | Self::EncodingRefused => {
                Code::InvalidArgument
            }
            Self::NotFound => Code::NotFound,
            Self::StatsHidden => Code::PermissionDenied,
            // Begin again: with the first page, the state anew, the current version.
            Self::SnapshotExpired | Self::EventsExpired | Self::VersionConflict => Code::Aborted,
            Self::MethodNotAllowed => Code::Unimplemented,
            Self::BodyTooLarge | Self::HeadersTooLarge | Self::RateLimited => {
                Code::ResourceExhausted
            }
            Self::SignatureRefused => Code::Unauthenticated,
            Self::Internal => Code::Internal,
            Self::Unavailable | Self::Overloaded | Self::IndexBuilding => Code::Unavailable,
            Self::BodyTooSlow | Self::Timeout => Code::DeadlineExceeded,
        }
    }

    /// Its stable name, as in `type`.
    fn urn(self) -> String {
        format!("urn:chert:problem:{}", self.table().0)
    }
}

/// An error answer.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What went wrong.
    pub kind: Kind,
    /// What the client can do about it.
    pub detail: Cow<'static, str>,
    /// Seconds after which to try again.
    pub retry_after_s: Option<u32>,
    /// Code for programs, where the kind alone does not say what to do.
    pub reason: Option<&'static str>,
    /// For the operator's log only.
    pub cause: Option<Arc<str>>,
}

/// Body of every error answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Stable name of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:chert:problem:invalid-parameter")]
    pub kind: String,
    /// The kind in words.
    #[schema(example = "Invalid parameter")]
    pub title: &'static str,
    /// HTTP status.
    #[schema(example = 400)]
    pub status: u16,
    /// What is wrong with this request.
    #[schema(example = "limit must be an integer in 1..=100")]
    pub detail: &'a str,
    /// Path of the request.
    #[schema(example = "/v1/explorer/blocks")]
    pub instance: &'a str,
    /// The same as in the `x-request-id` header; name it when you report a problem.
    #[schema(example = "0197f0c2-8f6b-7cc0-a7d5-3a1b8e5d2f10")]
    pub request_id: &'a str,
    /// Why a signature was refused, as a code; only with 401.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "expired")]
    pub reason: Option<&'static str>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), retry_after_s: None, reason: None, cause: None }
    }

    /// A malformed parameter: 400.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidParameter, detail)
    }

    /// A well-formed name of nothing: 404.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// A defect of ours: 500; the cause goes to the log.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let mut problem = Self::new(Kind::Internal, "An unexpected error; it has been logged.");
        problem.cause = Some(cause.to_string().into());
        problem
    }

    /// The time limit passed: 504.
    pub fn timeout() -> Self {
        Self::new(Kind::Timeout, "The request took longer than its time limit; try again.")
    }

    /// More to do than can be done soon: 503. Refused early, so that what is accepted stays fast.
    pub fn overloaded() -> Self {
        let detail = "The server has more to do than it can do soon; try again shortly.";
        let retry_after_s = Some(OVERLOADED_RETRY_S);
        Self { retry_after_s, ..Self::new(Kind::Overloaded, detail) }
    }

    /// A look-up that needs an index which the first fill has not built yet: 503.
    pub fn index_building(checkpoint: &Checkpoint) -> Self {
        let detail = format!(
            "The first fill is at block {} of {}; look-ups by hash, transaction id and address \
             work when it is done. Blocks by height and lists work now.",
            checkpoint.height.max(0),
            checkpoint.node_height.max(checkpoint.height).max(0),
        );
        let mut problem = Self::new(Kind::IndexBuilding, detail);
        problem.retry_after_s = Some(INDEX_BUILDING_RETRY_S);
        problem
    }

    /// The problem of an answer that some layer below us made without saying more.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("There is no such path; see /openapi.json."),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(Kind::MethodNotAllowed, "See the Allow header for the methods.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(Kind::BodyTooLarge, "The request body is above 64 KiB.")
            }
            StatusCode::GATEWAY_TIMEOUT => Self::timeout(),
            status if status.is_client_error() => Self::invalid("The request is malformed."),
            status => Self::internal(format_args!("a layer answered {status}")),
        }
    }

    /// HTTP status.
    pub fn status(&self) -> StatusCode {
        self.kind.table().2
    }

    /// The body for one request.
    pub fn body<'a>(&'a self, instance: &'a str, request_id: &'a str) -> ProblemBody<'a> {
        let (_, title, status) = self.kind.table();
        ProblemBody {
            kind: self.kind.urn(),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            instance,
            request_id,
            reason: self.reason,
        }
    }
}

impl Problem {
    /// The same as a gRPC status: its detail as the message, its kind and reason in the details
    /// (`google.rpc.ErrorInfo`), when to try again in `google.rpc.RetryInfo`; the kind and the
    /// seconds also in the metadata, for who reads no details.
    pub(crate) fn grpc_status(&self) -> Status {
        let (slug, _, _) = self.kind.table();
        let reason = self.reason.unwrap_or(slug);
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, ERROR_DOMAIN, [("problem".to_owned(), slug.to_owned())]);
        let mut headers = HeaderMap::new();
        if let Ok(urn) = HeaderValue::from_str(&self.kind.urn()) {
            headers.insert(PROBLEM_TYPE, urn);
        }
        if let Some(seconds) = self.retry_after_s {
            details.set_retry_info(Some(Duration::from_secs(seconds.into())));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let metadata = MetadataMap::from_headers(headers);
        let code = self.kind.grpc_code();
        Status::with_error_details_and_metadata(code, self.detail.clone(), details, metadata)
    }
}

impl From<Closed> for Problem {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Unknown => Self::not_found("There is no such identity."),
            Closed::Hidden => {
                Self::new(Kind::StatsHidden, "This identity does not show its statistics to you.")
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let mut problem = match error.outage() {
            Outage::Unavailable => {
                let detail = "The database cannot be reached at the moment; try again shortly.";
                Self::new(Kind::Unavailable, detail)
            }
            Outage::Overloaded => Self::overloaded(),
            Outage::Timeout => Self::timeout(),
            Outage::Fault => Self::internal(""),
        };
        if problem.kind == Kind::Unavailable {
            problem.retry_after_s = Some(UNAVAILABLE_RETRY_S);
        }
        problem.cause = Some(error.to_string().into());
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::SignatureRefused {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
            response.headers_mut().insert(ACCEPT_SIGNATURE, ACCEPTED_SIGNATURE);
        }
        response.extensions_mut().insert(self);
        response
    }
}
