//! Puts an answer on the wire, or fails to.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::listener::Connection;
use crate::faults::{Draw, Fault, Faults};
use crate::rng::Rng;

/// A half-open answer is cut in the end, so that its connection cannot leak.
const HALF_OPEN_MAX: Duration = Duration::from_secs(120);
const DELAY_MAX: Duration = Duration::from_secs(600);
const OVERSIZED_BYTES_MAX: usize = 1 << 30;
const PADDING: &[u8] = &[b' '; 64 << 10];

pub(super) async fn deliver(
    faults: &Faults,
    connection: &Connection,
    body: Vec<u8>,
    draw: Option<Draw>,
) -> Response {
    let Some(Draw { fault, seed }) = draw else {
        return json_response(Body::from(body));
    };
    let response = match fault {
        Fault::Latency { ms } => {
            wait(connection, ms).await;
            json_response(Body::from(body))
        }
        Fault::TooManyRequests { retry_after_s } => {
            let headers = [(header::RETRY_AFTER, HeaderValue::from(retry_after_s))];
            (StatusCode::TOO_MANY_REQUESTS, headers, "slow down").into_response()
        }
        Fault::ServerError => {
            let statuses = [
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
            ];
            (Rng::new(&[seed]).pick(&statuses), "<html>injected failure</html>").into_response()
        }
        Fault::Timeout { ms } => {
            wait(connection, ms).await;
            // Whatever is returned now is written to a connection that is closed already.
            connection.cut.cancel();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Fault::HalfOpen => half_open(connection, body),
        Fault::InvalidJson => json_response(Body::from(body[..body.len() * 2 / 3].to_vec())),
        Fault::Oversized { bytes } => oversized(body, bytes.min(OVERSIZED_BYTES_MAX)),
        // Faults of the content that this answer could not show.
        _ => return json_response(Body::from(body)),
    };
    faults.count_one();
    response
}

async fn wait(connection: &Connection, ms: u64) {
    let delay = Duration::from_millis(ms).min(DELAY_MAX);
    tokio::select! {
        () = connection.cut.cancelled() => {}
        () = tokio::time::sleep(delay) => {}
    }
}

/// Announces the whole length, sends half, keeps the connection open.
fn half_open(connection: &Connection, mut body: Vec<u8>) -> Response {
    let length = body.len();
    body.truncate(length / 2);
    let cut = connection.cut.clone();
    let silence = stream::once(async move {
        tokio::select! {
            () = cut.cancelled() => {}
            () = tokio::time::sleep(HALF_OPEN_MAX) => cut.cancel(),
        }
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
    });
    let half = stream::once(async move { Ok(Bytes::from(body)) });
    let mut response = json_response(Body::from_stream(half.chain(silence)));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// Streamed without a length, so that a client has to count what it reads.
fn oversized(body: Vec<u8>, bytes: usize) -> Response {
    let padding = stream::unfold(bytes.saturating_sub(body.len()), |left| async move {
        let size = left.min(PADDING.len());
        (size > 0)
            .then(|| (Ok::<Bytes, Infallible>(Bytes::from_static(&PADDING[..size])), left - size))
    });
    let whole = stream::once(async move { Ok::<Bytes, Infallible>(Bytes::from(body)) });
    json_response(Body::from_stream(whole.chain(padding)))
}

fn json_response(body: Body) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}
