//! HTTP message signatures (RFC 9421): finding one in the headers, and the bytes it is made over.
//!
//! Pure: what a request must cover and how old it may be is decided in `policy`.

use axum::http::HeaderMap;
use axum::http::header::AsHeaderName;

use super::fields::{Bare, FieldError, InnerList, Item, Member};
use super::fields::{parse_dictionary, write_inner_list, write_item};
use super::refusal::Refusal;

/// Header with what each signature covers.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// Header with the signatures.
pub const SIGNATURE: &str = "signature";

/// What of a request a signature may cover.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Host and port as the request names them.
    pub authority: &'a str,
    /// Path as in the request, escapes included.
    pub path: &'a str,
    /// Query as in the request, without its question mark.
    pub query: Option<&'a str>,
    /// Headers.
    pub headers: &'a HeaderMap,
}

/// A signature as the headers give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Covered components and parameters.
    pub input: InnerList,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Malformed => Self::Malformed,
            FieldError::Duplicate => Self::Duplicate,
        }
    }
}

/// The lines of a header as one value; `None` where it is absent or not ASCII.
pub fn joined(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let mut text: Option<String> = None;
    for line in headers.get_all(name) {
        let line = line.to_str().ok()?.trim_matches([' ', '\t']);
        match &mut text {
            None => text = Some(line.to_owned()),
            Some(text) => {
                text.push_str(", ");
                text.push_str(line);
            }
        }
    }
    text
}

/// The signature under `label`.
///
/// # Errors
/// [`Refusal`] where the headers are malformed or one of them does not name the label.
pub fn find(headers: &HeaderMap, label: &str) -> Result<Found, Refusal> {
    let member = |name: &str| {
        if !headers.contains_key(name) {
            return Err(Refusal::LabelMissing);
        }
        let text = joined(headers, name).ok_or(Refusal::Malformed)?;
        let members = parse_dictionary(&text)?;
        let found = members.into_iter().find(|(key, _)| key == label);
        found.map(|(_, member)| member).ok_or(Refusal::LabelMissing)
    };
    let Member::List(input) = member(SIGNATURE_INPUT)? else { return Err(Refusal::Malformed) };
    let Member::Item(item) = member(SIGNATURE)? else { return Err(Refusal::Malformed) };
    let Bare::Bytes(signature) = item.value else { return Err(Refusal::Malformed) };
    Ok(Found { input, signature })
}

/// The bytes that a signature with this input is made over (RFC 9421 §2.5).
///
/// # Errors
/// [`Refusal`] where a component cannot be recreated or comes twice.
pub fn signature_base(message: &Message<'_>, input: &InnerList) -> Result<String, Refusal> {
    let mut base = String::with_capacity(512);
    for (index, item) in input.items.iter().enumerate() {
        if input.items.iter().take(index).any(|earlier| earlier == item) {
            return Err(Refusal::Duplicate);
        }
        write_item(&mut base, item);
        base.push_str(": ");
        write_component(&mut base, message, item)?;
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&write_inner_list(input));
    Ok(base)
}

fn write_component(base: &mut String, message: &Message<'_>, item: &Item) -> Result<(), Refusal> {
    let Bare::Text(name) = &item.value else { return Err(Refusal::Malformed) };
    if !item.parameters.is_empty() {
        return Err(Refusal::ComponentUnsupported);
    }
    let path = if message.path.is_empty() { "/" } else { message.path };
    match name.as_str() {
        "@method" => base.push_str(message.method),
        "@authority" => base.push_str(&canonical_authority(message.authority)),
        "@path" => base.push_str(path),
        "@query" => {
            base.push('?');
            base.push_str(message.query.unwrap_or_default());
        }
        "@request-target" => {
            base.push_str(path);
            if let Some(query) = message.query {
                base.push('?');
                base.push_str(query);
            }
        }
        name if name.starts_with('@') => return Err(Refusal::ComponentUnsupported),
        name if name.bytes().any(|b| b.is_ascii_uppercase()) => return Err(Refusal::Malformed),
        name => {
            if !message.headers.contains_key(name) {
                return Err(Refusal::ComponentAbsent);
            }
            let value = joined(message.headers, name).ok_or(Refusal::ComponentUnsupported)?;
            base.push_str(&value);
        }
    }
    Ok(())
}

/// An authority in lower case without its scheme's default port (RFC 9421 §2.2.3). Behind a proxy
/// the scheme is not known; neither default port is ever the other scheme's in practice.
pub fn canonical_authority(authority: &str) -> String {
    let lower = authority.to_ascii_lowercase();
    let bare = lower.strip_suffix(":443").or_else(|| lower.strip_suffix(":80"));
    // Inside the brackets of an IPv6 address it would be a part of the address.
    bare.filter(|host| !host.starts_with('[') || host.ends_with(']')).unwrap_or(&lower).to_owned()
}
