//! The clients against small HTTP servers of the tests' own.
#![expect(clippy::expect_used, reason = "tests")]

mod devnet;
mod node_state;
mod oracle;
mod server;
