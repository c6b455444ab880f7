//! What a signature must be for us to believe it (api.md §2). Pure and cheap: everything that can
//! be refused without looking at the signature itself is refused here.

use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use super::digest::{self, CONTENT_DIGEST};
use super::fields::{Bare, InnerList, Item, write_inner_list};
use super::http_signature::{Message, canonical_authority, find, signature_base};
use super::keys::Algorithm;
use super::nonces::Lifetime;
use super::refusal::Refusal;

/// Label of our signatures.
pub const LABEL: &str = "chert";
/// What every signature covers.
pub const COMPONENTS: [&str; 4] = ["@method", "@authority", "@path", "@query"];
/// Seconds between `created` and `expires` at most.
pub const LIFETIME_S_MAX: i64 = 300;
/// Seconds that the clocks of client and server may differ.
pub const SKEW_S: i64 = 60;
/// Characters of a nonce at least: 128 bits in base64.
pub const NONCE_CHARS_MIN: usize = 22;
/// Characters of a nonce at most.
pub const NONCE_CHARS_MAX: usize = 128;
/// Hex digits that hold 128 bits.
const NONCE_HEX_MIN: usize = 32;
/// Keeps digests of nonces apart from other digests.
const NONCE_DOMAIN: &str = "CHERT_REQUEST_NONCE_V1";

/// What a signature of ours says besides what it covers.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// When it was made, Unix seconds.
    pub created_s: i64,
    /// Until when it is good, Unix seconds.
    pub expires_s: i64,
    /// At least 128 random bits, as text.
    pub nonce: &'a str,
    /// Public key, lower-case hex.
    pub key_id: &'a str,
    /// Algorithm of the key.
    pub algorithm: Algorithm,
}

/// A request that would be believed if its signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Algorithm of the key.
    pub algorithm: Algorithm,
    /// The key that is said to have signed.
    pub public_key: Vec<u8>,
    /// What was signed.
    pub base: String,
    /// The signature.
    pub signature: Vec<u8>,
    /// Names the nonce among all keys.
    pub nonce: [u8; 32],
    /// When the signature can be good.
    pub life: Lifetime,
}

impl Claim {
    /// Whether the signature is the key's. Takes a while: see `docs/performance.md`.
    pub fn holds(&self) -> bool {
        self.signature.len() == self.algorithm.signature_bytes()
            && self.algorithm.verify(&self.public_key, self.base.as_bytes(), &self.signature)
    }
}

/// What a client has to sign, and the headers that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    /// Value of `Content-Digest`, for a request with a body.
    pub content_digest: Option<String>,
    /// Value of `Signature-Input`.
    pub signature_input: String,
    /// The bytes to sign.
    pub base: String,
}

/// Prepares a signature on our terms; for those who sign.
///
/// # Errors
/// [`Refusal`] where a digest cannot be a header; it always can.
pub fn compose(
    (method, authority, path, query): (&str, &str, &str, Option<&str>),
    body: &[u8],
    terms: &Terms<'_>,
) -> Result<Unsigned, Refusal> {
    let content_digest = (!body.is_empty()).then(|| digest::content_digest(body));
    let mut headers = HeaderMap::new();
    if let Some(digest) = &content_digest {
        let value = HeaderValue::from_str(digest).map_err(|_| Refusal::DigestMalformed)?;
        headers.insert(CONTENT_DIGEST, value);
    }
    let input = input(terms, content_digest.is_some());
    let message = Message { method, authority, path, query, headers: &headers };
    let base = signature_base(&message, &input)?;
    let signature_input = format!("{LABEL}={}", write_inner_list(&input));
    Ok(Unsigned { content_digest, signature_input, base })
}

/// What the input of a signature on our terms covers and says.
pub fn input(terms: &Terms<'_>, with_body: bool) -> InnerList {
    let names = COMPONENTS.into_iter().chain(with_body.then_some(CONTENT_DIGEST));
    let item = |name: &str| Item { value: Bare::Text(name.to_owned()), parameters: Vec::new() };
    let parameters = [
        ("created", Bare::Integer(terms.created_s)),
        ("expires", Bare::Integer(terms.expires_s)),
        ("nonce", Bare::Text(terms.nonce.to_owned())),
        ("keyid", Bare::Text(terms.key_id.to_owned())),
        ("alg", Bare::Text(terms.algorithm.as_str().to_owned())),
    ];
    let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value));
    InnerList { items: names.map(item).collect(), parameters: parameters.collect() }
}

/// Checks everything but the signature. `authorities` are the names clients may know us by; none
/// for any.
///
/// # Errors
/// The [`Refusal`] of the first thing that is wrong.
pub fn check(
    message: &Message<'_>,
    body: &[u8],
    authorities: &[String],
    now_s: i64,
) -> Result<Claim, Refusal> {
    let found = find(message.headers, LABEL)?;
    check_coverage(&found.input, message.headers, body)?;
    let terms = terms_of(&found.input)?;
    check_times(&terms, now_s)?;
    check_nonce(terms.nonce)?;
    let public_key = key_of(&terms)?;
    let authority = canonical_authority(message.authority);
    let named = |ours: &String| canonical_authority(ours) == authority;
    if !authorities.is_empty() && !authorities.iter().any(named) {
        return Err(Refusal::WrongAuthority);
    }
    Ok(Claim {
        algorithm: terms.algorithm,
        nonce: nonce_digest(&public_key, terms.nonce),
        life: Lifetime {
            created_s: terms.created_s,
            dead_s: terms.expires_s.saturating_add(SKEW_S),
        },
        base: signature_base(message, &found.input)?,
        signature: found.signature,
        public_key,
    })
}

fn check_coverage(input: &InnerList, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let covers = |name: &str| {
        let plain = |item: &Item| {
            item.parameters.is_empty() && matches!(&item.value, Bare::Text(text) if text == name)
        };
        input.items.iter().any(plain)
    };
    if let Some(missing) = COMPONENTS.into_iter().find(|name| !covers(name)) {
        return Err(Refusal::ComponentMissing(missing));
    }
    let digest_covered = covers(CONTENT_DIGEST);
    if body.is_empty() && !digest_covered {
        return Ok(());
    }
    if !headers.contains_key(CONTENT_DIGEST) {
        return Err(Refusal::DigestMissing);
    }
    if !digest_covered {
        return Err(Refusal::ComponentMissing(CONTENT_DIGEST));
    }
    digest::check(headers, body)
}

fn terms_of(input: &InnerList) -> Result<Terms<'_>, Refusal> {
    let known = ["created", "expires", "nonce", "keyid", "alg", "tag"];
    if input.parameters.iter().any(|(name, _)| !known.contains(&name.as_str())) {
        return Err(Refusal::ParameterUnsupported);
    }
    let find = |wanted: &'static str| {
        let found = input.parameters.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value).ok_or(Refusal::ParameterMissing(wanted))
    };
    let integer = |name| match find(name)? {
        Bare::Integer(number) => Ok(*number),
        _ => Err(Refusal::ParameterMissing(name)),
    };
    let text = |name| match find(name)? {
        Bare::Text(text) => Ok(text.as_str()),
        _ => Err(Refusal::ParameterMissing(name)),
    };
    Ok(Terms {
        created_s: integer("created")?,
        expires_s: integer("expires")?,
        nonce: text("nonce")?,
        key_id: text("keyid")?,
        algorithm: Algorithm::parse(text("alg")?).ok_or(Refusal::UnknownAlgorithm)?,
    })
}

fn check_times(terms: &Terms<'_>, now_s: i64) -> Result<(), Refusal> {
    // Both have 15 digits at most, so nothing overflows.
    if !(1..=LIFETIME_S_MAX).contains(&(terms.expires_s - terms.created_s)) {
        return Err(Refusal::Lifetime);
    }
    if terms.created_s > now_s + SKEW_S {
        return Err(Refusal::CreatedInFuture);
    }
    if now_s > terms.expires_s + SKEW_S {
        return Err(Refusal::Expired);
    }
    Ok(())
}

/// Randomness cannot be seen; room for it can.
fn check_nonce(nonce: &str) -> Result<(), Refusal> {
    let fits = (NONCE_CHARS_MIN..=NONCE_CHARS_MAX).contains(&nonce.len())
        && nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b));
    let hex = nonce.bytes().all(|b| b.is_ascii_hexdigit());
    if fits && (!hex || nonce.len() >= NONCE_HEX_MIN) { Ok(()) } else { Err(Refusal::Nonce) }
}

fn key_of(terms: &Terms<'_>) -> Result<Vec<u8>, Refusal> {
    if terms.key_id.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Refusal::BadKey);
    }
    let key = hex::decode(terms.key_id).map_err(|_| Refusal::BadKey)?;
    if Algorithm::of_key(&key) == Some(terms.algorithm) { Ok(key) } else { Err(Refusal::BadKey) }
}

/// A key cannot use up another's nonces.
fn nonce_digest(public_key: &[u8], nonce: &str) -> [u8; 32] {
    let digest = Sha256::new().chain_update(NONCE_DOMAIN);
    digest.chain_update(Sha256::digest(public_key)).chain_update(nonce).finalize().into()
}
