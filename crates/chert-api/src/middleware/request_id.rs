//! Correlation: `x-request-id` and the caller's span of `traceparent`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header's name.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest id accepted from a client, in characters.
const CHARS_MAX: usize = 64;

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

/// The caller's span of a W3C `traceparent` (`version-traceid-parentid-flags`).
pub fn caller(headers: &HeaderMap) -> Option<SpanContext> {
    let mut fields = headers.get(&TRACEPARENT)?.to_str().ok()?.split('-').skip(1);
    let trace = TraceId::from_hex(fields.next()?).ok()?;
    let span = SpanId::from_hex(fields.next()?).ok()?;
    let flags = u8::from_str_radix(fields.next()?, 16).ok()?;
    let caller = SpanContext::new(trace, span, TraceFlags::new(flags), true, TraceState::default());
    caller.is_valid().then_some(caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_names_the_callers_span() {
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(text))]);
            caller(&headers).map(|c| (c.trace_id().to_string(), c.span_id().to_string()))
        };
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let expected = Some((trace.to_owned(), "00f067aa0ba902b7".to_owned()));
        assert_eq!(of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), expected);
        for bad in [
            "",
            "00-xyz-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            assert_eq!(of(bad), None);
        }
    }
}
