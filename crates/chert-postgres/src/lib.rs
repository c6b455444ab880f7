//! A private PostgreSQL, run as a child process from the binaries installed on this machine.
//!
//! `chert up`, the tests and the benchmarks need a database without asking the user to set one
//! up. PostgreSQL is started on `127.0.0.1` only, as an unprivileged user when we are root (it
//! refuses root), and never outlives the process that started it.
//!
//! What this crate does not do: speak SQL. Whoever needs a connection takes [`PrivatePostgres::url`].

mod account;
mod binaries;
mod child;
mod cluster;
mod error;
mod location;
mod log;
mod port;
mod postmaster;
mod server;
mod temporary;

pub use binaries::{VERSION_MAJOR_MIN, find_binaries};
pub use error::PostgresError;
pub use location::check_location;
pub use server::{Options, PrivatePostgres};
pub use temporary::TemporaryPostgres;

/// The superuser that every private cluster has; it needs no password from this machine.
pub const SUPERUSER: &str = "chert";
