//! Work submissions of oracles: taking in pages of their feeds, whose work it is, which transaction
//! paid it. What it adds up to is in [`crate::entities::pouw`].
mod anchors;
mod claims;
mod event;
mod index;
mod load;
mod merge;
mod news;
mod page;
mod reattribute;
mod rebuild;
mod records;
mod submission;
#[cfg(test)]
mod tests;
mod write;
pub use anchors::Anchors;
pub(crate) use anchors::corroborate_all;
pub use page::*;
pub(crate) use reattribute::reattribute;
pub(crate) use rebuild::{differing_work, rebuild_work};
