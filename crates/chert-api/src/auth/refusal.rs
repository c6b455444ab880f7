//! Why a signed request is refused: the reason codes of 401 answers. They are part of the contract;
//! clients act on the code and people read the sentence.

use std::borrow::Cow;

use super::policy::{LIFETIME_S_MAX, NONCE_CHARS_MAX, NONCE_CHARS_MIN, SKEW_S};
use crate::error::{Kind, Problem};

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `Signature-Input` or `Signature` does not follow the grammar.
    Malformed,
    /// A label or parameter comes twice.
    Duplicate,
    /// Only one of the two headers names the label `chert`.
    LabelMissing,
    /// A component that must be covered is not.
    ComponentMissing(&'static str),
    /// A covered component that we cannot recreate.
    ComponentUnsupported,
    /// A covered header that the request does not have.
    ComponentAbsent,
    /// A parameter that must be there is not, or is of another type.
    ParameterMissing(&'static str),
    /// A parameter that we do not know.
    ParameterUnsupported,
    /// `created` is in the future.
    CreatedInFuture,
    /// `expires` has passed.
    Expired,
    /// `expires` is not after `created`, or too long after it.
    Lifetime,
    /// `nonce` is too short, too long, or not of letters and digits.
    Nonce,
    /// `nonce` was used before.
    Replayed,
    /// `alg` is none of ours.
    UnknownAlgorithm,
    /// `keyid` is not a public key of `alg` in lower-case hex.
    BadKey,
    /// Signed for another server.
    WrongAuthority,
    /// A body, or a covered digest, without the header.
    DigestMissing,
    /// `Content-Digest` does not follow the grammar.
    DigestMalformed,
    /// No digest of an algorithm that we know.
    DigestUnsupported,
    /// The body is another.
    DigestMismatch,
    /// The signature is not one of this key over this request.
    BadSignature,
}

impl Refusal {
    /// The reason code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-signature",
            Self::Duplicate => "duplicate-label",
            Self::LabelMissing => "label-missing",
            Self::ComponentMissing(_) => "component-missing",
            Self::ComponentUnsupported => "component-unsupported",
            Self::ComponentAbsent => "component-absent",
            Self::ParameterMissing(_) => "parameter-missing",
            Self::ParameterUnsupported => "parameter-unsupported",
            Self::CreatedInFuture => "created-in-future",
            Self::Expired => "expired",
            Self::Lifetime => "lifetime",
            Self::Nonce => "bad-nonce",
            Self::Replayed => "replayed",
            Self::UnknownAlgorithm => "unknown-algorithm",
            Self::BadKey => "bad-key",
            Self::WrongAuthority => "wrong-authority",
            Self::DigestMissing => "digest-missing",
            Self::DigestMalformed => "digest-malformed",
            Self::DigestUnsupported => "digest-unsupported",
            Self::DigestMismatch => "digest-mismatch",
            Self::BadSignature => "bad-signature",
        }
    }

    /// What the client can do about it.
    pub fn detail(self) -> Cow<'static, str> {
        let text = match self {
            Self::Malformed => "Signature-Input or Signature is not a dictionary of RFC 9421.",
            Self::Duplicate => "A label or a parameter of the signature comes twice.",
            Self::LabelMissing => {
                "Signature-Input and Signature must both hold the label chert; leave both out to \
                 ask anonymously."
            }
            Self::ComponentMissing(name) => {
                return format!("The signature must cover \"{name}\".").into();
            }
            Self::ComponentUnsupported => {
                "The signature covers a component, or has a component parameter, that is not \
                 supported."
            }
            Self::ComponentAbsent => "The signature covers a header that the request has not.",
            Self::ParameterMissing(name) => {
                return format!("The signature has no well-formed parameter {name}.").into();
            }
            Self::ParameterUnsupported => {
                "The parameters are created, expires, nonce, keyid, alg, and tag where wanted."
            }
            Self::CreatedInFuture => {
                return format!("created is more than {SKEW_S} s ahead of our clock.").into();
            }
            Self::Expired => "expires has passed; sign again.",
            Self::Lifetime => {
                return format!("expires must be 1 to {LIFETIME_S_MAX} s after created.").into();
            }
            Self::Nonce => {
                return format!(
                    "nonce must hold 128 random bits: {NONCE_CHARS_MIN} to {NONCE_CHARS_MAX} \
                     characters of base64 or base64url, 32 or more of hex."
                )
                .into();
            }
            Self::Replayed => "nonce was used before; every request needs a new one.",
            Self::UnknownAlgorithm => "alg must be ed25519, ml-dsa-44, ml-dsa-65 or ml-dsa-87.",
            Self::BadKey => "keyid must be the public key of alg in lower-case hex.",
            Self::WrongAuthority => "The request was signed for another server.",
            Self::DigestMissing => "The request has no Content-Digest.",
            Self::DigestMalformed => "Content-Digest is not a dictionary of RFC 9530.",
            Self::DigestUnsupported => "Content-Digest needs sha-256 or sha-512.",
            Self::DigestMismatch => "Content-Digest is not the digest of the body.",
            Self::BadSignature => {
                "The signature is not one of keyid over this request: method, authority, path, \
                 query, headers or parameters differ from what was signed."
            }
        };
        text.into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(Kind::SignatureRefused, refusal.detail());
        Self { reason: Some(refusal.code()), ..problem }
    }
}
