//! The messages have exactly the fields that the OpenAPI document describes, for every operation: a
//! field added to REST and forgotten in `proto/`, or the other way round, fails here.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

/// A property: its schema, and whether it is always there and never null.
type Properties = BTreeMap<String, (Value, bool)>;

struct Contract {
    document: Value,
    compared: BTreeSet<String>,
}

impl Contract {
    fn resolve(&self, schema: &Value) -> Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let name = reference.rsplit('/').next().unwrap();
                self.document["components"]["schemas"][name].clone()
            }
            None => schema.clone(),
        }
    }

    /// The properties of an object, however it is put together. What only one of several shapes has
    /// may be absent.
    fn properties(&self, schema: &Value) -> Properties {
        let schema = self.resolve(schema);
        let mut all = Properties::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            all.extend(self.properties(part));
        }
        let shapes = schema["oneOf"].as_array().into_iter().flatten();
        let shapes: Vec<Properties> = shapes.map(|shape| self.properties(shape)).collect();
        for (name, (property, needed)) in shapes.iter().flatten() {
            let everywhere = shapes.iter().all(|shape| shape.contains_key(name));
            all.insert(name.clone(), (property.clone(), *needed && everywhere));
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let (property, null) = without_null(property);
            let needed = required.contains(&name.as_str()) && !null;
            all.insert(name.clone(), (property, needed));
        }
        all
    }

    /// Asserts that a message says what an object says.
    fn compare(&mut self, place: &str, properties: &Properties, message: &MessageDescriptor) {
        if !self.compared.insert(format!("{place} {}", message.full_name())) {
            return;
        }
        let ours: BTreeSet<String> = message.fields().map(|f| f.name().to_owned()).collect();
        let theirs: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(ours, theirs, "{place}: fields of {}", message.full_name());
        for (name, (schema, needed)) in properties {
            let field = message.get_field_by_name(name).unwrap();
            self.compare_field(&format!("{}.{name}", message.name()), schema, *needed, &field);
        }
    }

    fn compare_field(
        &mut self,
        place: &str,
        schema: &Value,
        needed: bool,
        field: &FieldDescriptor,
    ) {
        let schema = match schema["type"] == "array" {
            true => {
                assert!(field.is_list(), "{place} is a list");
                without_null(&schema["items"]).0
            }
            false => {
                assert!(!field.is_list(), "{place} is no list");
                let is_message = matches!(field.kind(), Kind::Message(_));
                // Messages always have presence, maps never.
                if !is_message {
                    assert_eq!(field.supports_presence(), !needed, "{place}: presence");
                }
                schema.clone()
            }
        };
        if chert_proto::is_json(&field.options()) {
            assert_eq!(
                (&schema["type"], field.kind()),
                (&json!("object"), Kind::String),
                "{place}"
            );
            assert!(schema.get("properties").is_none(), "{place} has a shape of its own");
            return;
        }
        match field.kind() {
            Kind::Message(entry) if entry.is_map_entry() => {
                let value = schema["additionalProperties"].clone();
                let Kind::Message(message) = entry.map_entry_value_field().kind() else {
                    panic!("{place}: a map of messages");
                };
                self.compare(place, &self.properties(&value), &message);
            }
            Kind::Message(message) => {
                self.compare(place, &self.properties(&schema), &message);
            }
            kind => assert_eq!(kind, scalar(&self.resolve(&schema)), "{place}: {schema}"),
        }
    }
}

/// A schema without its null, and whether it had one.
fn without_null(schema: &Value) -> (Value, bool) {
    let is_null = |schema: &Value| schema["type"] == "null";
    if let Some(shapes) = schema["oneOf"].as_array().filter(|shapes| shapes.iter().any(is_null)) {
        let rest = shapes.iter().find(|shape| !is_null(shape)).unwrap();
        return (rest.clone(), true);
    }
    let mut schema = schema.clone();
    let types = schema["type"].as_array().cloned().unwrap_or_default();
    let null = types.contains(&json!("null"));
    if null {
        schema["type"] = types.into_iter().find(|name| name != "null").unwrap();
    }
    (schema, null)
}

/// The type of a field for a plain value.
fn scalar(schema: &Value) -> Kind {
    let unsigned = schema["minimum"].as_i64().is_some_and(|minimum| minimum >= 0);
    match (schema["type"].as_str().unwrap_or_default(), schema["format"] == "int32", unsigned) {
        ("string", _, _) => Kind::String,
        ("boolean", _, _) => Kind::Bool,
        ("number", _, _) => Kind::Double,
        ("integer", true, true) => Kind::Uint32,
        ("integer", true, false) => Kind::Int32,
        ("integer", false, true) => Kind::Uint64,
        ("integer", false, false) => Kind::Int64,
        other => panic!("no type for {other:?}: {schema}"),
    }
}

#[test]
fn messages_are_what_the_api_description_says() {
    let document: Value = serde_json::from_str(&chert_api::openapi_json()).unwrap();
    let mut contract = Contract { document: document.clone(), compared: BTreeSet::new() };
    let mut operations = 0;
    for method in chert_proto::pool().services().flat_map(|s| s.methods().collect::<Vec<_>>()) {
        let Some(rest) = chert_proto::rest_of(&method.options()) else { continue };
        let (verb, path) = rest.split_once(' ').unwrap();
        let operation = &document["paths"][path][verb.to_lowercase()];
        assert!(operation.is_object(), "{rest} is not in the document");
        let words = operation["operationId"].as_str().unwrap().split('_');
        let name: String = words.map(|w| w[..1].to_uppercase() + &w[1..]).collect();
        assert_eq!(method.name(), name, "{rest}");
        let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        contract.compare(&rest, &contract.properties(answer), &method.output());

        let mut parameters = Properties::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (schema, null) = without_null(&parameter["schema"]);
            let needed = parameter["required"] == true && !null;
            let name = parameter["name"].as_str().unwrap().to_owned();
            parameters.insert(name, (schema, needed));
        }
        if verb == "POST" || verb == "PUT" {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            parameters.extend(contract.properties(body));
        }
        contract.compare(&format!("request of {rest}"), &parameters, &method.input());
        operations += 1;
    }
    assert!(operations >= 35, "{operations} operations");
    let documented = document["paths"].as_object().unwrap().iter();
    let documented = documented
        .filter(|(path, _)| path.starts_with("/v1/") && *path != "/v1/events/stream")
        .map(|(_, item)| item.as_object().unwrap().len());
    assert_eq!(documented.sum::<usize>(), operations, "an operation without a method");
}
