//! The event log: everything that happened, in order and without gaps
//! (`docs/decisions/0022-event-log.md`).
mod blocks;
mod draft;
mod index;
mod kind;
mod prune;
mod query;
mod record;
mod row;
mod search;
pub use blocks::*;
pub use draft::NEWS_AGE_S_MAX;
pub(crate) use draft::*;
pub use index::*;
pub use kind::*;
pub use prune::*;
pub use query::EVENTS_MAX;
pub use record::*;
