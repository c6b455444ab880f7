//! `If-None-Match`.

use axum::http::HeaderValue;

/// Encodings whose name is appended to an entity tag.
pub const ENCODINGS: [&str; 2] = ["br", "gzip"];

/// The client's tag that names this body in any encoding, to be sent back with the 304.
pub fn matching(if_none_match: &HeaderValue, entity_tag: &str) -> Option<HeaderValue> {
    let text = if_none_match.to_str().ok()?;
    for candidate in text.split(',').map(str::trim) {
        if candidate == "*" {
            return HeaderValue::from_str(&format!("\"{entity_tag}\"")).ok();
        }
        let strong = candidate.strip_prefix("W/").unwrap_or(candidate);
        let Some(tag) = strong.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
            continue;
        };
        let bare = ENCODINGS.iter().find_map(|e| tag.strip_suffix(e)?.strip_suffix('-'));
        if bare.unwrap_or(tag) == entity_tag {
            return HeaderValue::from_str(strong).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_encoding_of_the_body_matches() {
        for (header, found) in [
            ("\"ab\"", Some("\"ab\"")),
            ("\"xx\", W/\"ab-br\"", Some("\"ab-br\"")),
            ("\"ab-gzip\"", Some("\"ab-gzip\"")),
            ("*", Some("\"ab\"")),
            ("\"ab-zstd\"", None),
            ("ab", None),
        ] {
            let matched = matching(&HeaderValue::from_static(header), "ab");
            assert_eq!(matched, found.map(HeaderValue::from_static), "{header}");
        }
    }
}
