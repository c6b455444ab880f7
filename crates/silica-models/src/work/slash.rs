//! A penalty that an oracle gave a miner.

use super::record::miner_id;
use crate::fields::{Fields, json_of, parse_hex32};
use crate::text::strip_nul;
use crate::{Address, FormatError};

const SLASH_ID_CHARS_MAX: usize = 128;
const REASON_CHARS_MAX: usize = 64;
/// More points than any rule takes; beyond it the number is a mistake.
const POINTS_MAX: i64 = 1_000_000_000;
/// Digits of a Unix time in milliseconds.
const MILLIS_DIGITS: usize = 13;
const STATES: [&str; 3] = ["active", "decayed", "overturned"];

/// One `slash` record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlashRecord {
    /// The oracle's id of it.
    pub slash_id: String,
    /// The oracle's name of the miner.
    pub miner_id: String,
    /// The miner's account.
    pub account: Address,
    /// Why, in lower case: `unassigned_work`, `result_replay`, ...
    pub reason: String,
    /// Reputation points, negative.
    pub points_deducted: i64,
    /// The submission it is about.
    pub submission_id: Option<[u8; 32]>,
    /// Unix seconds.
    pub slashed_at: i64,
    /// When it stops counting, Unix seconds.
    pub decays_at: Option<i64>,
    /// `active`, `decayed` or `overturned`.
    pub state: String,
}

impl SlashRecord {
    /// Reads a `slash` record.
    pub fn parse(raw: &str) -> Result<Self, FormatError> {
        let mut value = json_of("slash record", raw)?;
        strip_nul(&mut value);
        let fields = Fields::of("slash record", &value)?;
        let slash_id = fields.required_line("slash_id", SLASH_ID_CHARS_MAX)?;
        if names_its_user(&slash_id) {
            return Err(FormatError::new("slash_id", "must not contain the id of the user"));
        }
        let state = fields.line("state", &["state"], REASON_CHARS_MAX)?;
        let state = state.map_or_else(|| "active".to_owned(), |s| s.to_lowercase());
        if !STATES.contains(&state.as_str()) {
            return Err(FormatError::new("state", "must be one of active, decayed, overturned"));
        }
        let submission = fields.line("submission_id", &["submission_id"], 66)?;
        Ok(Self {
            slash_id,
            miner_id: miner_id(&fields)?,
            account: fields
                .address("account_address", &["account_address"])?
                .ok_or_else(|| FormatError::new("account_address", "is missing"))?,
            reason: fields.required_line("reason", REASON_CHARS_MAX)?.to_lowercase(),
            points_deducted: fields
                .required("points_deducted")?
                .as_i64()
                .filter(|points| (-POINTS_MAX..=0).contains(points))
                .ok_or_else(|| FormatError::new("points_deducted", "must be an integer below 0"))?,
            submission_id: submission.map(|s| parse_hex32("submission_id", &s)).transpose()?,
            slashed_at: fields
                .seconds("slashed_at", &["slashed_at"])?
                .ok_or_else(|| FormatError::new("slashed_at", "is missing"))?,
            decays_at: fields.seconds("decays_at", &["decays_at"])?,
            state,
        })
    }
}

/// Upstream's own ids are `slash_{user}_{ms}`, and the user may be a key (contract §2.5).
fn names_its_user(slash_id: &str) -> bool {
    let parts = slash_id.strip_prefix("slash_").and_then(|rest| rest.rsplit_once('_'));
    parts.is_some_and(|(_, ms)| ms.len() == MILLIS_DIGITS && ms.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(changes: &Value) -> Result<SlashRecord, FormatError> {
        let mut value = json!({"slash_id": "s-1", "miner_id": "m", "account_address": "0xa9",
            "reason": "Result_Replay", "points_deducted": -100, "state": "active",
            "slashed_at": "2026-02-23T12:00:00Z", "decays_at": "2026-05-24T12:00:00+00:00"});
        let members = changes.as_object().cloned().unwrap_or_default();
        value.as_object_mut().expect("object").extend(members);
        SlashRecord::parse(&value.to_string())
    }

    #[test]
    fn slashes_are_read_and_checked() {
        let slash = parse(&json!({})).expect("valid");
        assert_eq!((slash.points_deducted, slash.reason.as_str()), (-100, "result_replay"));
        assert_eq!(slash.slashed_at, 1_771_848_000);
        for bad in [
            json!({"slash_id": "slash_deadbeef_1771848000000"}),
            json!({"points_deducted": 5}),
            json!({"points_deducted": -1.5}),
            json!({"state": "odd"}),
            json!({"submission_id": "ab"}),
            json!({"slashed_at": null}),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
