//! address entity.
mod index;
pub mod node_query;
pub mod query;
pub use index::*;
