//! REST = gRPC = JSON-RPC.
//!
//! Every operation of the OpenAPI document is asked by REST and by gRPC with every value that leads
//! somewhere and with values that do not; the answers must say the same, and so must the errors.
//! The parameters are put together here, not by the server's code for it. A new operation is compared
//! by itself; one with a parameter that this test cannot fill fails it.

mod world;

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use e2e::grpc::{Grpc, to_json};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, Value as Dynamic};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tonic::Code;
use world::World;

/// Pages walked by cursor.
const PAGES_MAX: usize = 3;

/// One operation of both.
struct Operation {
    verb: Method,
    template: String,
    method: MethodDescriptor,
}

/// Every operation under `/v1`, by the document and by the descriptors; neither has one more.
fn operations(document: &Value) -> anyhow::Result<Vec<Operation>> {
    let mut methods: BTreeMap<String, MethodDescriptor> = BTreeMap::new();
    for service in chert_proto::pool().services() {
        for method in service.methods() {
            if let Some(rest) = chert_proto::rest_of(&method.options()) {
                let twice = methods.insert(rest.clone(), method);
                ensure!(twice.is_none(), "two methods run {rest}");
            }
        }
    }
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().context("paths")? {
        for verb in item.as_object().context("an item")?.keys() {
            let verb: Method = verb.to_uppercase().parse()?;
            let name = format!("{verb} {path}");
            // Streams have methods of their own, which are no spelling of a page.
            if path.starts_with("/v1/") && path != "/v1/events/stream" {
                let method = methods.remove(&name);
                let method = method.with_context(|| format!("no method runs {name}"))?;
                operations.push(Operation { verb, template: path.clone(), method });
            }
        }
    }
    ensure!(methods.is_empty(), "no operation for {:?}", methods.keys());
    Ok(operations)
}

/// A set of parameters, by name.
type Parameters = Map<String, Value>;

impl Operation {
    fn in_path(&self, name: &str) -> bool {
        self.template.contains(&format!("{{{name}}}"))
    }

    fn has_body(&self) -> bool {
        self.verb == Method::POST || self.verb == Method::PUT
    }

    /// The request by REST: path and body.
    fn rest(&self, parameters: &Parameters) -> (String, Option<String>) {
        let mut path = self.template.clone();
        let mut rest = parameters.clone();
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        for (name, value) in parameters {
            let encoded = utf8_percent_encode(&text(value), NON_ALPHANUMERIC).to_string();
            let filled = path.replace(&format!("{{{name}}}"), &encoded);
            if filled != path {
                path = filled;
                rest.remove(name);
            }
        }
        if self.has_body() {
            return (path, Some(Value::Object(rest).to_string()));
        }
        for (index, (name, value)) in rest.iter().enumerate() {
            let encoded = utf8_percent_encode(&text(value), NON_ALPHANUMERIC).to_string();
            path.push_str(&format!("{}{name}={encoded}", if index == 0 { '?' } else { '&' }));
        }
        (path, None)
    }

    /// The request by gRPC; `None` for what its types cannot say.
    fn message(&self, parameters: &Parameters) -> Option<DynamicMessage> {
        let json = Value::Object(parameters.clone());
        DynamicMessage::deserialize(self.method.input(), json).ok()
    }

    /// The sets of parameters to ask with.
    fn cases(&self, world: &World) -> anyhow::Result<Vec<Parameters>> {
        if self.has_body() || self.verb == Method::DELETE {
            let mut drafts = world.drafts(&self.template);
            // A message cannot leave out what a draft must have.
            drafts.retain(|draft| self.verb != Method::PUT || draft.contains_key("wallet_links"));
            return Ok(drafts);
        }
        let input = self.method.input();
        let mut cases = vec![Parameters::new()];
        for field in input.fields().filter(|field| self.in_path(field.name())) {
            let values = world.values(&self.template, field.name());
            ensure!(!values.is_empty(), "no value for {} of {}", field.name(), self.template);
            let mut filled = Vec::new();
            for (case, value) in cases.iter().flat_map(|case| values.iter().map(move |v| (case, v)))
            {
                let mut case = case.clone();
                case.insert(field.name().to_owned(), value.clone());
                filled.push(case);
            }
            cases = filled;
        }
        // Each other parameter alone, with the first object: it is a good one.
        let first = cases.first().cloned().unwrap_or_default();
        for field in input.fields().filter(|field| !self.in_path(field.name())) {
            let values = match field.kind() {
                Kind::Uint32 if field.name() == "offset" => vec![json!(3), json!(10_001)],
                Kind::Uint32 => vec![json!(1), json!(7), json!(0), json!(100_000)],
                Kind::Uint64 => vec![json!(0), json!(5), json!(1_u64 << 40)],
                _ if field.name() == "cursor" => vec![json!("AQEAAAAAAAAAAAAA"), json!("")],
                _ => world.values(&self.template, field.name()),
            };
            ensure!(!values.is_empty(), "no value for {} of {}", field.name(), self.template);
            for value in values {
                let mut case = first.clone();
                case.insert(field.name().to_owned(), value);
                cases.push(case);
            }
        }
        Ok(cases)
    }
}

/// The code that a client of gRPC sees for a status of REST. Written out once more on purpose.
fn code_of(status: u16) -> Option<Code> {
    Some(match status {
        400 | 414 => Code::InvalidArgument,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 | 410 => Code::Aborted,
        _ => return None,
    })
}

/// Leaves out what the two spell differently and mean the same: null is absent, and so is an empty
/// list. JSON inside a text becomes JSON, by `message`.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, normal(value)));
            Value::Object(fields.filter(|(_, v)| !v.is_null() && *v != json!([])).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        other => other,
    }
}

/// The fields of a message that hold JSON become that JSON, at any depth.
fn open(message: &DynamicMessage, json: &mut Value) -> anyhow::Result<()> {
    for (field, value) in message.fields() {
        let place = &mut json[field.name()];
        match value {
            Dynamic::String(text) if chert_proto::is_json(&field.options()) => {
                *place = serde_json::from_str(text)?;
            }
            Dynamic::Message(nested) => open(nested, place)?,
            Dynamic::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(nested) = item.as_message() {
                        open(nested, &mut place[index])?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where two values differ first.
fn difference(place: &str, rest: &Value, ours: &Value) -> Option<String> {
    match (rest, ours) {
        (Value::Object(rest), Value::Object(ours)) => {
            let names = rest.keys().chain(ours.keys());
            names.into_iter().find_map(|name| {
                let of =
                    |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                difference(&format!("{place}.{name}"), &of(rest), &of(ours))
            })
        }
        (Value::Array(rest), Value::Array(ours)) if rest.len() == ours.len() => {
            let pairs = rest.iter().zip(ours).enumerate();
            pairs.into_iter().find_map(|(index, (rest, ours))| {
                difference(&format!("{place}[{index}]"), rest, ours)
            })
        }
        _ => (rest != ours).then(|| format!("{place}: REST {rest}, gRPC {ours}")),
    }
}

#[derive(Debug, Default)]
struct Seen {
    compared: usize,
    refused: BTreeMap<u16, usize>,
    operations: BTreeMap<String, usize>,
}

async fn compare(
    world: &World,
    grpc: &Grpc,
    operation: &Operation,
    parameters: &Parameters,
    seen: &mut Seen,
) -> anyhow::Result<Option<Value>> {
    let (path, body) = operation.rest(parameters);
    let Some(message) = operation.message(parameters) else { return Ok(None) };
    let (status, headers, text) = world.api.send(operation.verb.clone(), &path, body).await?;
    let rest: Value = serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))?;
    let answer = grpc.call(&operation.method, message).await;
    seen.compared += 1;
    let metadata = match answer {
        Ok(answer) => {
            ensure!(status == 200, "{path}: REST answers {status} {text}, gRPC a message");
            let mut json = to_json(answer.get_ref())?;
            open(answer.get_ref(), &mut json)?;
            let (ours, theirs) = (normal(json), normal(rest.clone()));
            if let Some(difference) = difference(&path, &theirs, &ours) {
                bail!("{difference}");
            }
            *seen.operations.entry(operation.method.full_name().to_owned()).or_default() += 1;
            answer.metadata().clone()
        }
        Err(refused) => {
            let expected = code_of(status);
            ensure!(Some(refused.code()) == expected, "{path}: {status} {text}, {refused:?}");
            ensure!(rest["detail"] == refused.message(), "{path}: {text}, {refused:?}");
            let kind = refused.metadata().get("problem-type").context("problem-type")?;
            ensure!(rest["type"] == kind.to_str()?, "{path}: {text}, {kind:?}");
            *seen.refused.entry(status).or_default() += 1;
            refused.metadata().clone()
        }
    };
    let mut names = vec!["chert-indexed-height", "chert-indexed-hash", "chert-finalized-height"];
    names.extend(headers.contains_key("etag").then_some("etag"));
    for name in names {
        let (rest, ours) = (headers.get(name).context(name)?, metadata.get(name).context(name)?);
        ensure!(rest.as_bytes() == ours.as_bytes(), "{path}: {name}: {rest:?}, {ours:?}");
    }
    ensure!(metadata.contains_key("x-request-id"), "{path}: no x-request-id");
    Ok((status == 200).then_some(rest))
}

/// Follows the pages of a list by their cursors.
async fn walk(
    world: &World,
    grpc: &Grpc,
    operation: &Operation,
    first: &Parameters,
    seen: &mut Seen,
) -> anyhow::Result<usize> {
    let mut parameters = first.clone();
    parameters.insert("limit".to_owned(), json!(2));
    for page in 0..PAGES_MAX {
        let answer = compare(world, grpc, operation, &parameters, seen).await?;
        let Some(cursor) = answer.as_ref().and_then(|answer| answer.get("next_cursor")) else {
            return Ok(page);
        };
        parameters.insert("cursor".to_owned(), cursor.clone());
    }
    Ok(PAGES_MAX)
}

#[tokio::test]
async fn every_operation_says_the_same_by_rest_and_by_grpc() {
    let world = World::new().await.expect("a world");
    let grpc = Grpc::connect(world.api.grpc()).await.expect("a connection");
    let document = world.api.get("/openapi.json").await.expect("the document");
    let operations = operations(&document).expect("operations");
    let mut seen = Seen::default();
    let mut pages = 0;
    for operation in &operations {
        let cases = operation.cases(&world).expect("cases");
        for case in &cases {
            let outcome = compare(&world, &grpc, operation, case, &mut seen).await;
            outcome.unwrap_or_else(|error| panic!("{case:?}: {error:#}"));
        }
        if operation.method.input().get_field_by_name("cursor").is_some() {
            let first = cases.first().expect("a case");
            let walked = walk(&world, &grpc, operation, first, &mut seen).await;
            pages += walked.unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
    let silent = operations.iter().filter(|o| !seen.operations.contains_key(o.method.full_name()));
    let silent: Vec<&str> = silent.map(|operation| operation.method.full_name()).collect();
    assert!(silent.is_empty(), "no good answer of {silent:?}");
    assert!(operations.len() >= 35 && seen.compared > 500, "{seen:?}");
    for status in [400, 403, 404, 409] {
        assert!(seen.refused.contains_key(&status), "no {status}: {seen:?}");
    }
    assert!(pages > 10, "{pages} pages: {seen:?}");
    world.finish().await.expect("the servers end in order");
}

/// A call in the node's own interface; its result.
async fn rpc(world: &World, method: &str, params: Value) -> anyhow::Result<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (status, _, text) =
        world.api.send(Method::POST, "/jsonrpc", Some(body.to_string())).await?;
    let mut answer: Value = serde_json::from_str(&text)?;
    if status != 200 || answer.get("error").is_some() {
        bail!("{method}: {status} {text}");
    }
    Ok(answer["result"].take())
}

fn same(place: &str, pairs: &[(&Value, &Value)]) -> anyhow::Result<()> {
    for (ours, theirs) in pairs {
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        // Amounts are numbers there and texts here; hex has a prefix there or not.
        let (ours, theirs) = (text(ours), text(theirs));
        let bare = |text: &str| text.trim_start_matches("0x").to_lowercase();
        ensure!(bare(&ours) == bare(&theirs), "{place}: {ours} is not {theirs}");
    }
    Ok(())
}

async fn compare_with_node_face(world: &World) -> anyhow::Result<()> {
    for height in world.heights() {
        let rest = world.api.get(&format!("/v1/explorer/block/{height}")).await?;
        let block = rpc(world, "eth_getBlockByNumber", json!([height])).await?;
        let place = format!("block {height}");
        same(
            &place,
            &[
                (&block["block_number"], &rest["height"]),
                (&block["block_hash"], &rest["hash"]),
                (&block["transaction_count"], &rest["tx_count"]),
                (&block["timestamp"], &rest["timestamp"]),
            ],
        )?;
    }
    for id in &world.transactions {
        let rest = world.api.get(&format!("/v1/explorer/tx/{id}")).await?;
        let one = rpc(world, "get_transaction", json!({"tx_id": id})).await?;
        let names = ["tx_id", "amount", "fee", "status", "block_hash", "transaction_type"];
        let pairs: Vec<_> = names.iter().map(|name| (&one[name], &rest[name])).collect();
        same(&format!("transaction {id}"), &pairs)?;
    }
    for address in &world.addresses {
        let rest = world.api.get(&format!("/v1/explorer/address/{address}/balance")).await?;
        let one = rpc(world, "get_balance", json!({"address": address})).await?;
        let names = ["address", "balance", "nonce"];
        let pairs: Vec<_> = names.iter().map(|name| (&one[name], &rest[name])).collect();
        same(&format!("address {address}"), &pairs)?;
    }
    let listed = rpc(world, "governance_list_proposals", json!({})).await?;
    let listed = listed["proposals"].as_array().context("proposals")?;
    ensure!(!listed.is_empty(), "no proposals");
    for one in listed {
        let id = one["proposal_id"].to_string();
        let rest = world.api.get(&format!("/v1/governance/proposals/{id}")).await?;
        let names = ["proposal_id", "proposer", "votes_for", "votes_against", "votes_abstain"];
        let mut pairs: Vec<_> = names.iter().map(|name| (&one[name], &rest[name])).collect();
        pairs.push((&one["state"], &rest["state"]));
        pairs.push((&one["created_at"], &rest["created_at"]));
        same(&format!("proposal {id}"), &pairs)?;
    }
    for one in &world.registry {
        let id = one["identity_id"].as_str().context("an id")?;
        let rest = world.api.get(&format!("/v1/identity/{id}")).await?;
        let names = ["display_name", "bio", "stats_visibility", "profile_version", "updated_at"];
        let pairs: Vec<_> = names.iter().map(|name| (&one[name], &rest[name])).collect();
        same(&format!("identity {id}"), &pairs)?;
        let links = one["wallet_links"].as_array().context("links")?.len();
        ensure!(rest["wallet_count"] == links, "identity {id}: {links} links, {rest}");
    }
    Ok(())
}

#[tokio::test]
async fn the_nodes_interface_has_the_same_values() {
    let world = World::new().await.expect("a world");
    if let Err(error) = compare_with_node_face(&world).await {
        panic!("{error:#}");
    }
    world.finish().await.expect("the servers end in order");
}
