//! gRPC: the operations of REST as methods of `chert.api.v1` (decision 0020).
//!
//! A method is its descriptor: the descriptor names the REST operation (`methods`), the operation
//! runs as it does for REST (`call`), and its JSON becomes the message (`shape`). So a method cannot
//! say anything else than REST does. Streams deliver what `/v1/events/stream` does (`stream`). The edge
//! is REST's, with another ending (`edge`).

mod call;
mod codec;
mod deadline;
mod edge;
mod health;
pub(crate) mod methods;
mod server;
pub(crate) mod shape;
mod stream;

use axum::Router;
use axum::routing::post;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_web::GrpcWebLayer;

use crate::state::ApiState;
use edge::Port;
pub use server::serve;

/// Longest request to health and reflection, in bytes: names.
const NAME_BYTES_MAX: usize = 4 << 10;

/// The methods, health and reflection, for the gRPC port.
///
/// # Errors
/// Where the descriptors are not well formed.
fn router(
    api: ApiState,
    reporter: HealthReporter,
) -> Result<Router, tonic_reflection::server::Error> {
    let health = HealthServer::new(HealthService::from_health_reporter(reporter))
        .max_decoding_message_size(NAME_BYTES_MAX);
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(chert_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection = described().build_v1()?.max_decoding_message_size(NAME_BYTES_MAX);
    // The same under the name that it had before: what many tools still ask for.
    let alpha = described().build_v1alpha()?.max_decoding_message_size(NAME_BYTES_MAX);
    let edge = axum::middleware::from_fn_with_state((api.clone(), Port::Native), edge::edge);
    Ok(operations(api)
        .route_service("/grpc.health.v1.Health/{*method}", health)
        .route_service("/grpc.reflection.v1.ServerReflection/{*method}", reflection)
        .route_service("/grpc.reflection.v1alpha.ServerReflection/{*method}", alpha)
        .fallback(call::unknown_method)
        .layer(edge))
}

/// The methods for browsers (gRPC-Web), for the HTTP port.
pub(crate) fn web_router(api: ApiState) -> Router {
    let edge = axum::middleware::from_fn_with_state((api.clone(), Port::Web), edge::edge);
    operations(api).layer(GrpcWebLayer::new()).layer(edge)
}

/// A route for each method.
fn operations(api: ApiState) -> Router {
    let mut streams = Router::new();
    for path in methods::methods().stream_paths() {
        streams = streams.route(path, post(stream::open));
    }
    let mut calls = Router::new();
    for path in methods::methods().paths() {
        calls = calls.route(path, post(call::unary));
    }
    let rest = crate::routes::router().with_state(api.clone());
    calls.with_state(rest).merge(streams.with_state(api))
}
