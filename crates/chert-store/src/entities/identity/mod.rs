//! identity entity: the registry's versions, and profiles, wallet links and their history, which
//! follow from them.
mod compare;
mod derive;
mod events;
mod holder;
mod index;
pub mod link_row;
pub mod node_query;
pub mod query;
mod rebuild;
pub mod row;
pub mod search;
pub mod stats;
mod tiers;
mod versions;
pub mod visible;
mod write;
pub use holder::find_holder;
pub use index::*;
pub(crate) use rebuild::{differing_identities, rebuild_identities};
