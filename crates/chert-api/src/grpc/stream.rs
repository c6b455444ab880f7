//! The event log as a stream of messages: the same subscription as that of `/v1/events/stream`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chert_store::privacy::Viewer;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::sync::mpsc::error::SendTimeoutError;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::server::ServerStreamingService;
use tonic::{Code, Status};
use tracing::Instrument;

use super::call::{refusal, unknown_method};
use super::codec::Raw;
use super::deadline;
use super::methods::{Streaming, methods};
use super::shape::Shape;
use crate::auth::Caller;
use crate::body::BODY_BYTES_MAX;
use crate::error::Problem;
use crate::middleware::{client, log};
use crate::params::Params;
use crate::routes::events::{filter_of, position};
use crate::state::ApiState;
use crate::stream::{Cut, CutReason, Delivered, Filter, Subscription, subscribe};

/// Fields of `EventDelivery`.
const POSITION: u32 = 1;
const EVENT: u32 = 2;
/// Parameters that some stream takes, as `/v1/events/stream` names them.
const PARAMETERS: [&str; 5] = ["after", "type", "address", "identity", "min_confirmations"];
/// Where to resume a stream that was cut off, and why it was.
const RESUME_AFTER: HeaderName = HeaderName::from_static("resume-after");
const CUT_REASON: HeaderName = HeaderName::from_static("cut-reason");

/// Opens a stream.
pub(super) async fn open(State(api): State<ApiState>, request: Request) -> Response {
    if let Err(problem) = deadline::of(request.headers()) {
        return problem.into_response();
    }
    let Some(method) = methods().find_stream(request.uri().path()) else {
        return unknown_method().await;
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip());
    let client = client::address(peer, request.headers(), &api.settings().trusted_proxies);
    let viewer = Caller::viewer(request.extensions());
    let mut grpc = tonic::server::Grpc::new(Raw)
        .apply_max_message_size_config(Some(BODY_BYTES_MAX), None)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    let response = grpc.server_streaming(Open { api, method, viewer, client }, request).await;
    match refusal(response.headers()) {
        Some(problem) => problem.into_response(),
        None => response.map(Body::new),
    }
}

struct Open {
    api: ApiState,
    method: &'static Streaming,
    viewer: Viewer,
    client: IpAddr,
}

impl ServerStreamingService<Bytes> for Open {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = BoxFuture<'static, Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (api, method) = (self.api.clone(), self.method);
        let (viewer, client) = (self.viewer, self.client);
        let message = request.into_inner();
        async move {
            let opened = async {
                let (filter, after) = wanted(method, &message)?;
                subscribe(&api, filter, after, viewer, client).await
            };
            let subscription = opened.await.map_err(|problem| {
                log(&problem);
                problem.grpc_status()
            })?;
            let settings = &api.settings().streams;
            let shape = Arc::clone(&method.event);
            let deliveries = deliveries(subscription, shape, settings.heartbeat);
            let paced = while_taken(deliveries, settings.behind_max);
            Ok(tonic::Response::new(paced.boxed()))
        }
        .boxed()
    }
}

/// What a message asks for, read as REST reads its parameters.
fn wanted(method: &Streaming, message: &[u8]) -> Result<(Filter, Option<i64>), Problem> {
    let query = method.query(message)?;
    let params = Params::parse(&query, &PARAMETERS, None)?;
    let mut filter = filter_of(&params)?;
    if filter.events.types.is_empty() {
        filter.events.types.clone_from(&method.types);
    }
    Ok((filter, position(&params, "after")?))
}

/// Where a stream is.
enum Stage {
    /// Nothing was sent yet.
    Opening(Subscription),
    Open(Subscription),
    /// The last position was sent.
    Cut(Cut),
    Ended,
}

/// The messages of a stream until it ends. The first says where it begins, so that who is
/// disconnected before the first event can come back.
fn deliveries(
    subscription: Subscription,
    shape: Arc<Shape>,
    heartbeat: Duration,
) -> impl futures::Stream<Item = Result<Bytes, Status>> + Send {
    futures::stream::unfold(Stage::Opening(subscription), move |stage| {
        let shape = Arc::clone(&shape);
        async move {
            Some(match stage {
                Stage::Opening(open) => (Ok(sign_of_life(open.position())), Stage::Open(open)),
                Stage::Open(mut open) => match tokio::time::timeout(heartbeat, open.next()).await {
                    Ok(Ok(event)) => match delivery(&shape, &event) {
                        Ok(message) => (Ok(message), Stage::Open(open)),
                        Err(problem) => (Err(problem.grpc_status()), Stage::Ended),
                    },
                    Ok(Err(cut)) => (Ok(sign_of_life(cut.resume_after)), Stage::Cut(cut)),
                    Err(_) => (Ok(sign_of_life(open.position())), Stage::Open(open)),
                },
                Stage::Cut(cut) => (Err(ending(cut)?), Stage::Ended),
                Stage::Ended => return None,
            })
        }
    })
}

/// Passes messages on for as long as each is taken within `patience`. A client that takes nothing would
/// hold its stream for ever otherwise: HTTP/2 does not ask for what it has no room to send.
fn while_taken(
    messages: impl futures::Stream<Item = Result<Bytes, Status>> + Send + 'static,
    patience: Duration,
) -> impl futures::Stream<Item = Result<Bytes, Status>> + Send {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let pass_on = async move {
        let mut messages = pin!(messages);
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = sender.closed() => None,
            };
            let Some(message) = message else { return };
            match sender.send_timeout(message, patience).await {
                Ok(()) => {}
                Err(SendTimeoutError::Closed(_)) => return,
                Err(SendTimeoutError::Timeout(_)) => {
                    metrics::counter!("chert_stream_cut_total", "reason" => "stalled").increment(1);
                    return;
                }
            }
        }
    };
    tokio::spawn(pass_on.in_current_span());
    futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|message| (message, receiver))
    })
}

fn sign_of_life(position: i64) -> Bytes {
    Bytes::from(begin(position))
}

fn begin(position: i64) -> Vec<u8> {
    let mut message = Vec::new();
    encode_key(POSITION, WireType::Varint, &mut message);
    encode_varint(position.cast_unsigned(), &mut message);
    message
}

fn delivery(shape: &Shape, event: &Delivered) -> Result<Bytes, Problem> {
    let body = shape.encode(&event.json).map_err(|error| {
        let problem = Problem::internal(error);
        log(&problem);
        problem
    })?;
    let mut message = begin(event.seq);
    encode_key(EVENT, WireType::LengthDelimited, &mut message);
    encode_varint(body.len() as u64, &mut message);
    message.extend_from_slice(&body);
    Ok(Bytes::from(message))
}

/// How a stream ends that was cut off; `None` for one that lasted as long as streams do.
fn ending(cut: Cut) -> Option<Status> {
    let (code, words) = match cut.reason {
        CutReason::Lifetime => return None,
        CutReason::Closing => (Code::Unavailable, "The server stops; resume elsewhere."),
        CutReason::Slow => (Code::ResourceExhausted, "Too slow for what happens; resume."),
        CutReason::Expired => (Code::Aborted, "The log does not go back so far any more."),
        CutReason::Hidden => (Code::PermissionDenied, "This identity hides its figures now."),
        CutReason::Relinked => (Code::Unauthenticated, "The wallets changed; sign again."),
    };
    let mut headers = HeaderMap::new();
    headers.insert(RESUME_AFTER, HeaderValue::from(cut.resume_after));
    headers.insert(CUT_REASON, HeaderValue::from_static(cut.reason.as_str()));
    Some(Status::with_metadata(code, words, MetadataMap::from_headers(headers)))
}
