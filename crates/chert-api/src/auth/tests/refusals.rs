//! Every reason for which a signature is refused.

use super::*;

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
