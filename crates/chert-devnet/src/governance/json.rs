//! Governance on the wire, in both spellings of every name (§2.10, §8.11, §11 rows 27 to 29).

use serde_json::{Map, Value, json};

use super::proposal::{QUORUM, Standing, State};
use super::vote::Vote;
use crate::json::{self, Stamp};
use crate::rng::Rng;
use crate::view::View;

const TITLES: [&str; 6] = [
    "Raise block gas limit",
    "Fund the Rosetta bridge",
    "Lower the minimum stake",
    "Rückbaugebühren senken",
    "تمويل العُقد الصغيرة",
    "🔥 Burn half of all fees",
];
const TYPES: [&str; 4] = ["parameter_change", "treasury_spend", "software_upgrade", "text"];

/// A number as far as 64 bits go, then text: no node sends a double for money.
pub(crate) fn amount(value: u128) -> Value {
    match u64::try_from(value) {
        Ok(value) => value.into(),
        Err(_) => value.to_string().into(),
    }
}

/// Adds `vote_start` under its own name and as `voteStart`.
pub(crate) fn put_twice(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match (letter, upper) {
            ('_', _) => upper = true,
            (letter, true) => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            (letter, false) => camel.push(letter),
        }
    }
    if camel != name {
        fields.insert(camel, value.clone());
    }
    fields.insert(name.to_owned(), value);
}

impl Standing {
    fn title(&self) -> &'static str {
        Rng::new(&[self.proposal.text_seed]).pick(&TITLES)
    }

    fn description(&self) -> String {
        format!("{}\n\nProposal number {} of this chain.", self.title(), self.proposal.number)
    }

    /// As in lists.
    pub(crate) fn summary(&self) -> Value {
        let fields = &mut Map::new();
        put_twice(fields, "proposal_id", self.proposal.number.into());
        put_twice(fields, "proposer", self.proposer.as_str().into());
        put_twice(fields, "description", self.description().into());
        put_twice(fields, "vote_start", self.vote_start.into());
        put_twice(fields, "vote_end", self.vote_end.into());
        put_twice(fields, "votes_for", amount(self.tally.votes_for));
        put_twice(fields, "votes_against", amount(self.tally.votes_against));
        put_twice(fields, "votes_abstain", amount(self.tally.votes_abstain));
        let word = if self.state == State::Active { "Active" } else { self.state.word() };
        put_twice(fields, "state", word.into());
        put_twice(fields, "created_at", self.created_at.into());
        if self.proposal.text_seed.is_multiple_of(2) {
            put_twice(fields, "title", self.title().into());
            let kind = Rng::new(&[self.proposal.text_seed, 1]).pick(&TYPES);
            put_twice(fields, "proposal_type", kind.into());
        }
        Value::Object(std::mem::take(fields))
    }

    /// The whole proposal.
    pub(crate) fn detail(&self) -> Value {
        let mut detail = self.summary();
        let Some(fields) = detail.as_object_mut() else { return detail };
        let rng = &mut Rng::new(&[self.proposal.text_seed, 2]);
        let calls = rng.below(4);
        let (mut targets, mut values, mut calldatas) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..calls {
            targets.push(format!("0x{:040x}", rng.next()));
            values.push(rng.below(1_000_000).to_string());
            calldatas.push(format!("0x{:08x}", rng.next() >> 32));
        }
        put_twice(fields, "targets", targets.into());
        put_twice(fields, "values", values.into());
        put_twice(fields, "calldatas", calldatas.into());
        if let Some(executed_at) = self.executed_at {
            put_twice(fields, "executed_at", executed_at.into());
        }
        put_twice(fields, "updated_at", self.updated_at.into());
        put_twice(fields, "has_voted", false.into());
        detail
    }
}

impl Vote {
    pub(crate) fn json(&self, view: &View<'_>, proposal_id: u64) -> Value {
        let mut voter = Vec::new();
        view.recipe.book.write(&mut voter, self.voter, self.upper_case);
        let voter = String::from_utf8_lossy(&voter).trim_matches('"').to_owned();
        let fields = &mut Map::new();
        put_twice(fields, "proposal_id", proposal_id.into());
        put_twice(fields, "voter", voter.into());
        put_twice(fields, "support", (self.choice as u8).into());
        put_twice(fields, "weight", amount(self.weight));
        put_twice(fields, "reason", self.reason.into());
        put_twice(fields, "voted_at", self.cast_at.into());
        Value::Object(std::mem::take(fields))
    }
}

/// The explorer's shape of a proposal.
pub(crate) fn explorer_proposal(standing: &Standing) -> Value {
    let mut end = Vec::new();
    let stamp = Stamp { time_ms: standing.vote_end * 1000, sub_ms_nanos: 0, digits: 3 };
    json::timestamp(&mut end, stamp);
    let end = String::from_utf8_lossy(&end).trim_matches('"').to_owned();
    // As people read it: 2026-07-15 10:00 UTC.
    let end = end.get(..16).unwrap_or_default().replace('T', " ");
    let reached = standing.tally.votes_for.min(QUORUM) * 100 / QUORUM;
    json!({
        "id": standing.proposal.number.to_string(),
        "title": standing.title(),
        "description": standing.description(),
        "status": standing.state.status(),
        "votes_for": standing.tally.votes_for.to_string(),
        "votes_against": standing.tally.votes_against.to_string(),
        "quorum": amount(reached),
        "end_time": format!("{end} UTC"),
        "proposer": standing.proposer,
    })
}
