//! Bodies of requests: read whole, bounded in size and time, before anything is done for the request;
//! and strict reading of JSON: one object, nothing unknown in it, refused in words.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::error::{Kind, Problem};
use crate::state::ApiState;

/// Longest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Longest description of a defect that goes into an answer, in characters: it may quote the body.
const REASON_CHARS_MAX: usize = 200;

/// Waits until the body is there, so that a slow sender holds nothing but its connection.
///
/// # Errors
/// 408 beyond `server.body_timeout_ms`, 413 above 64 KiB, 415 for a compressed one: what it grows to
/// is not known before it is read.
pub async fn arrived(api: &ApiState, request: Request) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| *coding != IDENTITY) {
        let detail = "Send the body as it is, without a content-encoding.";
        return Err(Problem::new(Kind::EncodingRefused, detail));
    }
    let (parts, body) = request.into_parts();
    let time = api.settings().connections.body_time_max;
    let body = tokio::time::timeout(time, whole(body)).await.map_err(|_| {
        metrics::counter!("chert_bodies_too_slow_total").increment(1);
        Problem::new(Kind::BodyTooSlow, "The request body did not arrive in time.")
    })??;
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The body, up to the limit of every body.
pub async fn whole(body: Body) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::of_status(StatusCode::BAD_REQUEST))?;
        if whole.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Reads a body whose type says `deny_unknown_fields`. The size is limited before (64 KiB).
///
/// # Errors
/// 400 naming what is wrong and where.
pub fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::invalid("the request needs a JSON body; see /openapi.json"));
    }
    // A list would be taken for the fields in order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::invalid("the body must be one JSON object; see /openapi.json"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let reason: String = error.to_string().chars().take(REASON_CHARS_MAX).collect();
        Problem::invalid(format!("the body is not as described: {reason}"))
    })
}

/// Reads hex in either case, `0x` optional.
///
/// # Errors
/// 400 naming the field.
pub fn hex_bytes(field: &str, text: &str, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let fits = !digits.is_empty() && digits.len() <= 2 * bytes_max;
    hex::decode(digits)
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| Problem::invalid(format!("{field} must be hex of 1 to {bytes_max} bytes")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct One {
        a: u8,
    }

    #[test]
    fn what_is_wrong_is_said() {
        let read = |text: &'static str| parse::<One>(&Bytes::from_static(text.as_bytes()));
        assert_eq!(read("{\"a\":1}").unwrap().a, 1);
        for (text, reason) in [
            ("", "needs a JSON body"),
            ("{\"a\":1,\"b\":2}", "unknown field `b`"),
            ("{\"a\":1,\"a\":2}", "duplicate field `a`"),
            ("{}", "missing field `a`"),
            ("{\"a\":256}", "256"),
            ("{\"a\":1} x", "trailing"),
            ("{\"a\":", "line 1"),
            ("[1]", "one JSON object"),
        ] {
            let detail = read(text).unwrap_err().detail.into_owned();
            assert!(detail.contains(reason), "{text}: {detail}");
        }
    }

    #[test]
    fn hex_is_bounded() {
        assert_eq!(hex_bytes("f", "0XaB", 1).unwrap(), [0xab]);
        for bad in ["", "0x", "a", "zz", "abab"] {
            assert!(hex_bytes("f", bad, 1).is_err(), "{bad}");
        }
    }
}
