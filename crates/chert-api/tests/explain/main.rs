//! Every hot read walks its index, over a filled database: the real statements are run and
//! PostgreSQL tells how it ran them.
#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "tests")]
mod chain;
mod events;
mod governance;
mod identities;
mod jsonrpc;
#[path = "../support/plans.rs"]
mod plans;
mod pouw;
#[path = "../support/mod.rs"]
mod support;
