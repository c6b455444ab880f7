//! block entity.
mod index;
pub mod node_query;
pub mod query;
pub use index::*;
mod stored;
pub use stored::stored_block;
