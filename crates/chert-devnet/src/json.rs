//! Writing JSON text by hand. A benchmark back-fills ten million transactions from this
//! chain, so that building value trees would measure us instead of the indexer.

const HEX: &[u8; 16] = b"0123456789abcdef";
const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";
/// 9999-12-31T23:59:59.999Z: later times are cut, RFC 3339 has four year digits.
const TIME_MS_MAX: u64 = 253_402_300_799_999;

pub(crate) fn text(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

pub(crate) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    hex_with(out, bytes, HEX);
}

pub(crate) fn hex_upper(out: &mut Vec<u8>, bytes: &[u8]) {
    hex_with(out, bytes, HEX_UPPER);
}

fn hex_with(out: &mut Vec<u8>, bytes: &[u8], alphabet: &[u8; 16]) {
    for byte in bytes {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        out.extend_from_slice(&[alphabet[high], alphabet[low]]);
    }
}

/// Bytes as an array of integers, the default of serde and of the node.
pub(crate) fn byte_array(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'[');
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        number(out, u64::from(*byte));
    }
    out.push(b']');
}

/// A moment with the number of fractional digits it is written with (3 to 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) time_ms: u64,
    /// Below one million.
    pub(crate) sub_ms_nanos: u64,
    pub(crate) digits: usize,
}

/// A quoted RFC 3339 time in UTC.
pub(crate) fn timestamp(out: &mut Vec<u8>, stamp: Stamp) {
    let time_ms = stamp.time_ms.min(TIME_MS_MAX);
    let (year, month, day) = civil(time_ms / 86_400_000);
    let of_day = time_ms % 86_400_000;
    out.push(b'"');
    padded(out, year, 4);
    out.push(b'-');
    padded(out, month, 2);
    out.push(b'-');
    padded(out, day, 2);
    out.push(b'T');
    padded(out, of_day / 3_600_000, 2);
    out.push(b':');
    padded(out, of_day / 60_000 % 60, 2);
    out.push(b':');
    padded(out, of_day / 1000 % 60, 2);
    out.push(b'.');
    let fraction_at = out.len();
    padded(out, (of_day % 1000) * 1_000_000 + stamp.sub_ms_nanos % 1_000_000, 9);
    out.truncate(fraction_at + stamp.digits.clamp(3, 9));
    out.extend_from_slice(b"Z\"");
}

fn padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for place in out[start..].iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Days since 1970-01-01 as (year, month, day), after Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time_ms: u64, sub_ms_nanos: u64, digits: usize) -> String {
        let mut out = Vec::new();
        timestamp(&mut out, Stamp { time_ms, sub_ms_nanos, digits });
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn timestamps_are_rfc3339() {
        assert_eq!(written(0, 0, 3), r#""1970-01-01T00:00:00.000Z""#);
        assert_eq!(written(1_709_210_096_789, 12_345, 9), r#""2024-02-29T12:34:56.789012345Z""#);
        assert_eq!(written(u64::MAX, 0, 3), r#""9999-12-31T23:59:59.999Z""#);
    }

    #[test]
    fn numbers_reach_the_ends_of_u64() {
        let mut out = Vec::new();
        number(&mut out, 0);
        out.push(b' ');
        number(&mut out, u64::MAX);
        assert_eq!(out, b"0 18446744073709551615");
    }
}
