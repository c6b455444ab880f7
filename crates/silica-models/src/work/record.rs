//! One submission of useful work as an oracle states it.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    MINER_ID_CHARS_MAX, add_text, canonical_task_type, looks_like_authenticator, project_slug,
};
use crate::fields::{Fields, json_of, parse_hex32, parse_u128};
use crate::text::strip_nul;
use crate::{
    Address, Decimal, FormatError, HEIGHT_MAX, RewardStatus, TxId, WorkKind, WorkStatus, parse_u64,
};

const TASK_ID_CHARS_MAX: usize = 256;
const WORKER_NAME_CHARS_MAX: usize = 64;
const PROJECT_CHARS_MAX: usize = 128;
const RESULT_NAME_CHARS_MAX: usize = 256;
/// Largest integer the contract lets an oracle write.
const INTEGER_MAX: i64 = 1 << 53;
/// Longest text kept inside `detail`, in characters, and most elements of a list there.
const DETAIL_CHARS_MAX: usize = 512;
const DETAIL_ITEMS_MAX: usize = 64;
/// Members of the record's objects that are kept; what else an oracle may write is not ours.
const VALIDATION: [&str; 6] =
    ["method", "confidence_bps", "checks_passed", "checks_failed", "consensus", "reason"];
const CONSENSUS: [&str; 4] = ["reached", "agreeing_miners", "total_miners", "threshold"];
const REWARD: [&str; 7] = [
    "amount",
    "reward_share_bps",
    "lockup_until",
    "finalized_at",
    "claimed_at",
    "transfer_id",
    "points",
];
const DISPUTE: [&str; 5] = ["dispute_id", "opened_at", "reason", "resolved_at", "resolution"];
const TEXTS: [&str; 4] = ["result_name", "wu_name", "proof_type", "result_hash"];

/// A submission in the state of its newest revision.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkRecord {
    /// Follows from oracle, kind, task, miner and attempt; checked against them.
    pub submission_id: [u8; 32],
    /// Counts the changes of this submission within one feed, from 1.
    pub revision: i64,
    /// Native or BOINC.
    pub kind: WorkKind,
    /// Canonical task type.
    pub task_type: String,
    /// The oracle's name of the task.
    pub task_id: String,
    /// Counts hand-outs of the task to this miner, from 0.
    pub attempt: i32,
    /// The oracle's name of the miner.
    pub miner_id: String,
    /// The account that is paid.
    pub account: Address,
    /// The miner's name of the machine.
    pub worker_name: Option<String>,
    /// The project as the oracle spells it; always there for BOINC work.
    pub project_name: Option<String>,
    /// The project's name of the result.
    pub result_name: Option<String>,
    /// What became of the work.
    pub status: WorkStatus,
    /// What became of the reward.
    pub reward_status: RewardStatus,
    /// As the oracle computed it.
    pub difficulty: Option<Decimal>,
    /// Cobblestones the miner claims.
    pub credits_claimed: Option<Decimal>,
    /// Cobblestones the project granted.
    pub credits_granted: Option<Decimal>,
    /// Seconds of processor time.
    pub cpu_time_seconds: Option<Decimal>,
    /// Milliseconds of computing.
    pub compute_time_ms: Option<i64>,
    /// Unix milliseconds.
    pub assigned_at_ms: Option<i64>,
    /// Unix milliseconds; always there once handed in.
    pub submitted_at_ms: Option<i64>,
    /// Unix milliseconds; always there once decided.
    pub validated_at_ms: Option<i64>,
    /// Base units; always there where there is a reward.
    pub reward_amount: Option<u128>,
    /// The transaction the oracle says paid it: a claim until a block holds it.
    pub tx_hash: Option<TxId>,
    /// The block the oracle says holds it.
    pub claimed_height: Option<i64>,
    /// Known members of validation, reward and dispute, the epoch, names of result and work unit.
    pub detail: Value,
}

/// The id of a submission (contract §3.3).
pub fn submission_id_of(
    oracle_id: &str,
    kind: WorkKind,
    task_id: &str,
    miner_id: &str,
    attempt: u32,
) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(b"chert.work.v1");
    for text in [oracle_id, kind.as_str(), task_id, miner_id] {
        add_text(&mut digest, text);
    }
    digest.update(attempt.to_le_bytes());
    digest.finalize().into()
}

impl WorkRecord {
    /// Reads a `work` record of the oracle `oracle_id`. Refused are records that break a rule of
    /// the contract, above all one whose id is not that of its contents.
    pub fn parse(raw: &str, oracle_id: &str) -> Result<Self, FormatError> {
        let mut value = json_of("work record", raw)?;
        strip_nul(&mut value);
        let fields = Fields::of("work record", &value)?;
        let kind = word(&fields, "work_kind", WorkKind::parse)?;
        let task_id = fields.required_line("task_id", TASK_ID_CHARS_MAX)?;
        let miner_id = miner_id(&fields)?;
        let attempt = required_integer(&fields, "attempt")?;
        let attempt =
            i32::try_from(attempt).map_err(|_| FormatError::new("attempt", "is above 2^31 − 1"))?;
        let submission_id =
            parse_hex32("submission_id", &fields.required_line("submission_id", 66)?)?;
        let computed =
            submission_id_of(oracle_id, kind, &task_id, &miner_id, attempt.unsigned_abs());
        if computed != submission_id {
            return Err(FormatError::new("submission_id", "is not that of the record's contents"));
        }
        let empty = Value::Object(Map::new());
        let member = |name: &'static str| -> Result<Fields<'_>, FormatError> {
            Fields::of(name, fields.get(&[name]).unwrap_or(&empty))
        };
        let (reward, chain) = (member("reward")?, member("chain")?);
        let decimal = |name: &'static str| decimal(&fields, name);
        let record = Self {
            submission_id,
            revision: required_integer(&fields, "revision")?,
            kind,
            task_type: canonical_task_type(&fields.required_line("task_type", TASK_ID_CHARS_MAX)?),
            task_id,
            attempt,
            miner_id,
            account: fields
                .address("account_address", &["account_address"])?
                .ok_or_else(|| FormatError::new("account_address", "is missing"))?,
            worker_name: fields
                .line("worker_name", &["worker_name"], WORKER_NAME_CHARS_MAX)?
                .filter(|name| !looks_like_authenticator(name)),
            project_name: fields.line("project_name", &["project_name"], PROJECT_CHARS_MAX)?,
            result_name: fields.line("result_name", &["result_name"], RESULT_NAME_CHARS_MAX)?,
            status: word(&fields, "status", WorkStatus::parse)?,
            reward_status: word(&fields, "reward_status", RewardStatus::parse)?,
            difficulty: decimal("difficulty")?,
            credits_claimed: decimal("credits_claimed")?,
            credits_granted: decimal("credits_granted")?,
            cpu_time_seconds: decimal("cpu_time_seconds")?,
            compute_time_ms: integer(&fields, "compute_time_ms")?,
            assigned_at_ms: fields.millis("assigned_at", &["assigned_at"])?,
            submitted_at_ms: fields.millis("submitted_at", &["submitted_at"])?,
            validated_at_ms: fields.millis("validated_at", &["validated_at"])?,
            reward_amount: reward
                .get(&["amount"])
                .map(|v| parse_u128("reward amount", v))
                .transpose()?,
            tx_hash: chain
                .line("tx_hash", &["tx_hash"], crate::TX_ID_CHARS_MAX)?
                .map(|text| TxId::parse(&text))
                .transpose()?,
            claimed_height: integer(&chain, "block_height")?,
            detail: detail(&fields, &chain),
        };
        record.check()?;
        Ok(record)
    }

    /// What the contract requires of some states and kinds.
    fn check(&self) -> Result<(), FormatError> {
        let missing = |what| Err(FormatError::new(what, "is missing"));
        if self.revision < 1 {
            return Err(FormatError::new("revision", "must be at least 1"));
        }
        if self.kind == WorkKind::Boinc && self.project_name.is_none() {
            return missing("project_name");
        }
        // Work that was never handed in may time out, too.
        let handed_in = !matches!(self.status, WorkStatus::Assigned | WorkStatus::TimedOut);
        if handed_in && self.submitted_at_ms.is_none() {
            return missing("submitted_at");
        }
        if self.status.is_decided() && self.validated_at_ms.is_none() {
            return missing("validated_at");
        }
        if self.reward_status != RewardStatus::None && self.reward_amount.is_none() {
            return missing("reward amount");
        }
        let heights = 0..=i64::try_from(HEIGHT_MAX).unwrap_or(i64::MAX);
        if self.claimed_height.is_some_and(|h| !heights.contains(&h)) {
            return Err(FormatError::new("block_height", "is out of range"));
        }
        Ok(())
    }

    /// The slug of the project, where there is one.
    pub fn project_slug(&self) -> Option<String> {
        self.project_name.as_deref().map(project_slug)
    }

    /// What two oracles would both claim for the same piece of work (contract §3.3). The account
    /// goes in with its canonical spelling, or changing the case of a digit would hide a double.
    pub fn claim_key(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        add_text(&mut digest, self.kind.as_str());
        add_text(&mut digest, self.project_slug().as_deref().unwrap_or(&self.task_type));
        add_text(&mut digest, self.result_name.as_deref().unwrap_or(&self.task_id));
        add_text(&mut digest, &self.account.canonical());
        digest.finalize().into()
    }
}

fn word<T>(
    fields: &Fields<'_>,
    name: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, FormatError> {
    let text = fields.required_line(name, 64)?;
    parse(&text).ok_or_else(|| FormatError::new(name, "is a word that the contract does not know"))
}

pub(super) fn miner_id(fields: &Fields<'_>) -> Result<String, FormatError> {
    let miner_id = fields.required_line("miner_id", MINER_ID_CHARS_MAX)?;
    if looks_like_authenticator(&miner_id) {
        return Err(FormatError::new("miner_id", "looks like the key of a BOINC account"));
    }
    Ok(miner_id)
}

/// An integer from 0 to 2^53.
pub(super) fn integer(fields: &Fields<'_>, name: &'static str) -> Result<Option<i64>, FormatError> {
    match fields.integer(name, &[name])? {
        Some(number) if number > INTEGER_MAX => Err(FormatError::new(name, "is above 2^53")),
        other => Ok(other),
    }
}

fn required_integer(fields: &Fields<'_>, name: &'static str) -> Result<i64, FormatError> {
    integer(fields, name)?.ok_or_else(|| FormatError::new(name, "is missing"))
}

fn decimal(fields: &Fields<'_>, name: &'static str) -> Result<Option<Decimal>, FormatError> {
    let read = |v| Decimal::from_json(v).map_err(|e| FormatError::new(name, e.reason));
    fields.get(&[name]).map(read).transpose()
}

fn detail(fields: &Fields<'_>, chain: &Fields<'_>) -> Value {
    let mut detail = Map::new();
    for (name, members) in
        [("validation", &VALIDATION[..]), ("reward", &REWARD[..]), ("dispute", &DISPUTE[..])]
    {
        if let Some(kept) = fields.get(&[name]).and_then(|value| known_members(value, members)) {
            detail.insert(name.to_owned(), kept);
        }
    }
    if let Some(epoch) = chain.get(&["epoch"]).and_then(|v| parse_u64("epoch", v).ok()) {
        detail.insert("epoch".to_owned(), epoch.into());
    }
    for name in TEXTS {
        let text = fields.get(&[name]).and_then(plain).filter(Value::is_string);
        detail.extend(text.map(|text| (name.to_owned(), text)));
    }
    Value::Object(detail)
}

fn known_members(value: &Value, members: &[&str]) -> Option<Value> {
    let object = value.as_object()?;
    let kept: Map<String, Value> = members
        .iter()
        .filter_map(|name| {
            let value = object.get(*name)?;
            let kept = match value {
                Value::Object(_) if *name == "consensus" => known_members(value, &CONSENSUS),
                Value::Array(items) => Some(Value::Array(
                    items.iter().take(DETAIL_ITEMS_MAX).filter_map(plain).collect(),
                )),
                other => plain(other),
            };
            Some(((*name).to_owned(), kept?))
        })
        .collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// Text (cut to a bound), an integer or a truth value.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(text.chars().take(DETAIL_CHARS_MAX).collect::<String>().into()),
        Value::Number(number) if !number.is_f64() => Some(value.clone()),
        Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
