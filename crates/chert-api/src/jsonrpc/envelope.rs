//! Requests and responses around the methods (JSON-RPC 2.0, contract §1.3).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::error::RpcError;

/// Longest method name, in bytes.
const METHOD_BYTES_MAX: usize = 128;

/// One call as it stands in a body.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// As sent; `None` for a notification, which is not answered.
    pub id: Option<&'a RawValue>,
    /// As sent.
    pub method: Cow<'a, str>,
    /// As sent.
    pub params: Option<&'a RawValue>,
}

/// A call that is not a request; with its id where it has one. It is always answered, because it
/// cannot be known whether no answer is expected.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub id: Option<&'a RawValue>,
    pub error: RpcError,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// A member that is there, be it null: an `id` of null is not the absence of one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Request<'a> {
    /// Reads one call.
    pub fn parse(raw: &'a RawValue) -> Result<Self, Refused<'a>> {
        let refuse =
            |id, reason: &'static str| Refused { id, error: RpcError::invalid_request(reason) };
        if !raw.get().starts_with('{') {
            return Err(refuse(None, "A request must be an object."));
        }
        let members: Members<'_> = serde_json::from_str(raw.get())
            .map_err(|_| refuse(None, "A member of the request is given twice."))?;
        let id = members.id;
        if id.is_some_and(|id| !is_id(id)) {
            return Err(refuse(None, "id must be a string, a number or null."));
        }
        if members.jsonrpc.and_then(text_of).as_deref() != Some("2.0") {
            return Err(refuse(id, "jsonrpc must be \"2.0\"."));
        }
        let method = members.method.and_then(text_of);
        let method = method.filter(|name| name.len() <= METHOD_BYTES_MAX);
        let method =
            method.ok_or_else(|| refuse(id, "method must be a string of at most 128 bytes."))?;
        Ok(Self { id, method, params: members.params })
    }
}

fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    // Without escapes the text is borrowed.
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

fn is_id(raw: &RawValue) -> bool {
    !matches!(raw.get().as_bytes().first(), None | Some(b'{' | b'[' | b't' | b'f'))
}

/// Appends a response. `id` stands in it as it came.
pub(super) fn write(
    out: &mut Vec<u8>,
    id: Option<&RawValue>,
    outcome: Result<&[u8], &RpcError>,
) -> Result<(), serde_json::Error> {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.unwrap_or(RawValue::NULL).get().as_bytes());
    match outcome {
        Ok(result) => {
            out.extend_from_slice(br#","result":"#);
            out.extend_from_slice(result);
        }
        Err(error) => {
            out.extend_from_slice(br#","error":"#);
            serde_json::to_writer(&mut *out, error)?;
        }
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn ids_stay_as_they_came() {
        for id in ["1", "null", "\"a\\u0062\"", "1.50", "-7", "123456789012345678901234567890"] {
            let body = raw(&format!(r#"{{"jsonrpc":"2.0","method":"m","id":{id}}}"#));
            let request = Request::parse(&body).unwrap();
            let mut out = Vec::new();
            write(&mut out, request.id, Ok(b"7")).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":7}}"#));
        }
        let notification = raw(r#"{"jsonrpc":"2.0","method":"m"}"#);
        assert!(Request::parse(&notification).unwrap().id.is_none());
    }

    #[test]
    fn what_is_not_a_request_is_refused() {
        for bad in [
            "1",
            "[]",
            "\"x\"",
            "{}",
            r#"{"jsonrpc":"2.0","method":7,"id":1}"#,
            r#"{"jsonrpc":"1.0","method":"m","id":1}"#,
            r#"{"method":"m","id":1}"#,
            r#"{"jsonrpc":"2.0","method":"m","id":{}}"#,
            r#"{"jsonrpc":"2.0","method":"m","id":1,"id":2}"#,
        ] {
            assert!(Request::parse(&raw(bad)).is_err(), "{bad}");
        }
        let escaped = raw(r#"{"jsonrpc":"2.0","method":"get\u005fblocks","id":1,"x":2}"#);
        assert_eq!(Request::parse(&escaped).unwrap().method, "get_blocks");
    }
}
