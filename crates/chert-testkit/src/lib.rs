//! Test support: every test gets a real, migrated database of its own in some 30 ms.
//!
//! The runner (`cargo run -p xtask -- test`) starts one PostgreSQL and names it in
//! `CHERT_TEST_DATABASE_URL`. Without it, as in a plain `cargo test`, each test process starts a
//! server of its own when the first test asks, and stops it with the last.

mod cluster;
mod database;
pub mod dump;
mod template;
mod valkey;

pub use cluster::ADMIN_URL_VARIABLE;
pub use database::TestDatabase;
pub use valkey::TestValkey;
