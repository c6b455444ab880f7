//! Signatures as the RFC prints them and as others make them; every reason for which one is refused;
//! any change to what was signed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod mutations;
mod refusals;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};

use crate::auth::digest::content_digest;
use crate::auth::fields::{Bare, InnerList, Item, write_inner_list};
use crate::auth::http_signature::{Message, canonical_authority, find, signature_base};
use crate::auth::keys::Algorithm;
use crate::auth::policy::{self, Claim, Terms};
use crate::auth::refusal::Refusal;

const NOW_S: i64 = 1_783_000_000;
const BODY: &[u8] = b"{\"wallet_address\":\"0xaa\"}";

/// A request and its signature, all of it open to change.
#[derive(Debug, Clone)]
struct Signed {
    method: String,
    authority: String,
    path: String,
    query: Option<String>,
    body: Vec<u8>,
    /// `signature-input`, `signature`, `content-digest`.
    headers: Vec<(&'static str, String)>,
}

impl Signed {
    fn message<'a>(&'a self, headers: &'a HeaderMap) -> Message<'a> {
        Message {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers,
        }
    }

    fn header_map(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(*name, value.parse().ok()?);
        }
        Some(headers)
    }

    fn check_at(&self, authorities: &[String], now_s: i64) -> Result<Claim, Refusal> {
        let headers = self.header_map().ok_or(Refusal::Malformed)?;
        let claim = policy::check(&self.message(&headers), &self.body, authorities, now_s)?;
        if claim.holds() { Ok(claim) } else { Err(Refusal::BadSignature) }
    }

    fn check(&self) -> Result<Claim, Refusal> {
        self.check_at(&[], NOW_S)
    }

    fn set(&mut self, name: &str, value: String) {
        self.headers.iter_mut().find(|(known, _)| *known == name).unwrap().1 = value;
    }

    fn get(&self, name: &str) -> &str {
        &self.headers.iter().find(|(known, _)| *known == name).unwrap().1
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn key_id() -> String {
    hex::encode(key().verifying_key().as_bytes())
}

fn terms(key_id: &str) -> Terms<'_> {
    Terms {
        created_s: NOW_S,
        expires_s: NOW_S + 300,
        nonce: "AAECAwQFBgcICQoLDA0ODw",
        key_id,
        algorithm: Algorithm::Ed25519,
    }
}

fn request(body: &[u8]) -> Signed {
    Signed {
        method: if body.is_empty() { "GET" } else { "POST" }.to_owned(),
        authority: "api.chert.example".to_owned(),
        path: "/v1/pouw/stats/ab%20c".to_owned(),
        query: Some("limit=5&x=%2F".to_owned()),
        body: body.to_vec(),
        headers: match body {
            [] => Vec::new(),
            body => vec![("content-digest", content_digest(body))],
        },
    }
}

/// Signs whatever the input says.
fn sign_with(mut signed: Signed, input: &InnerList) -> Signed {
    let headers = signed.header_map().unwrap();
    let base = signature_base(&signed.message(&headers), input).unwrap();
    let signature = STANDARD.encode(key().sign(base.as_bytes()).to_bytes());
    signed.headers.push(("signature-input", format!("chert={}", write_inner_list(input))));
    signed.headers.push(("signature", format!("chert=:{signature}:")));
    signed
}

fn signed(body: &[u8]) -> Signed {
    let key_id = key_id();
    sign_with(request(body), &policy::input(&terms(&key_id), !body.is_empty()))
}

/// A GET signed with an input of another form.
fn altered(change: impl FnOnce(&mut InnerList)) -> Result<Claim, Refusal> {
    let key_id = key_id();
    let mut input = policy::input(&terms(&key_id), false);
    change(&mut input);
    sign_with(request(b""), &input).check()
}

fn set(input: &mut InnerList, name: &str, value: Bare) {
    input.parameters.iter_mut().find(|(known, _)| known == name).unwrap().1 = value;
}

fn text(text: &str) -> Bare {
    Bare::Text(text.to_owned())
}

/// RFC 9421 §B.2.6, with the key of §B.1.4 and the request of §B.2.
#[test]
fn the_rfcs_ed25519_signature() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-length", "18"),
        (
            "content-digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEm\
             THWXvJwew==:",
        ),
        (
            "signature-input",
            "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
             \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"",
        ),
        (
            "signature",
            "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lI\
             p5WPpBKRCw==:",
        ),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let message = Message {
        method: "POST",
        authority: "example.com",
        path: "/foo",
        query: Some("param=Value&Pet=dog"),
        headers: &headers,
    };
    let found = find(&headers, "sig-b26").unwrap();
    let base = signature_base(&message, &found.input).unwrap();
    let expected = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
        \"@authority\": example.com\n\"content-type\": application/json\n\"content-length\": 18\n\
        \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
        \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    assert_eq!(base, expected);
    let key = URL_SAFE_NO_PAD.decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").unwrap();
    assert!(Algorithm::Ed25519.verify(&key, base.as_bytes(), &found.signature));
    assert!(!Algorithm::Ed25519.verify(&key, &expected.as_bytes()[1..], &found.signature));
    assert_eq!(crate::auth::digest::check(&headers, b"{\"hello\": \"world\"}"), Ok(()));
}

#[test]
fn derived_components_are_as_the_rfc_writes_them() {
    let headers = HeaderMap::new();
    let message = |path, query| Message {
        method: "GET",
        authority: "Example.COM:443",
        path,
        query,
        headers: &headers,
    };
    let base = |message: &Message<'_>| {
        let names = ["@query", "@path", "@request-target", "@authority"];
        let items = names.map(|name| Item { value: text(name), parameters: Vec::new() });
        let input = InnerList { items: items.to_vec(), parameters: Vec::new() };
        signature_base(message, &input).unwrap().lines().take(4).collect::<Vec<_>>().join(" ")
    };
    let whole =
        "\"@query\": ?a=b \"@path\": /x \"@request-target\": /x?a=b \"@authority\": example.com";
    assert_eq!(base(&message("/x", Some("a=b"))), whole);
    let empty = "\"@query\": ? \"@path\": / \"@request-target\": / \"@authority\": example.com";
    assert_eq!(base(&message("", None)), empty);
    for (given, canonical) in [
        ("localhost:8080", "localhost:8080"),
        ("host:80", "host"),
        ("[::1]:443", "[::1]"),
        ("[::80]", "[::80]"),
        ("[fe80::1:443]:8443", "[fe80::1:443]:8443"),
    ] {
        assert_eq!(canonical_authority(given), canonical);
    }
}

#[test]
fn a_good_signature_is_good() {
    for body in [b"".as_slice(), BODY] {
        let signed = signed(body);
        let claim = signed.check().unwrap();
        assert_eq!(claim.public_key, key().verifying_key().as_bytes());
        assert_eq!(claim.life.dead_s, NOW_S + 360);
        // The clocks may differ by a minute, both ways.
        assert!(signed.check_at(&[], NOW_S - 60).is_ok());
        assert!(signed.check_at(&[], NOW_S + 360).is_ok());
        assert!(signed.check_at(&["API.chert.example:443".to_owned()], NOW_S).is_ok());
    }
    // Others may sign, too, and more may be covered.
    let mut more = signed(BODY);
    more.headers.push(("signature-input", "proxy=(\"@method\");created=1".to_owned()));
    more.headers.push(("signature", "proxy=:AAAA:".to_owned()));
    assert!(more.check().is_ok());
    assert!(altered(|input| input.parameters.push(("tag".to_owned(), text("app")))).is_ok());
    // Coverage of a digest that the signer sent without a body.
    let key_id = key_id();
    let mut empty = request(b"");
    empty.headers.push(("content-digest", content_digest(b"")));
    assert!(sign_with(empty, &policy::input(&terms(&key_id), true)).check().is_ok());
}

#[test]
fn nonces_are_told_apart() {
    let one = signed(b"").check().unwrap().nonce;
    assert_eq!(one, signed(BODY).check().unwrap().nonce);
    let again = altered(|input| set(input, "nonce", text(&"ab".repeat(16)))).unwrap().nonce;
    assert_ne!(one, again);
}
