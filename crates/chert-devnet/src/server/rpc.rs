//! The JSON-RPC envelope (§1.3): HTTP 200 for every outcome, never an unused member, the
//! id echoed to the byte.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Node;
use super::deliver::deliver;
use super::listener::Connection;
use super::methods::Method;
use crate::corrupt::corrupt_blocks;
use crate::faults::{Draw, Fault};
use crate::json;

const BATCH_CALLS_MAX: usize = 1000;
/// A batch stops being worked on beyond this; the calls left are answered with an error.
const BATCH_BYTES_SOFT_MAX: usize = 64 << 20;

/// The `error` member.
#[derive(Debug)]
pub(super) struct RpcError {
    code: i32,
    message: String,
}

impl RpcError {
    fn new(code: i32, message: &str) -> RpcError {
        RpcError { code, message: message.to_owned() }
    }

    pub(super) fn invalid_params(message: &str) -> RpcError {
        RpcError::new(-32602, message)
    }

    pub(super) fn method_not_found() -> RpcError {
        RpcError::new(-32601, "Method not found")
    }

    pub(super) fn internal() -> RpcError {
        RpcError::new(-32603, "Internal error")
    }

    fn invalid_request(message: &str) -> RpcError {
        RpcError::new(-32600, message)
    }
}

/// One request of the body, as far as it could be read.
struct Call<'a> {
    id: &'a str,
    request: Result<(Method, Option<Value>), RpcError>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    jsonrpc: Option<Value>,
    method: Option<Value>,
    params: Option<Value>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// `POST /` and `POST /jsonrpc`.
pub(super) async fn answer(
    State(node): State<Arc<Node>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    body: Bytes,
) -> Response {
    node.requests.fetch_add(1, Ordering::Relaxed);
    let (body, draw) = respond(&node, &body);
    deliver(&node.faults, &connection, body, draw).await
}

/// The text of the answer, and the fault drawn for it if it is still to be shown by the
/// way the text is delivered.
fn respond(node: &Node, body: &[u8]) -> (Vec<u8>, Option<Draw>) {
    let mut out = Vec::new();
    let batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let texts: Vec<&RawValue> = if batch {
        match serde_json::from_slice(body) {
            Ok(texts) => texts,
            Err(_) => return (parse_error(), None),
        }
    } else {
        match serde_json::from_slice(body) {
            Ok(text) => vec![text],
            Err(_) => return (parse_error(), None),
        }
    };
    let refusal = match (batch, node.config.batch, texts.len()) {
        (true, false, _) => Some("batch requests are not supported"),
        (true, true, 0) => Some("an empty batch is not a request"),
        (true, true, count) if count > BATCH_CALLS_MAX => Some("the batch is too large"),
        _ => None,
    };
    if let Some(message) = refusal {
        write_answer(&mut out, "null", &Err(RpcError::invalid_request(message)));
        return (out, None);
    }
    let calls: Vec<Call<'_>> = texts.into_iter().map(|text| read_call(text.get())).collect();
    let methods =
        calls.iter().filter_map(|call| call.request.as_ref().ok()).map(|(method, _)| method.name());
    let draw = node.faults.draw(methods);
    let mut shown = false;
    if batch {
        out.push(b'[');
    }
    for (index, call) in calls.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let result = match call.request {
            Err(error) => Err(error),
            Ok(_) if out.len() > BATCH_BYTES_SOFT_MAX => {
                Err(RpcError::new(-32000, "the answer is too large"))
            }
            Ok((method, params)) => run(node, method, params, draw.as_ref(), &mut shown),
        };
        write_answer(&mut out, call.id, &result);
    }
    if batch {
        out.push(b']');
    }
    if shown {
        node.faults.count_one();
        return (out, None);
    }
    (out, draw)
}

/// Runs one method, with those faults that show inside its result.
fn run(
    node: &Node,
    method: Method,
    params: Option<Value>,
    draw: Option<&Draw>,
    shown: &mut bool,
) -> Result<Vec<u8>, RpcError> {
    let Some(draw) = draw else {
        return method.call(node, node.lag(0), params);
    };
    match draw.fault {
        Fault::RpcError => {
            *shown = true;
            Err(RpcError::new(-32000, "injected fault"))
        }
        Fault::NullResult => {
            *shown = true;
            Ok(b"null".to_vec())
        }
        Fault::Lagging { blocks } => {
            *shown |= method.depends_on_tip() && blocks > 0;
            method.call(node, node.lag(blocks), params)
        }
        _ => {
            let result = method.call(node, node.lag(0), params)?;
            if !method.returns_blocks() {
                return Ok(result);
            }
            let corrupted = corrupt_blocks(draw, &result);
            *shown |= corrupted.is_some();
            Ok(corrupted.unwrap_or(result))
        }
    }
}

fn read_call(text: &str) -> Call<'_> {
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
        return Call {
            id: "null",
            request: Err(RpcError::invalid_request("a request must be an object")),
        };
    };
    let id = envelope.id.map_or("null", RawValue::get);
    if id.starts_with(['{', '[', 't', 'f']) {
        let error = RpcError::invalid_request("id must be a string, a number or null");
        return Call { id: "null", request: Err(error) };
    }
    let request = match (envelope.jsonrpc, envelope.method) {
        (Some(version), Some(Value::String(method))) if version == "2.0" => Method::find(&method)
            .map(|method| (method, envelope.params))
            .ok_or_else(RpcError::method_not_found),
        _ => Err(RpcError::invalid_request("jsonrpc must be \"2.0\" and method a string")),
    };
    Call { id, request }
}

fn parse_error() -> Vec<u8> {
    let mut out = Vec::new();
    write_answer(&mut out, "null", &Err(RpcError::new(-32700, "Parse error")));
    out
}

fn write_answer(out: &mut Vec<u8>, id: &str, result: &Result<Vec<u8>, RpcError>) {
    json::text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    json::text(out, id);
    match result {
        Ok(result) => {
            json::text(out, ",\"result\":");
            out.extend_from_slice(result);
        }
        Err(error) => {
            json::text(out, ",\"error\":");
            let error = serde_json::json!({ "code": error.code, "message": error.message });
            json::text(out, &error.to_string());
        }
    }
    out.push(b'}');
}
