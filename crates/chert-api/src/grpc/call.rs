//! One call with one answer: the REST operation behind the method runs, and its answer leaves as a
//! message.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::server::UnaryService;
use tonic::{Code, Status};
use tower::ServiceExt;

use super::codec::Raw;
use super::deadline;
use super::methods::{Method, methods};
use crate::answer::{FINALIZED_HEIGHT, INDEXED_HASH, INDEXED_HEIGHT, LAG_MS};
use crate::auth::Caller;
use crate::body::BODY_BYTES_MAX;
use crate::error::{GRPC_STATUS, Kind, PROBLEM_TYPE, Problem};
use crate::middleware::log;

/// Longest message of an answer, in bytes: what clients accept unless told otherwise.
pub(super) const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Messages below this do not gain from compression, in bytes.
const COMPRESS_BYTES_MIN: usize = 1024;
/// What of an answer's headers goes into its metadata; the edge adds the others.
const METADATA: [HeaderName; 5] =
    [INDEXED_HEIGHT, INDEXED_HASH, FINALIZED_HEIGHT, LAG_MS, header::ETAG];

/// Answers a call. `operations` are the routes of REST, without what is around them: the edge has
/// done that for this request.
pub(super) async fn unary(State(operations): State<Router>, request: Request) -> Response {
    if let Err(problem) = deadline::of(request.headers()) {
        return problem.into_response();
    }
    let Some(method) = methods().find(request.uri().path()) else {
        return unknown_method().await;
    };
    let mut grpc = tonic::server::Grpc::new(Raw)
        .apply_max_message_size_config(Some(BODY_BYTES_MAX), Some(ANSWER_BYTES_MAX))
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let response = grpc.unary(Call { operations, method }, request).await;
    match refusal(response.headers()) {
        Some(problem) => problem.into_response(),
        None => response.map(Body::new),
    }
}

/// Answers a call of a method that does not exist.
pub(super) async fn unknown_method() -> Response {
    let detail = "There is no such method; the reflection service lists them.";
    Problem::new(Kind::MethodNotAllowed, detail).into_response()
}

/// The problem of a request that the library refused, which says it in its own way. A compression
/// that we do not know stays as it is: the answer names what we know.
pub(super) fn refusal(headers: &HeaderMap) -> Option<Problem> {
    let code = headers.get(&GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))?;
    if headers.contains_key(&PROBLEM_TYPE) || matches!(code, Code::Ok | Code::Unimplemented) {
        return None;
    }
    Some(match code {
        Code::OutOfRange | Code::ResourceExhausted => {
            Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        _ => Problem::invalid("The request must be one whole message in a gRPC frame."),
    })
}

struct Call {
    operations: Router,
    method: &'static Method,
}

impl UnaryService<Bytes> for Call {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (operations, method) = (self.operations.clone(), self.method);
        let (_, extensions, message) = request.into_parts();
        let answer = async move { run(operations, method, &extensions, &message).await };
        answer
            .map(|outcome| {
                outcome.map_err(|problem| {
                    log(&problem);
                    problem.grpc_status()
                })
            })
            .boxed()
    }
}

async fn run(
    operations: Router,
    method: &Method,
    extensions: &Extensions,
    message: &[u8],
) -> Result<tonic::Response<Bytes>, Problem> {
    let mut request = method.request(message)?;
    if let Some(caller) = extensions.get::<Caller>() {
        request.extensions_mut().insert(caller.clone());
    }
    let Ok(response) = operations.oneshot(request).await;
    let (mut parts, body) = response.into_parts();
    if parts.status != StatusCode::OK {
        let problem = parts.extensions.remove::<Problem>();
        return Err(problem.unwrap_or_else(|| Problem::of_status(parts.status)));
    }
    // A message is shorter than the JSON that says the same, but not by more than a few times.
    let json = to_bytes(body, 2 * ANSWER_BYTES_MAX).await.map_err(|_| too_large())?;
    let message = method.answer.encode(&json).map_err(Problem::internal)?;
    if message.len() > ANSWER_BYTES_MAX {
        return Err(too_large());
    }
    let small = message.len() < COMPRESS_BYTES_MIN;
    let mut response = tonic::Response::new(message);
    if small {
        response.disable_compression();
    }
    let mut metadata = HeaderMap::new();
    for name in METADATA {
        if let Some(value) = parts.headers.remove(&name) {
            metadata.insert(name, value);
        }
    }
    *response.metadata_mut() = MetadataMap::from_headers(metadata);
    Ok(response)
}

fn too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, "The answer is above 4 MiB; ask for it by REST.")
}
