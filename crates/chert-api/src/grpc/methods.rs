//! The methods of the services, made from their descriptors: which REST operation each runs, and how
//! its request message becomes that operation's request.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method as Verb, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{
    DynamicMessage, Kind as ProtoKind, MessageDescriptor, MethodDescriptor, ReflectMessage,
    SerializeOptions, Value,
};
use url::form_urlencoded;

use super::shape::{Known, Shape};
use crate::error::{Kind, Problem};
use crate::middleware::{URI_BYTES_MAX, rate_limit};
use crate::routes;
use crate::stream::EventType;

/// What stands for itself in a path (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Field of a delivery that holds what happened.
const EVENT: &str = "event";
/// The JSON of a request's body, as the routes read it.
const BODY: SerializeOptions = SerializeOptions::new()
    .use_proto_field_name(true)
    .stringify_64_bit_integers(false)
    .skip_default_fields(false);

#[expect(clippy::expect_used, reason = "of compiled-in descriptors; the tests below make it")]
static METHODS: LazyLock<Methods> =
    LazyLock::new(|| Methods::new().expect("methods that the descriptors describe"));

/// Every method, by its path.
pub(crate) struct Methods {
    by_path: HashMap<String, Method>,
    streams: HashMap<String, Streaming>,
}

/// A method that streams events.
pub(crate) struct Streaming {
    /// The types that it delivers.
    pub(crate) types: BTreeSet<EventType>,
    /// The message of an event.
    pub(crate) event: Arc<Shape>,
    input: MessageDescriptor,
}

/// A method that runs a REST operation.
pub(crate) struct Method {
    /// What one call counts for in the rate limit.
    pub(crate) cost: u32,
    /// The message of its answers.
    pub(crate) answer: Arc<Shape>,
    verb: Verb,
    template: String,
    input: MessageDescriptor,
}

/// The methods.
pub(crate) fn methods() -> &'static Methods {
    &METHODS
}

/// Names of our services, like `chert.api.v1.StatusService`.
pub(crate) fn services() -> impl Iterator<Item = String> {
    let ours = |name: &String| name.starts_with(chert_proto::PACKAGE);
    chert_proto::pool().services().map(|service| service.full_name().to_owned()).filter(ours)
}

impl Methods {
    fn new() -> Result<Self, String> {
        let mut known = Known::new();
        let mut by_path = HashMap::new();
        let mut streams = HashMap::new();
        for service in chert_proto::pool().services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                if let Some(rest) = chert_proto::rest_of(&method.options()) {
                    by_path.insert(path, Method::new(&method, &rest, &mut known)?);
                } else if let Some(events) = chert_proto::events_of(&method.options()) {
                    streams.insert(path, Streaming::new(&method, &events, &mut known)?);
                } else {
                    return Err(format!("{path} does nothing"));
                }
            }
        }
        Ok(Self { by_path, streams })
    }

    /// A method that streams, by its path.
    pub(crate) fn find_stream(&self, path: &str) -> Option<&Streaming> {
        self.streams.get(path)
    }

    /// A method by its path, `/chert.api.v1.Service/Method`.
    pub(crate) fn find(&self, path: &str) -> Option<&Method> {
        self.by_path.get(path)
    }

    /// Paths of the methods with one answer.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.by_path.keys().map(String::as_str)
    }

    /// Paths of the streams.
    pub(crate) fn stream_paths(&self) -> impl Iterator<Item = &str> {
        self.streams.keys().map(String::as_str)
    }
}

impl Streaming {
    fn new(method: &MethodDescriptor, events: &str, known: &mut Known) -> Result<Self, String> {
        let wanted = |kind: &EventType| {
            events.split(',').any(|pattern| match pattern.strip_suffix('*') {
                Some(begin) => kind.as_str().starts_with(begin),
                None => kind.as_str() == pattern,
            })
        };
        let types: BTreeSet<EventType> = EventType::ALL.into_iter().filter(wanted).collect();
        let event = method.output().get_field_by_name(EVENT).map(|field| field.kind());
        let Some(ProtoKind::Message(event)) = event else {
            return Err(format!("{} delivers no events", method.full_name()));
        };
        if types.is_empty() {
            return Err(format!("{} wants no event", method.full_name()));
        }
        Ok(Self { types, event: Shape::of(&event, known)?, input: method.input() })
    }

    /// What a message asks for, as the query string of `/v1/events/stream`.
    ///
    /// # Errors
    /// 400 for what is not such a message.
    pub(crate) fn query(&self, message: &[u8]) -> Result<String, Problem> {
        let message = decode(&self.input, message)?;
        Ok(query(&message, "").unwrap_or_default())
    }
}

fn decode(input: &MessageDescriptor, message: &[u8]) -> Result<DynamicMessage, Problem> {
    DynamicMessage::decode(input.clone(), message)
        .map_err(|error| Problem::invalid(format!("the request is no {}: {error}", input.name())))
}

impl Method {
    /// Pattern of the REST route of its operation.
    pub(crate) fn route(&self) -> &str {
        &self.template
    }

    fn new(method: &MethodDescriptor, rest: &str, known: &mut Known) -> Result<Self, String> {
        let (verb, template) = rest.split_once(' ').ok_or_else(|| format!("no path in {rest}"))?;
        Ok(Self {
            cost: rate_limit::cost(template),
            answer: Shape::of(&method.output(), known)?,
            verb: verb.parse().map_err(|error| format!("{rest}: {error}"))?,
            template: template.to_owned(),
            input: method.input(),
        })
    }

    /// The request of its REST operation that says what a message says.
    ///
    /// # Errors
    /// 400 for what is not such a message or leaves out what names the object; 414 for an URI above
    /// the limit.
    pub(crate) fn request(&self, message: &[u8]) -> Result<Request, Problem> {
        let message = decode(&self.input, message)?;
        let mut uri = self.path(&message)?;
        let mut body = Vec::new();
        if self.has_body() {
            body = self.body(&message).map_err(Problem::internal)?;
        } else if let Some(query) = query(&message, &self.template) {
            uri.push('?');
            uri.push_str(&query);
        }
        if uri.len() > URI_BYTES_MAX {
            return Err(Problem::new(
                Kind::UriTooLong,
                "Names and texts are above 8 KiB together.",
            ));
        }
        let request = Request::builder()
            .method(self.verb.clone())
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json");
        request.body(Body::from(body)).map_err(Problem::internal)
    }

    fn has_body(&self) -> bool {
        matches!(self.verb, Verb::POST | Verb::PUT)
    }

    /// The path with its fields filled in.
    fn path(&self, message: &DynamicMessage) -> Result<String, Problem> {
        let mut path = String::new();
        for segment in self.template.split('/').skip(1) {
            path.push('/');
            let Some(name) = parameter(segment) else {
                path.push_str(segment);
                continue;
            };
            let value = message.get_field_by_name(name);
            let text = value.as_deref().and_then(Value::as_str).unwrap_or_default();
            if text.is_empty() {
                return Err(Problem::invalid(format!("{name} must not be empty")));
            }
            path.extend(utf8_percent_encode(text, RESERVED));
        }
        // A name of nothing, such as an identity called `search`, must not reach another route.
        if path != self.template && routes::PATHS.contains(&path.as_str()) {
            return Err(Problem::invalid("this names no object; see the request's description"));
        }
        Ok(path)
    }

    /// What is not in the path, as the JSON that the route reads.
    fn body(&self, message: &DynamicMessage) -> serde_json::Result<Vec<u8>> {
        let json = serde_json::value::Serializer;
        let mut json = message.serialize_with_options(json, &BODY)?;
        if let Some(fields) = json.as_object_mut() {
            fields.retain(|name, _| !in_path(&self.template, name));
        }
        serde_json::to_vec(&json)
    }
}

/// What is not in the path, as a query string; absent `optional` fields are left out.
fn query(message: &DynamicMessage, template: &str) -> Option<String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut empty = true;
    for field in message.descriptor().fields() {
        let absent = field.supports_presence() && !message.has_field(&field);
        if absent || in_path(template, field.name()) {
            continue;
        }
        let text = match message.get_field(&field).as_ref() {
            Value::String(text) => text.clone(),
            Value::U32(number) => number.to_string(),
            Value::I32(number) => number.to_string(),
            Value::U64(number) => number.to_string(),
            Value::I64(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            // The descriptors have no other parameters: a test looks at them.
            _ => continue,
        };
        query.append_pair(field.name(), &text);
        empty = false;
    }
    (!empty).then(|| query.finish())
}

fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn in_path(template: &str, name: &str) -> bool {
    template.split('/').filter_map(parameter).any(|parameter| parameter == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chert_proto::v1;
    use prost::Message;

    use super::*;

    fn request(path: &str, message: &impl Message) -> Result<(String, Request), Problem> {
        let method = methods().find(&format!("/chert.api.v1.{path}")).unwrap();
        let request = method.request(&message.encode_to_vec())?;
        Ok((format!("{} {}", request.method(), request.uri()), request))
    }

    #[test]
    fn fields_go_to_the_path_and_to_the_query() {
        let block = v1::GetBlockRequest { height: "18".to_owned() };
        let made = request("ExplorerService/GetBlock", &block).unwrap().0;
        assert_eq!(made, "GET /v1/explorer/block/18");
        let list = v1::ListVotesRequest {
            id: "a/b?c=d é".to_owned(),
            limit: Some(0),
            cursor: Some("x&y".to_owned()),
            offset: None,
        };
        let made = request("GovernanceService/ListVotes", &list).unwrap().0;
        let path = "/v1/governance/proposals/a%2Fb%3Fc%3Dd%20%C3%A9/votes";
        assert_eq!(made, format!("GET {path}?limit=0&cursor=x%26y"));
        let search = v1::SearchRequest::default();
        assert_eq!(
            request("ExplorerService/Search", &search).unwrap().0,
            "GET /v1/explorer/search?q="
        );
    }

    #[tokio::test]
    async fn what_a_body_says_is_json_without_the_path() {
        let update = v1::UpdateIdentityRequest {
            id: "0a".to_owned(),
            profile_version: 0,
            stats_visibility: "public".to_owned(),
            bio: Some(String::new()),
            ..v1::UpdateIdentityRequest::default()
        };
        let (made, request) = request("IdentityService/UpdateIdentity", &update).unwrap();
        assert_eq!(made, "PUT /v1/identity/0a");
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({"profile_version": 0, "bio": "",
            "stats_visibility": "public", "wallet_links": []});
        assert_eq!(body, expected);
    }

    #[test]
    fn no_name_reaches_another_route() {
        for (id, reason) in [("", "empty"), ("search", "no object")] {
            let message = v1::GetIdentityRequest { id: id.to_owned() };
            let problem = request("IdentityService/GetIdentity", &message).unwrap_err();
            assert_eq!(problem.kind, Kind::InvalidParameter);
            assert!(problem.detail.contains(reason), "{}", problem.detail);
        }
        let long = v1::SearchRequest { q: "x".repeat(URI_BYTES_MAX) };
        let problem = request("ExplorerService/Search", &long).unwrap_err();
        assert_eq!(problem.kind, Kind::UriTooLong);
        let method = methods().find("/chert.api.v1.ExplorerService/Search").unwrap();
        assert_eq!(method.request(&[0xff; 3]).unwrap_err().kind, Kind::InvalidParameter);
        assert_eq!(method.cost, 2);
    }

    #[test]
    fn every_request_field_has_a_place() {
        for (path, method) in &methods().by_path {
            for name in method.template.split('/').filter_map(parameter) {
                let field = method.input.get_field_by_name(name).unwrap();
                assert_eq!(field.kind(), prost_reflect::Kind::String, "{path}: {name}");
            }
            for field in method.input.fields().filter(|_| !method.has_body()) {
                let plain = !field.is_list()
                    && !matches!(
                        field.kind(),
                        prost_reflect::Kind::Message(_)
                            | prost_reflect::Kind::Enum(_)
                            | prost_reflect::Kind::Bytes
                            | prost_reflect::Kind::Double
                    );
                assert!(plain, "{}", field.full_name());
            }
        }
    }
}
