//! Signatures as the RFC prints them and as others make them; every reason for which one is refused;
//! any change to what was signed.
#![allow(clippy::unwrap_used, reason = "tests")]

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

use super::digest::content_digest;
use super::fields::{Bare, InnerList, Item, write_inner_list};
use super::http_signature::{Message, canonical_authority, find, signature_base};
use super::keys::Algorithm;
use super::policy::{self, Claim, Terms};
use super::refusal::Refusal;

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
    assert!(!Algorithm::Ed25519.verify(&key, expected[1..].as_bytes(), &found.signature));
    assert_eq!(super::digest::check(&headers, b"{\"hello\": \"world\"}"), Ok(()));
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
        assert_eq!(claim.dead_s, NOW_S + 360);
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

#[test]
fn times_are_checked() {
    let good = signed(b"");
    assert_eq!(good.check_at(&[], NOW_S - 61), Err(Refusal::CreatedInFuture));
    assert_eq!(good.check_at(&[], NOW_S + 361), Err(Refusal::Expired));
    for (expires_s, verdict) in [
        (NOW_S + 301, Err(Refusal::Lifetime)),
        (NOW_S, Err(Refusal::Lifetime)),
        (NOW_S - 1, Err(Refusal::Lifetime)),
        (NOW_S + 1, Ok(())),
    ] {
        let outcome = altered(|input| set(input, "expires", Bare::Integer(expires_s)));
        assert_eq!(outcome.map(drop), verdict, "{expires_s}");
    }
    let extreme = altered(|input| {
        set(input, "created", Bare::Integer(-999_999_999_999_999));
        set(input, "expires", Bare::Integer(999_999_999_999_999));
    });
    assert_eq!(extreme, Err(Refusal::Lifetime));
}

#[test]
fn parameters_are_checked() {
    for name in ["created", "expires", "nonce", "keyid", "alg"] {
        let outcome = altered(|input| input.parameters.retain(|(known, _)| known != name));
        assert_eq!(outcome, Err(Refusal::ParameterMissing(name)));
        let outcome = altered(|input| set(input, name, Bare::Token("t".to_owned())));
        assert_eq!(outcome, Err(Refusal::ParameterMissing(name)));
    }
    let unknown = altered(|input| input.parameters.push(("other".to_owned(), text("x"))));
    assert_eq!(unknown, Err(Refusal::ParameterUnsupported));
    for alg in ["rsa-pss-sha512", "ED25519", "hmac-sha256", "none", ""] {
        let outcome = altered(|input| set(input, "alg", text(alg)));
        assert_eq!(outcome, Err(Refusal::UnknownAlgorithm), "{alg}");
    }
    let upper = key_id().to_uppercase();
    let prefixed = format!("0x{}", key_id());
    for keyid in ["", "zz", "ab", &key_id()[2..], &upper, &prefixed, &"00".repeat(1312)] {
        let outcome = altered(|input| set(input, "keyid", text(keyid)));
        assert_eq!(outcome, Err(Refusal::BadKey), "{keyid}");
    }
    let other_key = altered(|input| set(input, "keyid", text(&"ab".repeat(32))));
    assert_eq!(other_key, Err(Refusal::BadSignature));
    let small_order = altered(|input| set(input, "keyid", text(&"00".repeat(32))));
    assert_eq!(small_order, Err(Refusal::BadSignature));
    let other_alg = altered(|input| set(input, "alg", text("ml-dsa-44")));
    assert_eq!(other_alg, Err(Refusal::BadKey));
    for nonce in [
        "",
        "short",
        &"a".repeat(21),
        &"a".repeat(31),
        &"z".repeat(129),
        "has a blank in it, long enough",
    ] {
        let outcome = altered(|input| set(input, "nonce", text(nonce)));
        assert_eq!(outcome, Err(Refusal::Nonce), "{nonce}");
    }
}

#[test]
fn components_are_checked() {
    for name in policy::COMPONENTS {
        let outcome = altered(|input| input.items.retain(|item| item.value != text(name)));
        assert_eq!(outcome, Err(Refusal::ComponentMissing(name)));
    }
    let item = |name: &str| Item { value: text(name), parameters: Vec::new() };
    let unsigned = |change: fn(&mut Vec<Item>), extra: Option<Item>| {
        let key_id = key_id();
        let mut signed = signed(b"");
        let mut input = policy::input(&terms(&key_id), false);
        change(&mut input.items);
        input.items.extend(extra);
        signed.set("signature-input", format!("chert={}", write_inner_list(&input)));
        signed.check()
    };
    for (name, refusal) in [
        ("@status", Refusal::ComponentUnsupported),
        ("@target-uri", Refusal::ComponentUnsupported),
        ("x-absent", Refusal::ComponentAbsent),
        ("X-Upper", Refusal::Malformed),
        ("@method", Refusal::Duplicate),
        ("content-digest", Refusal::DigestMissing),
    ] {
        assert_eq!(unsigned(|_| {}, Some(item(name))), Err(refusal), "{name}");
    }
    let token = Item { value: Bare::Token("date".to_owned()), parameters: Vec::new() };
    assert_eq!(unsigned(|_| {}, Some(token)), Err(Refusal::Malformed));
    let of_request = |items: &mut Vec<Item>| {
        items[0].parameters.push(("req".to_owned(), Bare::Boolean(true)));
    };
    assert_eq!(unsigned(of_request, None), Err(Refusal::ComponentMissing("@method")));
    let both = unsigned(of_request, Some(item("@method")));
    assert_eq!(both, Err(Refusal::ComponentUnsupported));
}

#[test]
fn bodies_are_bound() {
    let mut signed = signed(BODY);
    signed.body.push(b' ');
    assert_eq!(signed.check(), Err(Refusal::DigestMismatch));
    signed.body.clear();
    assert_eq!(signed.check(), Err(Refusal::DigestMismatch));
    let key_id = key_id();
    let uncovered = sign_with(request(BODY), &policy::input(&terms(&key_id), false));
    assert_eq!(uncovered.check(), Err(Refusal::ComponentMissing("content-digest")));
    let mut bare = uncovered;
    bare.headers.retain(|(name, _)| *name != "content-digest");
    assert_eq!(bare.check(), Err(Refusal::DigestMissing));
    let mut forged = self::signed(BODY);
    forged.body = b"{}".to_vec();
    forged.set("content-digest", content_digest(b"{}"));
    assert_eq!(forged.check(), Err(Refusal::BadSignature));
    for (digest, refusal) in [
        ("nonsense(", Refusal::DigestMalformed),
        ("md5=:AAAA:", Refusal::DigestUnsupported),
        ("sha-256=:AAAA:", Refusal::DigestMismatch),
    ] {
        forged.set("content-digest", digest.to_owned());
        assert_eq!(forged.check(), Err(refusal), "{digest}");
    }
}

#[test]
fn what_is_not_what_was_signed_is_refused() {
    let good = signed(BODY);
    let refused = |change: fn(&mut Signed)| {
        let mut changed = good.clone();
        change(&mut changed);
        assert_eq!(changed.check(), Err(Refusal::BadSignature), "{changed:?}");
    };
    refused(|r| r.method = "PUT".to_owned());
    refused(|r| r.method = "post".to_owned());
    refused(|r| r.path.push('/'));
    refused(|r| r.path = r.path.replace("%20", "%2520"));
    refused(|r| r.query = None);
    refused(|r| r.query = Some("x=%2F&limit=5".to_owned()));
    refused(|r| r.query = Some("limit=5&x=/".to_owned()));
    refused(|r| r.authority = "api.chert.example:8080".to_owned());
    let elsewhere = good.check_at(&["other.example".to_owned()], NOW_S);
    assert_eq!(elsewhere, Err(Refusal::WrongAuthority));
}

#[test]
fn malformed_headers_are_refused() {
    let good = signed(b"");
    let with = |name: &str, value: &str| {
        let mut changed = good.clone();
        changed.set(name, value.to_owned());
        changed.check()
    };
    for (name, value, refusal) in [
        ("signature", "", Refusal::LabelMissing),
        ("signature", "other=:AAAA:", Refusal::LabelMissing),
        ("signature", "chert=AAAA", Refusal::Malformed),
        ("signature", "chert=\"AAAA\"", Refusal::Malformed),
        ("signature", "chert=(:AAAA:)", Refusal::Malformed),
        ("signature", "chert=:AA", Refusal::Malformed),
        ("signature", "chert=::", Refusal::BadSignature),
        ("signature", "chert=:AAAA:", Refusal::BadSignature),
        ("signature", "chert=:AAAA:, chert=:AAAA:", Refusal::Duplicate),
        ("signature-input", "", Refusal::LabelMissing),
        ("signature-input", "chert", Refusal::Malformed),
        ("signature-input", "chert=1", Refusal::Malformed),
        ("signature-input", "chert=(\"@method\"", Refusal::Malformed),
        ("signature-input", "chert=()", Refusal::ComponentMissing("@method")),
        ("signature-input", "other=()", Refusal::LabelMissing),
        ("signature-input", "chert=();created=1;created=1", Refusal::Duplicate),
    ] {
        assert_eq!(with(name, value), Err(refusal), "{name}: {value}");
    }
    for name in ["signature", "signature-input"] {
        let mut twice = good.clone();
        twice.headers.push((
            if name == "signature" { "signature" } else { "signature-input" },
            good.get(name).to_owned(),
        ));
        assert_eq!(twice.check(), Err(Refusal::Duplicate), "{name}");
        let mut lone = good.clone();
        lone.headers.retain(|(known, _)| *known != name);
        assert_eq!(lone.check(), Err(Refusal::LabelMissing), "{name}");
    }
}

/// What a property test may change.
const PARTS: [&str; 8] = [
    "method",
    "authority",
    "path",
    "query",
    "body",
    "signature-input",
    "signature",
    "content-digest",
];

fn with_part(signed: &Signed, part: &str, change: impl FnOnce(&mut Vec<u8>)) -> Option<Signed> {
    let mut changed = signed.clone();
    if part == "body" {
        change(&mut changed.body);
        return Some(changed);
    }
    let slot = match part {
        "method" => &mut changed.method,
        "authority" => &mut changed.authority,
        "path" => &mut changed.path,
        "query" => changed.query.as_mut()?,
        name => &mut changed.headers.iter_mut().find(|(known, _)| *known == name)?.1,
    };
    let mut bytes = std::mem::take(slot).into_bytes();
    change(&mut bytes);
    *slot = String::from_utf8(bytes).ok()?;
    Some(changed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_replaced_byte_is_refused(
        part in prop::sample::select(PARTS.to_vec()),
        at in any::<prop::sample::Index>(),
        byte in 0x20_u8..0x7f,
    ) {
        let good = signed(BODY);
        let mut same = false;
        let changed = with_part(&good, part, |bytes| {
            let at = at.index(bytes.len());
            // Hosts do not tell upper from lower case.
            same = bytes[at] == byte || (part == "authority" && bytes[at].eq_ignore_ascii_case(&byte));
            bytes[at] = byte;
        });
        if let Some(changed) = changed.filter(|_| !same) {
            prop_assert!(changed.check().is_err(), "{changed:?}");
        }
    }

    #[test]
    fn any_missing_byte_is_refused(
        part in prop::sample::select(PARTS.to_vec()),
        at in any::<prop::sample::Index>(),
    ) {
        let good = signed(BODY);
        let changed = with_part(&good, part, |bytes| {
            bytes.remove(at.index(bytes.len()));
        });
        if let Some(changed) = changed {
            prop_assert!(changed.check().is_err(), "{changed:?}");
        }
    }

    #[test]
    fn odd_headers_never_panic(input in "[ -~]{0,120}", signature in "[ -~]{0,40}") {
        let mut odd = signed(b"");
        odd.set("signature-input", format!("chert={input}"));
        odd.set("signature", format!("chert={signature}"));
        prop_assert!(odd.check().is_err());
    }
}
