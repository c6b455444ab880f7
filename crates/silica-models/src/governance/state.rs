//! States of a proposal.

use serde_json::Value;

use crate::FormatError;

/// Longest word for a state, in characters.
const STATE_CHARS_MAX: usize = 32;

/// State of a proposal in the contract's canonical words (§6.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProposalState {
    /// Voting has not begun.
    Pending,
    /// Voting is open.
    Active,
    /// Voted for, not executed.
    Succeeded,
    /// Voted down.
    Defeated,
    /// Waits for its execution.
    Queued,
    /// Done.
    Executed,
    /// Taken back.
    Cancelled,
    /// Too late to execute.
    Expired,
    /// Stopped by a veto.
    Vetoed,
    /// A word that the contract does not know, in lower case.
    Other(String),
}

impl ProposalState {
    /// The canonical word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Succeeded => "succeeded",
            Self::Defeated => "defeated",
            Self::Queued => "queued",
            Self::Executed => "executed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Vetoed => "vetoed",
            Self::Other(word) => word,
        }
    }

    /// What clients are told: `pending`, `active`, `passed`, `rejected` or `executed`. A state that
    /// nobody knows promises nothing and shows as `pending`.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Pending | Self::Other(_) => "pending",
            Self::Active => "active",
            Self::Succeeded | Self::Queued => "passed",
            Self::Executed => "executed",
            Self::Defeated | Self::Cancelled | Self::Expired | Self::Vetoed => "rejected",
        }
    }

    /// `true` where nothing follows any more.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Defeated | Self::Executed | Self::Cancelled | Self::Expired | Self::Vetoed
        )
    }

    /// Reads the words of every client, without regard to case.
    pub fn parse(text: &str) -> Self {
        let word = text.trim().to_lowercase();
        match word.as_str() {
            "pending" => Self::Pending,
            "active" | "voting" => Self::Active,
            "succeeded" | "passed" => Self::Succeeded,
            "defeated" | "rejected" | "failed" => Self::Defeated,
            "queued" => Self::Queued,
            "executed" => Self::Executed,
            "cancelled" | "canceled" => Self::Cancelled,
            "expired" => Self::Expired,
            "vetoed" => Self::Vetoed,
            _ => Self::Other(word.chars().take(STATE_CHARS_MAX).collect()),
        }
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, FormatError> {
        let bad = || FormatError::new("state", "must be a word");
        match value {
            Value::String(text) if !text.trim().is_empty() => Ok(Self::parse(text)),
            // The numbers of the governor contract.
            Value::Number(number) => Ok(match number.as_u64().ok_or_else(bad)? {
                0 => Self::Pending,
                1 => Self::Active,
                2 => Self::Succeeded,
                3 => Self::Defeated,
                4 => Self::Executed,
                5 => Self::Cancelled,
                6 => Self::Expired,
                other => Self::Other(other.to_string()),
            }),
            _ => Err(bad()),
        }
    }
}
