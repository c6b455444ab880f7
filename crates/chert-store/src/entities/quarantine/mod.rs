//! quarantine entity.
mod index;
pub mod query;
pub mod row;
pub use index::*;
