//! The gRPC contract `chert.api.v1`, compiled from `proto/`: messages and clients for Rust programs,
//! and the descriptors from which the server makes its methods.
//!
//! A crate of its own so that a change elsewhere does not compile the messages again.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, Value};

/// Messages and clients of every service.
#[allow(missing_docs, reason = "generated clients, and fields that need no words")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
#[allow(rustdoc::all, reason = "generated from comments of another language")]
pub mod v1 {
    tonic::include_proto!("chert.api.v1");
}

/// The encoded `FileDescriptorSet` of every file, imports and comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
/// Package of every service.
pub const PACKAGE: &str = "chert.api.v1";
/// Option of a method: the REST operation that it runs, as `METHOD /path/{field}`.
const REST: &str = "chert.api.v1.rest";
/// Option of a method: the types of events that it streams.
const EVENTS: &str = "chert.api.v1.events";
/// Option of a field: it holds exact JSON text.
const JSON: &str = "chert.api.v1.json";

#[expect(clippy::expect_used, reason = "the build encoded them with the same library")]
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("the compiled descriptors"));

/// The descriptors, ready to be asked.
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// The REST operation of a method, by its options: `METHOD /path/{field}`. `None` for a stream.
pub fn rest_of(options: &DynamicMessage) -> Option<String> {
    option(options, REST)?.as_str().map(str::to_owned)
}

/// The types of events that a method streams, by its options: `block.*`, separated by commas.
pub fn events_of(options: &DynamicMessage) -> Option<String> {
    option(options, EVENTS)?.as_str().map(str::to_owned)
}

/// Whether a field holds exact JSON text, by its options.
pub fn is_json(options: &DynamicMessage) -> bool {
    option(options, JSON).and_then(|value| value.as_bool()).unwrap_or(false)
}

fn option(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = POOL.get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_descriptors_keep_our_options_and_comments() {
        let service = pool().get_service_by_name("chert.api.v1.ExplorerService").unwrap();
        let method = service.methods().find(|method| method.name() == "GetTransaction").unwrap();
        assert_eq!(rest_of(&method.options()).unwrap(), "GET /v1/explorer/tx/{hash}");
        let payload = method.output().get_field_by_name("payload").unwrap();
        assert!(is_json(&payload.options()));
        assert!(!is_json(&method.output().get_field_by_name("tx_id").unwrap().options()));
        let source = service.parent_file_descriptor_proto().source_code_info.as_ref().unwrap();
        assert!(source.location.iter().any(|place| place.leading_comments().contains("newest")));
    }
}
