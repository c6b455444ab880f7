//! The API description (OpenAPI 3.1), made from the handlers' own documentation.
//!
//! What all operations share (headers, error answers) is added here once, so that no handler can
//! forget it.

use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::error::{Kind, ProblemBody};
use crate::routes;

/// The head of the description; paths come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chert API",
        description = "Read access to the Chert chain: blocks, transactions, addresses.\n\n\
            Amounts are decimal strings in base units. Lists are paged with `next_cursor`. Every \
            answer says in its `chert-*` headers which block it was read at.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "explorer", description = "Blocks, transactions, addresses"),
        (name = "identity", description = "Profiles, wallets, search by name"),
        (name = "governance", description = "Proposals, votes, voting power"),
        (name = "pouw", description = "Useful work: contributors, leaderboards, oracles"),
        (name = "node", description = "A node's own interface, for the ecosystem's explorer and wallet"),
        (name = "events", description = "What happens, in order: pages and a stream"),
        (name = "status", description = "Where the index stands"),
        (name = "operations", description = "Health, metrics, this description"),
    ),
    components(schemas(ProblemBody)),
    servers((url = "/")),
)]
struct Head;

/// The description without paths.
pub(crate) fn base() -> Document {
    Head::openapi()
}

/// The whole description, pretty and always in the same order.
pub fn openapi_json() -> String {
    let document = routes::documented().into_openapi();
    let mut value = serde_json::to_value(document).unwrap_or_default();
    if let Some(paths) = value.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, operations) in paths {
            for (method, operation) in operations.as_object_mut().into_iter().flatten() {
                complete(method, path, operation);
            }
        }
    }
    if let Some(components) = value.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("headers".to_owned(), headers());
        components.insert("responses".to_owned(), problems());
        components.insert("securitySchemes".to_owned(), security_schemes());
    }
    if let Some(document) = value.as_object_mut() {
        // Everything may be asked anonymously; who signs sees more of their own.
        document.insert("security".to_owned(), json!([{}, {"signature": []}]));
    }
    // `to_string_pretty` of a `Value` with string keys cannot fail.
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

fn security_schemes() -> Value {
    json!({"signature": {
        "type": "http", "scheme": "signature",
        "description": "HTTP message signature (RFC 9421), label `chert`, covering `@method`, \
            `@authority`, `@path`, `@query` and, with a body, `content-digest` (RFC 9530); \
            parameters `created`, `expires` (at most 300 s later), `nonce` (128 random bits or \
            more, used once), `keyid` (public key, lower-case hex) and `alg` (`ed25519`, \
            `ml-dsa-44`, `ml-dsa-65`, `ml-dsa-87`). `chert sign METHOD URL` makes the headers. \
            A refused signature is answered with 401 and a `reason`.",
    }})
}

/// Adds to one operation what all have in common.
fn complete(method: &str, path: &str, operation: &mut Value) {
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    let data = path.starts_with("/v1/");
    let cached = data && method == "get" && path != "/v1/status" && path != "/v1/events/stream";
    let events = path.starts_with("/v1/events");
    for (status, response) in responses.iter_mut() {
        if let Some(response) = response.as_object_mut().filter(|_| status == "200") {
            let names = HEADERS.iter().filter(|(_, scope, _)| match scope {
                Scope::All => true,
                Scope::Data => data,
                Scope::Cached => cached,
            });
            let refs = names.map(|(name, _, _)| (name.to_string(), header_ref(name)));
            response.insert("headers".to_owned(), Value::Object(refs.collect()));
        }
    }
    if cached {
        responses.insert("304".to_owned(), json!({"description": "The client has this answer"}));
    }
    let never_refused = path.starts_with("/health") || path == "/metrics";
    for kind in Kind::ALL {
        let (slug, _, status) = kind.table();
        let fits = match kind {
            Kind::NotFound => path.contains('{') || events,
            Kind::StatsHidden => {
                path.contains("{identity_id}") || path.ends_with("{id}/stats") || events
            }
            Kind::EventsExpired => events,
            Kind::VersionConflict => method != "get" && !path.ends_with("/verify"),
            Kind::IndexBuilding => false,
            Kind::SnapshotExpired => path == "/v1/pouw/leaderboard",
            Kind::InvalidParameter | Kind::UriTooLong => true,
            Kind::RateLimited | Kind::SignatureRefused => !never_refused,
            Kind::Unavailable | Kind::Timeout => data,
            _ => true,
        };
        let status = status.as_str().to_owned();
        // A handler's own 404 gives way to the common one; its other answers stay.
        if fits && (kind == Kind::NotFound || !responses.contains_key(&status)) {
            responses.insert(status, json!({"$ref": format!("#/components/responses/{slug}")}));
        }
    }
}

enum Scope {
    All,
    Data,
    Cached,
}

const HEADERS: [(&str, Scope, &str); 9] = [
    ("chert-indexed-height", Scope::All, "Height of the block the answer was read at"),
    ("chert-indexed-hash", Scope::All, "Hash of that block"),
    ("chert-finalized-height", Scope::All, "Highest block that no reorganisation may remove"),
    ("chert-lag-ms", Scope::All, "How far the answer is behind the node"),
    ("x-request-id", Scope::All, "The request's id: the client's own or a new one"),
    ("RateLimit", Scope::Data, "Requests left (r) and seconds until the budget is whole (t)"),
    ("RateLimit-Policy", Scope::Data, "Requests (q) per window of seconds (w)"),
    ("ETag", Scope::Cached, "Strong entity tag for If-None-Match"),
    ("Cache-Control", Scope::Cached, "immutable once everything in the answer is finalized"),
];

fn header_ref(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

fn headers() -> Value {
    let all = HEADERS.iter().map(|(name, _, description)| {
        let kind = match *name {
            "chert-indexed-height" | "chert-finalized-height" | "chert-lag-ms" => "integer",
            _ => "string",
        };
        (name.to_string(), json!({"description": description, "schema": {"type": kind}}))
    });
    Value::Object(all.collect())
}

fn problems() -> Value {
    let all = Kind::ALL.iter().map(|kind| {
        let (slug, title, status) = kind.table();
        let example = json!({
            "type": format!("urn:chert:problem:{slug}"), "title": title,
            "status": status.as_u16(), "detail": "What is wrong with this request.",
            "instance": "/v1/explorer/blocks",
            "request_id": "0197f0c2-8f6b-7cc0-a7d5-3a1b8e5d2f10",
        });
        let mut response = json!({
            "description": title,
            "content": {"application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}, "example": example,
            }},
            "headers": {"x-request-id": header_ref("x-request-id")},
        });
        let retry = matches!(kind, Kind::RateLimited | Kind::Unavailable | Kind::IndexBuilding);
        if let Some(headers) = response.get_mut("headers").and_then(Value::as_object_mut)
            && retry
        {
            let seconds = json!({"description": "Seconds", "schema": {"type": "integer"}});
            headers.insert("Retry-After".to_owned(), seconds);
        }
        ((*slug).to_owned(), response)
    });
    Value::Object(all.collect())
}
