//! Whatever changes in a signed request, it is refused.

use proptest::prelude::*;

use super::*;

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
