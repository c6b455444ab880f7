//! Types shared with the Chert (Silica) node: tolerant parsing, exact formatting.
//!
//! The node's wire format is described by `contracts/node-rpc.md`; section numbers in this
//! crate's comments refer to it. Nothing here does I/O, is async, or reads a clock, so every
//! rule about "what the node may send" can be tested without a server.

mod address;
mod block;
mod hash;
mod number;
mod position;
mod stealth;
mod text;
mod time;
mod transaction;
mod tx_id;

pub use address::{ADDRESS_CHARS_MAX, Address, AddressKey};
pub use block::{Block, BlockError, UnreadableRecord};
pub use hash::{BLOCK_HASH_BYTES_MAX, BlockHash};
pub use number::{parse_height, parse_u64};
pub use position::{HEIGHT_MAX, Height, TX_INDEX_BITS, TX_INDEX_MAX, TxPosition};
pub use stealth::StealthOutput;
pub use time::Timestamp;
pub use transaction::{Output, Transaction, TransactionError};
pub use tx_id::{TX_ID_CHARS_MAX, TxId};

/// A value from outside that does not have the form its type requires.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct FormatError {
    /// What was being read, e.g. `block hash`.
    pub what: &'static str,
    /// Why it was refused, in words a client can act on.
    pub reason: String,
}

impl FormatError {
    pub(crate) fn new(what: &'static str, reason: impl Into<String>) -> Self {
        Self { what, reason: reason.into() }
    }
}
