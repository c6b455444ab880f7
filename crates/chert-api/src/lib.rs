//! The server (REST, gRPC, JSON-RPC): reads the store, answers clients. It never writes chain tables and never
//! talks to the node.
//!
//! One request runs through `middleware::edge`, which asks `auth` who signed it where it is signed,
//! then its handler in `routes`, which asks
//! `cache` for finished bytes or the store for rows.

pub mod answer;
pub mod auth;
mod body;
mod cache;
pub mod cursor;
pub mod error;
pub mod grpc;
pub mod jsonrpc;
pub mod metrics;
mod middleware;
pub mod openapi;
mod operations;
mod params;
mod prepared;
pub mod routes;
mod server;
mod snapshot;
mod state;
pub mod stream;
mod valkey;

pub use cache::CacheBound;
pub use error::Problem;
pub use openapi::openapi_json;
pub use operations::serve_operations;
pub use server::{ConnectionLimits, Tls, TlsError, router, serve};
pub use state::{ApiSettings, ApiState};
pub use valkey::{ANSWER_TIME, Valkey, ValkeyUrlError};
