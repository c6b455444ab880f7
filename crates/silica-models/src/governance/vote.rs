//! Votes on a proposal.

use serde_json::Value;

use super::proposal::proposal_id;
use crate::fields::{Fields, json_of};
use crate::text::strip_nul;
use crate::{Address, FormatError};

/// Longest reason of a vote, in characters.
const REASON_CHARS_MAX: usize = 10_000;

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
