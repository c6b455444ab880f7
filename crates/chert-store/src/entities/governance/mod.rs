//! governance entity: proposals, votes, delegations, voting power, validators, and what follows
//! from them.
mod definition;
mod index;
pub mod query;
pub(crate) mod row;
pub(crate) use definition::{differing_rows, rebuild};
pub use index::*;
