//! identity entity: the registry's versions, and profiles, wallet links and their history, which
//! follow from them.
mod derive;
mod index;
pub mod link_row;
pub mod query;
mod rebuild;
pub mod row;
pub mod search;
pub mod stats;
mod tiers;
mod versions;
mod write;
pub use index::*;
pub(crate) use rebuild::{differing_identities, rebuild_identities};
