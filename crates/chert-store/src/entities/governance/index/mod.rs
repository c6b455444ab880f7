//! How governance is stored, taken back and attributed.
mod stats;

pub(crate) use stats::reattribute;
