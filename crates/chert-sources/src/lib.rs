//! Clients of the node and of the oracles: traits, HTTP clients, and a set of nodes that fails over
//! between several.
//!
//! The transport is plain HTTP with JSON-RPC written here rather than jsonrpsee's client, because
//! that one refuses answers that carry `"error": null` beside a result, which nodes send
//! (contract §1.3 and §11 row 4), and because blocks are kept as raw text until each record is read
//! on its own.

mod answers;
mod chain;
mod error;
mod fetcher;
mod http;
mod node;
mod node_state;
mod oracle;
mod set;
mod state_answers;

pub use chain::{ChainInfo, Tip, check_block};
pub use error::{Fault, SourceError};
pub use fetcher::{FetchLimits, Fetcher};
pub use http::{RESPONSE_BYTES_MAX, RpcClient};
pub use node::{BalanceAnswer, NodeClient, NodeOptions, NodeSource, PAGE_BLOCKS_MAX};
pub use node_state::{
    GOVERNANCE_PAGE_MAX, PowerAnswer, REGISTRY_PAGE_MAX, RegistryPage, RegistryUpdate, Rejected,
    StateSource,
};
pub use oracle::{
    FEED_PAGE_MAX, FEED_WAIT_MS_MAX, FeedInfo, FeedPlace, InfoAnswer, OracleClient, OracleOptions,
    OracleSource, PageFault, PageFaultKind, ProbeReading, Trust, VerifiedItem, WorkAnswer,
    verify_page,
};
pub use set::{SourceHealth, SourceSet, SourceView};
