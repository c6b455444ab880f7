//! Oracles: who they are, how far their feeds have been taken in, how they answer probes.
mod feed;
mod index;
mod lock;
pub mod performance;
mod probe;
pub mod query;
pub mod row;
pub use feed::*;
pub use index::*;
pub use lock::*;
pub use probe::*;
