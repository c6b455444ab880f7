//! How long a client waits: the header `grpc-timeout`.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

use crate::error::Problem;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Digits of the number at most (gRPC over HTTP/2, "Timeout").
const DIGITS_MAX: usize = 8;

/// The time that the client gives a call; `None` where it does not say.
///
/// # Errors
/// 400 for a header that is not 1 to 8 digits and a unit.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(value) = headers.get(&GRPC_TIMEOUT) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse);
    parsed.map(Some).ok_or_else(|| {
        Problem::invalid("grpc-timeout must be 1 to 8 digits and one of H, M, S, m, u, n")
    })
}

fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    let plain = (1..=DIGITS_MAX).contains(&digits.len());
    let number: u64 = digits.parse().ok().filter(|_| plain && !digits.starts_with('+'))?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, expected) in [
            ("0n", Some(Duration::ZERO)),
            ("100m", Some(Duration::from_millis(100))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("3u", Some(Duration::from_micros(3))),
            ("2M", Some(Duration::from_secs(120))),
            ("100000000S", None),
            ("S", None),
            ("5", None),
            ("+5S", None),
            ("-5S", None),
            ("5s", None),
            ("5é", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
