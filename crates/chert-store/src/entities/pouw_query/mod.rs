//! Reads of useful work: what identities did, what became of submissions, totals.
//!
//! Figures of an identity come out as [`crate::privacy::Guarded`]; an identity is named only where
//! `public_identities` has it.

pub mod history;
pub mod network;
pub mod series;
pub mod stats;
pub mod submission;
