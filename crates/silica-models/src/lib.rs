//! Types shared with the Chert (Silica) node and its oracles: tolerant parsing, exact formatting.
//!
//! The node's wire format is described by `contracts/node-rpc.md`, the oracles' by
//! `contracts/oracle-feed.md`; section numbers in this crate's comments refer to them. Nothing here
//! does I/O, is async, or reads a clock, so every rule about "what the node may send" can be tested
//! without a server.

mod address;
mod block;
mod canonical_json;
mod decimal;
mod feed_item;
mod fields;
mod governance;
mod hash;
mod identity;
mod number;
mod position;
mod redact;
mod staking;
mod stealth;
mod text;
mod time;
mod transaction;
mod tx_id;
mod work;

pub use address::{ADDRESS_CHARS_MAX, Address, AddressKey};
pub use block::{Block, BlockError, UnreadableRecord};
pub use decimal::{DECIMAL_SCALE, Decimal};
pub use feed_item::{FIRST_PREV_HASH, FeedItem, SignatureStatus, item_hash, oracle_id_of, verify};
pub use governance::{PROPOSAL_ID_CHARS_MAX, Proposal, ProposalState, Vote, VoteChoice};
pub use hash::{BLOCK_HASH_BYTES_MAX, BlockHash};
pub use identity::{
    BIO_CHARS_MAX, DISPLAY_NAME_CHARS_MAX, IdentityId, IdentityRecord, LINK_TYPE_CHARS_MAX,
    PROOF_BYTES_MAX, Visibility, WALLET_LINKS_MAX, WalletLink,
};
pub use number::{parse_height, parse_u64};
pub use position::{HEIGHT_MAX, Height, TX_INDEX_BITS, TX_INDEX_MAX, TxPosition};
pub use staking::{Delegation, Validator, VotingPower};
pub use stealth::StealthOutput;
pub use time::Timestamp;
pub use transaction::{Output, Transaction, TransactionError};
pub use tx_id::{TX_ID_CHARS_MAX, TxId};
pub use work::{
    MINER_ID_CHARS_MAX, ReportRecord, RewardStatus, SlashRecord, WorkKind, WorkRecord, WorkStatus,
    canonical_task_type, project_slug, submission_id_of, transition_is_legal, work_type_of,
};

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
