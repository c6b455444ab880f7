//! address entity.
mod index;
pub mod query;
pub use index::*;
