//! Errors of the indexer.

use chert_store::StoreError;

/// Why the indexer stopped. Store errors are retried by [`crate::Indexer::run`] and never reach
/// its caller; the others need an operator.
#[derive(Debug, thiserror::Error)]
pub enum IndexerError {
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// All nodes serve another chain than the one indexed.
    #[error(
        "every node serves another chain: block {height} is {stored} here and not there; point \
         chain.rpc_url at a node of this chain, or index the new chain into an empty database"
    )]
    WrongChain {
        /// Height of the compared block.
        height: u64,
        /// Its hash in the store.
        stored: String,
    },
}
