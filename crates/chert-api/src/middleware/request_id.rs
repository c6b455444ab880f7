//! Correlation: `x-request-id` and the trace id of `traceparent`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest id accepted from a client, in characters.
const CHARS_MAX: usize = 64;
const TRACE_ID_DIGITS: usize = 32;

/// The client's id where it is 1 to 64 visible ASCII characters, else a new UUIDv7.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(&HEADER).filter(|value| {
        (1..=CHARS_MAX).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(|| {
        let mut text = uuid::Uuid::encode_buffer();
        let text = uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text);
        // A UUID's text is always a valid header value.
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// The trace id of a W3C `traceparent` (`version-traceid-parentid-flags`).
pub fn trace_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(&TRACEPARENT)?.to_str().ok()?;
    let id = text.split('-').nth(1)?;
    let valid = id.len() == TRACE_ID_DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit());
    valid.then(|| id.to_owned())
}
