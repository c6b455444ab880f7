//! Whatever a message says, the answer is a message or one of the codes that a client can cause: never
//! INTERNAL, UNKNOWN or DATA_LOSS. The methods and their messages come from the reflection service, as
//! they would for a stranger; the messages from a seed, which a failure prints.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use e2e::grpc::Grpc;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tonic::Code;
use world::World;

const SEED: u64 = 9_002;
/// Messages for each method.
const MESSAGES: usize = 30;
/// Longest random text, in characters: one that does not fit a URI is among them.
const CHARS_MAX: usize = 3_000;
/// Elements of a random list at most; a draft may have 32 wallets.
const LIST_MAX: usize = 40;

/// What a client can cause (`chert_api::error`, `Kind::grpc_code`), and the network's bad days.
const ALLOWED: [Code; 9] = [
    Code::Ok,
    Code::InvalidArgument,
    Code::NotFound,
    Code::PermissionDenied,
    Code::Aborted,
    Code::ResourceExhausted,
    Code::Unauthenticated,
    Code::Unimplemented,
    Code::DeadlineExceeded,
];

fn text(rng: &mut ChaCha8Rng, known: &[String]) -> String {
    const ODD: [&str; 22] = [
        "",
        "0",
        "1",
        "-1",
        "18446744073709551616",
        "all",
        "search",
        "public",
        "nuw",
        "\0",
        "%",
        "%00",
        "%ff",
        "/",
        "..",
        "?a=b&c",
        "#",
        "\u{202e}\u{fe0f}é漢",
        "0x",
        "AQEAAAAAAAAAAAAA",
        "{\"a\":1}",
        "' OR 1=1 --",
    ];
    match rng.random_range(0..8) {
        0..=3 => known.choose(rng).cloned().unwrap_or_default(),
        4..=5 => (*ODD.choose(rng).unwrap_or(&"")).to_owned(),
        6 => {
            let hex = rng.random_range(0..140);
            (0..hex).map(|_| char::from_digit(rng.random_range(0..16), 16).unwrap_or('0')).collect()
        }
        _ => {
            let length = rng.random_range(0..CHARS_MAX);
            (0..length).map(|_| rng.random::<char>()).collect()
        }
    }
}

fn number(rng: &mut ChaCha8Rng) -> u64 {
    let edges = [0, 1, 2, 50, 100, 101, 366, 500, 10_000, 10_001, u64::from(u32::MAX), u64::MAX];
    edges.choose(rng).copied().unwrap_or_default()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "any number will do"
)]
fn value(rng: &mut ChaCha8Rng, field: &FieldDescriptor, known: &[String]) -> Value {
    match field.kind() {
        Kind::String => Value::String(text(rng, known)),
        Kind::Uint32 => Value::U32(number(rng) as u32),
        Kind::Uint64 => Value::U64(number(rng)),
        Kind::Int32 => Value::I32(number(rng) as i32),
        Kind::Int64 => Value::I64(number(rng) as i64),
        Kind::Bool => Value::Bool(rng.random()),
        Kind::Message(message) => Value::Message(random(rng, &message, known)),
        other => panic!("{}: no random {other:?}", field.full_name()),
    }
}

fn random(rng: &mut ChaCha8Rng, type_of: &MessageDescriptor, known: &[String]) -> DynamicMessage {
    let mut message = DynamicMessage::new(type_of.clone());
    for field in type_of.fields() {
        if rng.random_bool(0.4) {
            continue;
        }
        if field.is_list() {
            let count = rng.random_range(0..LIST_MAX);
            let items = (0..count).map(|_| value(rng, &field, known)).collect();
            message.set_field(&field, Value::List(items));
        } else {
            message.set_field(&field, value(rng, &field, known));
        }
    }
    message
}

#[tokio::test]
async fn no_message_breaks_a_method() {
    let world = World::new().await.expect("a world");
    let grpc = Grpc::connect(world.api.grpc()).await.expect("a connection");
    let (services, pool) = grpc.reflect().await.expect("reflection");
    for name in ["grpc.health.v1.Health", "chert.api.v1.ExplorerService"] {
        assert!(services.contains(name), "{services:?}");
    }
    // Each version names itself, and everything else is the same.
    let named = |names: BTreeSet<String>| -> BTreeSet<String> {
        names.into_iter().filter(|name| !name.starts_with("grpc.reflection.")).collect()
    };
    let older = grpc.reflect_alpha().await.expect("reflection under its older name");
    assert_eq!(named(older), named(services.clone()));
    let ours: Vec<_> =
        pool.services().filter(|service| service.full_name().starts_with("chert.")).collect();
    assert_eq!(ours.len(), chert_proto::pool().services().len(), "{services:?}");
    let known = world.texts();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let mut answered = BTreeMap::new();
    for service in ours {
        for method in service.methods().filter(|method| !method.is_server_streaming()) {
            for round in 0..MESSAGES {
                let message = random(&mut rng, &method.input(), &known);
                let place = format!("seed {SEED}, {} round {round}: {message}", method.full_name());
                let answer = grpc.call(&method, message).await;
                let code = answer.as_ref().map_or_else(|status| status.code(), |_| Code::Ok);
                assert!(ALLOWED.contains(&code), "{place}: {answer:?}");
                *codes.entry(format!("{code:?}")).or_default() += 1;
                *answered.entry(method.full_name().to_owned()).or_insert(0) +=
                    usize::from(code == Code::Ok);
            }
        }
    }
    // A fuzz that only meets refusals looks at one line of code.
    let good = answered.values().filter(|good| **good > 0).count();
    assert!(good * 2 > answered.len(), "{answered:?} {codes:?}");
    assert_eq!(world.api.metric("chert_http_errors_total").await.expect("metrics"), 0.0);
    assert_eq!(world.api.get("/health").await.expect("health")["node_type"], "api");
    world.finish().await.expect("the servers end in order");
}
