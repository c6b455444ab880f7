//! Proposals: what the wallet's summaries and details, the explorer and the SDKs make of them.

use serde_json::Value;

use super::ProposalState;
use crate::fields::{Fields, json_of};
use crate::text::strip_nul;
use crate::{Address, FormatError};

/// Longest proposal id, in characters.
pub const PROPOSAL_ID_CHARS_MAX: usize = 128;
/// Longest title, and longest name of a type, in characters.
const TITLE_CHARS_MAX: usize = 1_000;
/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 100_000;
/// Most calls of a proposal.
const CALLS_MAX: usize = 1_000;
/// Longest text of one target, value or call, in bytes.
const CALL_BYTES_MAX: usize = 256 * 1024;

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

pub(super) fn proposal_id(fields: &Fields<'_>) -> Result<Option<String>, FormatError> {
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
