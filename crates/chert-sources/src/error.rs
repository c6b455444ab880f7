//! What can be wrong with a source.

use std::time::Duration;

/// Kind of fault, the label of metrics and of `/v1/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No connection, or it broke.
    Unreachable,
    /// No complete answer in time.
    Timeout,
    /// HTTP 429.
    RateLimited,
    /// HTTP 5xx, or another status that is not an answer.
    HttpStatus,
    /// The body is larger than the bound.
    Oversized,
    /// Not JSON, or not the shape of an answer.
    Malformed,
    /// A JSON-RPC error.
    RpcError,
    /// Blocks that do not link, are not the ones asked for, or lack transactions.
    BadBlocks,
    /// Fewer blocks than the node says it has.
    Missing,
    /// A tip below what was proven before.
    Lagging,
    /// A branch that other nodes do not support.
    Disagreeing,
    /// Another chain.
    WrongChain,
}

impl Fault {
    /// Stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::HttpStatus => "http_status",
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::RpcError => "rpc_error",
            Self::BadBlocks => "bad_blocks",
            Self::Missing => "missing",
            Self::Lagging => "lagging",
            Self::Disagreeing => "disagreeing",
            Self::WrongChain => "wrong_chain",
        }
    }
}

/// A failed request to a source. Always retried, on this source later or on another now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}; it will be asked again", fault.code())]
pub struct SourceError {
    /// What kind of fault.
    pub fault: Fault,
    /// For the operator's log; never shown to clients.
    pub detail: String,
    /// How long the source asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl SourceError {
    /// An error with a description for the log.
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        // Whatever a node says, one log line stays one log line.
        if detail.len() > 300 {
            let cut = (0..=300).rev().find(|i| detail.is_char_boundary(*i)).unwrap_or(0);
            detail.truncate(cut);
        }
        Self { fault, detail, retry_after: None }
    }

    /// The JSON-RPC error for a method that the node does not have.
    pub fn is_unknown_method(&self) -> bool {
        self.fault == Fault::RpcError && self.detail.starts_with("-32601")
    }
}
