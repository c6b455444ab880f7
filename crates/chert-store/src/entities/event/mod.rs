//! The event log: what was applied and retracted, in order and without gaps.
mod index;
pub use index::*;
