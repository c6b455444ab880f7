//! `Content-Digest` (RFC 9530): binds a signature, which covers headers, to the body.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

use super::fields::{Bare, Member, parse_dictionary};
use super::http_signature::joined;
use super::refusal::Refusal;

/// Name of the header.
pub const CONTENT_DIGEST: &str = "content-digest";

/// The header's value for a body.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Whether every digest we know is the body's, and there is one.
///
/// # Errors
/// The [`Refusal`] that says what is wrong with it.
pub fn check(headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let text = joined(headers, CONTENT_DIGEST).ok_or(Refusal::DigestMissing)?;
    let digests = parse_dictionary(&text).map_err(|_| Refusal::DigestMalformed)?;
    let mut known = false;
    for (algorithm, member) in &digests {
        let Member::Item(item) = member else { return Err(Refusal::DigestMalformed) };
        let Bare::Bytes(given) = &item.value else { return Err(Refusal::DigestMalformed) };
        let same = match algorithm.as_str() {
            "sha-256" => Sha256::digest(body).as_slice() == given.as_slice(),
            "sha-512" => Sha512::digest(body).as_slice() == given.as_slice(),
            _ => continue,
        };
        if !same {
            return Err(Refusal::DigestMismatch);
        }
        known = true;
    }
    if known { Ok(()) } else { Err(Refusal::DigestUnsupported) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// RFC 9530 appendix D: the digests of `{"hello": "world"}` with a line feed.
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const SHA_256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

    #[test]
    fn the_rfcs_digests() {
        assert_eq!(content_digest(BODY), SHA_256);
        let sha_512 = format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(BODY)));
        let both = format!("{SHA_256}, {sha_512}");
        let other = "sha-256=:AAAA:".to_owned();
        for (text, verdict) in [
            (SHA_256.to_owned(), Ok(())),
            (sha_512.clone(), Ok(())),
            (both, Ok(())),
            (format!("md5=:AAAA:, {SHA_256}"), Ok(())),
            ("md5=:AAAA:".to_owned(), Err(Refusal::DigestUnsupported)),
            (other.clone(), Err(Refusal::DigestMismatch)),
            (format!("{sha_512}, {other}"), Err(Refusal::DigestMismatch)),
            ("sha-256=abc".to_owned(), Err(Refusal::DigestMalformed)),
            ("sha-256".to_owned(), Err(Refusal::DigestMalformed)),
            ("sha-256=:AAAA".to_owned(), Err(Refusal::DigestMalformed)),
            (format!("{SHA_256}, {SHA_256}"), Err(Refusal::DigestMalformed)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_DIGEST, text.parse().unwrap());
            assert_eq!(check(&headers, BODY), verdict, "{text}");
        }
        assert_eq!(check(&HeaderMap::new(), BODY), Err(Refusal::DigestMissing));
    }
}
