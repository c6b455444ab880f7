//! Proposals and votes, read from every shape of contract §2.10, §3.9 and §8.11.

use serde_json::Value;

use crate::fields::{Fields, json_of};
use crate::text::strip_nul;
use crate::{Address, FormatError};

/// Longest proposal id, in characters.
pub const PROPOSAL_ID_CHARS_MAX: usize = 128;
/// Longest title, and longest name of a type, in characters.
const TITLE_CHARS_MAX: usize = 1_000;
/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 100_000;
/// Longest reason of a vote, in characters.
const REASON_CHARS_MAX: usize = 10_000;
/// Longest word for a state, in characters.
const STATE_CHARS_MAX: usize = 32;
/// Most calls of a proposal.
const CALLS_MAX: usize = 1_000;
/// Longest text of one target, value or call, in bytes.
const CALL_BYTES_MAX: usize = 256 * 1024;

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

    fn from_json(value: &Value) -> Result<Self, FormatError> {
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

/// A proposal as the node states it. Amounts are base units, times Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Number or text of the node, as text.
    pub proposal_id: String,
    /// Who made it.
    pub proposer: Option<Address>,
    /// Its kind, where the node names kinds.
    pub proposal_type: Option<String>,
    /// Its title; the wallet's shape has none.
    pub title: Option<String>,
    /// Its text.
    pub description: Option<String>,
    /// Where it stands.
    pub state: ProposalState,
    /// Voting begins.
    pub voting_starts_at: Option<i64>,
    /// Voting ends.
    pub voting_ends_at: Option<i64>,
    /// Power for, by the node's count.
    pub votes_for: u128,
    /// Power against, vetoes among it.
    pub votes_against: u128,
    /// Power abstaining.
    pub votes_abstain: u128,
    /// When it was made; where the node does not say, the start or else the end of voting, else 0.
    pub created_at: i64,
    /// When it was executed.
    pub executed_at: Option<i64>,
    /// When it changed last.
    pub updated_at: Option<i64>,
    /// Whom it calls, in order.
    pub targets: Vec<String>,
    /// With how much, in order.
    pub values: Vec<String>,
    /// With which data, in order.
    pub calldatas: Vec<String>,
}

impl Proposal {
    /// Reads a summary, a detail, or the explorer's shape.
    pub fn parse(raw: &str) -> Result<Self, FormatError> {
        let mut value = json_of("proposal", raw)?;
        strip_nul(&mut value);
        let fields = Fields::of("proposal", &value)?;
        let state = fields.get(&["state", "status"]);
        let starts = ["vote_start", "voting_starts_at", "voting_start_time", "start_time"];
        let ends = ["vote_end", "voting_ends_at", "voting_end_time", "end_time"];
        // The explorer shows its end as text for people: one that is no time is absent.
        let starts = fields.seconds("vote_start", &starts).unwrap_or_default();
        let ends = fields.seconds("vote_end", &ends).unwrap_or_default();
        let created = fields.seconds("created_at", &["created_at"])?;
        let (votes_for, votes_against, votes_abstain) = tally(&fields)?;
        Ok(Self {
            proposal_id: proposal_id(&fields)?
                .ok_or_else(|| FormatError::new("proposal_id", "is missing"))?,
            proposer: fields.address("proposer", &["proposer"])?,
            proposal_type: fields.text(
                "proposal_type",
                &["proposal_type", "type"],
                TITLE_CHARS_MAX,
            )?,
            title: fields.text("title", &["title"], TITLE_CHARS_MAX)?,
            description: fields.text("description", &["description"], DESCRIPTION_CHARS_MAX)?,
            state: state
                .map(ProposalState::from_json)
                .ok_or_else(|| FormatError::new("state", "is missing"))??,
            voting_starts_at: starts,
            voting_ends_at: ends,
            votes_for,
            votes_against,
            votes_abstain,
            created_at: created.or(starts).or(ends).unwrap_or(0),
            executed_at: fields.seconds("executed_at", &["executed_at"])?,
            updated_at: fields.seconds("updated_at", &["updated_at"])?,
            targets: texts(&fields, "targets")?,
            values: texts(&fields, "values")?,
            calldatas: texts(&fields, "calldatas")?,
        })
    }
}

/// How somebody voted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VoteChoice {
    /// Against, with or without veto.
    Against = 0,
    /// For.
    For = 1,
    /// Neither.
    Abstain = 2,
}

impl VoteChoice {
    /// The word of our API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Against => "against",
            Self::For => "for",
            Self::Abstain => "abstain",
        }
    }

    /// The number as stored.
    pub fn as_i16(self) -> i16 {
        match self {
            Self::Against => 0,
            Self::For => 1,
            Self::Abstain => 2,
        }
    }

    /// A stored number.
    pub fn from_i16(number: i16) -> Option<Self> {
        [Self::Against, Self::For, Self::Abstain].into_iter().find(|c| c.as_i16() == number)
    }

    /// Words, numbers and booleans of contract §6.2 and §11 row 46.
    fn from_json(value: &Value) -> Result<Self, FormatError> {
        let bad = || FormatError::new("support", "must be 0 (against), 1 (for) or 2 (abstain)");
        match value {
            Value::Bool(approve) => Ok(if *approve { Self::For } else { Self::Against }),
            Value::Number(number) => number
                .as_i64()
                .and_then(|n| i16::try_from(n).ok())
                .and_then(Self::from_i16)
                .ok_or_else(bad),
            Value::String(word) => match word.trim().to_lowercase().as_str() {
                "1" | "yes" | "for" | "approve" | "true" => Ok(Self::For),
                "0" | "no" | "against" | "reject" | "no_with_veto" | "veto" | "false" => {
                    Ok(Self::Against)
                }
                "2" | "abstain" => Ok(Self::Abstain),
                _ => Err(bad()),
            },
            _ => Err(bad()),
        }
    }
}

/// One vote. There is one per proposal and voter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The proposal.
    pub proposal_id: String,
    /// Who voted: an account or a validator.
    pub voter: Address,
    /// How.
    pub choice: VoteChoice,
    /// With how much, base units.
    pub power: u128,
    /// Why, in the voter's words.
    pub reason: Option<String>,
    /// When, Unix seconds.
    pub cast_at: i64,
}

impl Vote {
    /// Reads one vote of `proposal_id`; refused where it names another proposal.
    pub fn parse(raw: &str, proposal_id_asked: &str) -> Result<Self, FormatError> {
        let mut value = json_of("vote", raw)?;
        strip_nul(&mut value);
        let fields = Fields::of("vote", &value)?;
        if proposal_id(&fields)?.is_some_and(|id| id != proposal_id_asked) {
            return Err(FormatError::new("proposal_id", "is another proposal's"));
        }
        let choice = fields.get(&["support", "choice", "option", "vote", "approve"]);
        let power = ["weight", "power", "vote_weight", "vote_power", "voting_power"];
        let cast = ["voted_at", "cast_at", "timestamp", "created_at"];
        Ok(Self {
            proposal_id: proposal_id_asked.to_owned(),
            voter: fields
                .address("voter", &["voter"])?
                .ok_or_else(|| FormatError::new("voter", "is missing"))?,
            choice: choice
                .map(VoteChoice::from_json)
                .ok_or_else(|| FormatError::new("support", "is missing"))??,
            power: fields
                .u128("weight", &power)?
                .ok_or_else(|| FormatError::new("weight", "is missing"))?,
            reason: fields.text("reason", &["reason"], REASON_CHARS_MAX)?,
            cast_at: fields
                .seconds("voted_at", &cast)?
                .ok_or_else(|| FormatError::new("voted_at", "is missing"))?,
        })
    }
}

fn proposal_id(fields: &Fields<'_>) -> Result<Option<String>, FormatError> {
    if let Some(Value::Number(number)) = fields.get(&["proposal_id", "id"]) {
        return match number.as_u64() {
            Some(id) => Ok(Some(id.to_string())),
            None => Err(FormatError::new("proposal_id", "must not be negative or a fraction")),
        };
    }
    fields.line("proposal_id", &["proposal_id", "id"], PROPOSAL_ID_CHARS_MAX)
}

/// For, against, abstain: members of the proposal, or the tally of the SDK's shape.
fn tally(fields: &Fields<'_>) -> Result<(u128, u128, u128), FormatError> {
    let tally = fields.get(&["tally"]).filter(|t| t.is_object());
    let count = |member: &'static str, words: &[&str]| -> Result<u128, FormatError> {
        if let Some(stated) = fields.u128(member, &[member])? {
            return Ok(stated);
        }
        let Some(tally) = tally else { return Ok(0) };
        let tally = Fields::of("tally", tally)?;
        words.iter().try_fold(0_u128, |sum, word| {
            let part = tally.u128(member, &[word])?.unwrap_or(0);
            sum.checked_add(part).ok_or_else(|| FormatError::new(member, "is above 2^128 − 1"))
        })
    };
    Ok((
        count("votes_for", &["yes"])?,
        count("votes_against", &["no", "no_with_veto"])?,
        count("votes_abstain", &["abstain"])?,
    ))
}

fn texts(fields: &Fields<'_>, what: &'static str) -> Result<Vec<String>, FormatError> {
    let Some(value) = fields.get(&[what]) else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(|| FormatError::new(what, "must be a list"))?;
    if items.len() > CALLS_MAX {
        return Err(FormatError::new(what, format!("more than {CALLS_MAX}")));
    }
    let text = |item: &Value| match item {
        Value::String(text) if text.len() <= CALL_BYTES_MAX => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(FormatError::new(what, "must be texts of at most 256 KiB")),
    };
    items.iter().map(text).collect()
}

#[cfg(test)]
mod tests;
