//! The log of events as a stream of server-sent events (WHATWG HTML §9.2).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use utoipa::ToSchema;

use super::events::{filter_of, parse_position, position};
use crate::error::Problem;
use crate::middleware::client;
use crate::params::Call;
use crate::state::ApiState;
use crate::stream::{Cut, Subscription, subscribe};

/// A client that lost the stream comes back after this time, in milliseconds.
const RETRY_MS: u32 = 2_000;
/// What a client of this standard sends when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";
/// Tells nginx to pass each event on as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const OFF: HeaderValue = HeaderValue::from_static("no");

/// One event of the stream, by the names of its fields.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only described: the frames are written as text")]
pub struct EventFrame {
    /// Number of the event; where to go on from.
    #[schema(example = "184201")]
    id: String,
    /// Its type, or `cut` for the last one.
    #[schema(example = "block.applied")]
    event: String,
    /// JSON on one line: the event as in `GET /v1/events`, or why the stream was cut.
    data: String,
}

/// What happens, as it happens.
///
/// Server-sent events: `id` is the event's number, `event` its type, `data` the event as in
/// `GET /v1/events`, on one line. A client that comes back with `Last-Event-ID` (browsers do so by
/// themselves) or `after` misses nothing and gets nothing twice; without both it gets what happens
/// from now on. While nothing happens, a comment comes every 15 s, and with it the `id` up to which
/// the log has been looked through.
///
/// A stream ends with `event: cut`, whose `data` has `reason` (`lifetime`, `slow`, `expired`,
/// `hidden`, `relinked`, `closing`) and `resume_after`. With `min_confirmations`, the order is still
/// that of the log: an event that has to wait holds back those after it, so that the last `id` stays
/// all a client needs to come back.
#[utoipa::path(
    get, path = "/v1/events/stream", tag = "events",
    params(
        ("Last-Event-ID" = Option<String>, Header, pattern = "^[0-9]{0,19}$",
         description = "Go on after this number; wins over `after`. Empty: nothing was seen yet."),
        ("after" = Option<i64>, Query, minimum = 0, example = 184_200,
         description = "Begin after this number; without it, with what happens from now on."),
        ("type" = Option<String>, Query, max_length = 400, example = "block.applied,block.retracted",
         description = "Only these types, separated by commas; may be given several times."),
        ("address" = Option<String>, Query, max_length = 128,
         description = "Only events in which the address takes part."),
        ("identity" = Option<String>, Query, max_length = 66,
         description = "Only events of the identity."),
        ("min_confirmations" = Option<u16>, Query, minimum = 0, maximum = 100, example = 6,
         description = "Confirmations that a block needs, itself included, before its events come."),
    ),
    responses((status = 200, description = "Events until the stream ends", body = EventFrame,
               content_type = "text/event-stream"))
)]
pub async fn stream_events(
    State(api): State<ApiState>,
    call: Call,
    headers: HeaderMap,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
) -> Result<Response, Problem> {
    let names = ["after", "type", "address", "identity", "min_confirmations"];
    let params = call.params_repeating(&names, "type")?;
    let filter = filter_of(&params)?;
    let asked = position(&params, "after")?;
    let after = match headers.get(LAST_EVENT_ID) {
        // A client that has seen nothing yet may say so with an empty id.
        Some(id) if !id.is_empty() => {
            Some(parse_position("Last-Event-ID", id.to_str().unwrap_or_default())?)
        }
        _ => asked,
    };
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Extension(peer)| peer.0.ip());
    let client = client::address(peer, &headers, &api.settings().trusted_proxies);
    let stream = subscribe(&api, filter, after, call.viewer(), client).await?;
    let heartbeat = api.settings().streams.heartbeat;
    let mut response = Response::new(Body::from_stream(frames(stream, heartbeat)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(X_ACCEL_BUFFERING, OFF);
    Ok(response)
}

/// Where a stream is.
enum Stage {
    /// Nothing was sent yet.
    Opening(Subscription),
    Open(Subscription),
    Ended,
}

/// The frames of a stream, until it ends.
fn frames(
    stream: Subscription,
    heartbeat: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    futures::stream::unfold(Stage::Opening(stream), move |stage| async move {
        let (frame, next) = match stage {
            Stage::Opening(stream) => (opening(stream.position()), Stage::Open(stream)),
            Stage::Open(mut stream) => match tokio::time::timeout(heartbeat, stream.next()).await {
                Ok(Ok(delivered)) => (delivered.frame, Stage::Open(stream)),
                Ok(Err(cut)) => (last_frame(cut), Stage::Ended),
                Err(_) => (comment(stream.position()), Stage::Open(stream)),
            },
            Stage::Ended => return None,
        };
        Some((Ok(frame), next))
    })
}

/// An id without an event is remembered by clients and shown to nobody: who is disconnected before
/// the first event comes back to where it began.
fn opening(position: i64) -> Bytes {
    Bytes::from(format!("retry: {RETRY_MS}\nid: {position}\n\n"))
}

fn comment(position: i64) -> Bytes {
    Bytes::from(format!(":\nid: {position}\n\n"))
}

fn last_frame(cut: Cut) -> Bytes {
    let (reason, after) = (cut.reason.as_str(), cut.resume_after);
    Bytes::from(format!(
        "id: {after}\nevent: cut\ndata: {{\"reason\":\"{reason}\",\"resume_after\":{after}}}\n\n"
    ))
}
