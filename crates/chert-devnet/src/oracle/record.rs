//! The text of a submission after each of its steps (oracle contract §4.3.3).

use serde_json::{Map, Value, json};

use super::canonical::{hex, submission_id};
use super::plan::{Plan, Step};
use crate::json::{self, Stamp};
use crate::rng::Rng;

const HOUR_MS: u64 = 3_600_000;

/// A moment as feeds write it: RFC 3339 in UTC, milliseconds only where there are any.
pub(crate) fn rfc3339(time_ms: u64) -> String {
    let mut out = Vec::with_capacity(26);
    json::timestamp(&mut out, Stamp { time_ms, sub_ms_nanos: 0, digits: 3 });
    String::from_utf8_lossy(&out).trim_matches('"').replace(".000Z", "Z")
}

/// A transaction that a claimed reward names.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) tx_hash: String,
    /// Where the oracle says it stands.
    pub(crate) block_height: Option<u64>,
}

/// A submission as far as it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress<'a> {
    pub(crate) oracle_id: &'a str,
    /// When each step so far was taken; at least one.
    pub(crate) times_ms: &'a [u64],
    pub(crate) revision: u32,
    pub(crate) anchor: Option<&'a Anchor>,
}

/// What the steps so far add up to.
#[derive(Clone, Debug)]
struct Standing {
    status: &'static str,
    reward_status: &'static str,
    fields: Map<String, Value>,
    dispute: Option<Value>,
    finalized_at: Option<u64>,
    claimed_at: Option<u64>,
    was_rejected: bool,
}

/// The whole record of a submission.
pub(crate) fn work_record(plan: &Plan, progress: Progress<'_>) -> Value {
    let standing = stand(plan, progress.times_ms);
    let miner_id = plan.miner_id();
    let id =
        submission_id(progress.oracle_id, plan.work_kind(), &plan.task_id, &miner_id, plan.attempt);
    let mut record = standing.fields.clone();
    let mut put = |name: &str, value: Value| {
        record.insert(name.to_owned(), value);
    };
    put("submission_id", hex(&id).into());
    put("revision", progress.revision.into());
    put("work_kind", plan.work_kind().into());
    put("task_type", plan.task_type.into());
    put("task_id", plan.task_id.as_str().into());
    put("attempt", plan.attempt.into());
    put("miner_id", miner_id.into());
    put("account_address", plan.account.as_str().into());
    put("worker_name", plan.worker.into());
    put("status", standing.status.into());
    put("reward_status", standing.reward_status.into());
    if let Some(project) = plan.project {
        put("project_name", project.into());
    }
    if let Some(name) = &plan.result_name {
        put("result_name", name.as_str().into());
        put("wu_name", name.trim_end_matches(char::is_numeric).trim_end_matches('_').into());
    }
    put_figures(&mut record, plan, &standing);
    if standing.reward_status != "none" {
        record.insert("reward".to_owned(), reward(plan, &standing));
    }
    if let Some(dispute) = standing.dispute {
        record.insert("dispute".to_owned(), dispute);
    }
    if let (Some(anchor), "claimed") = (progress.anchor, standing.reward_status) {
        let mut chain = json!({ "tx_hash": anchor.tx_hash, "epoch": plan.detail_seed % 900 });
        if let Some(height) = anchor.block_height {
            chain["block_height"] = height.into();
        }
        record.insert("chain".to_owned(), chain);
    }
    Value::Object(record)
}

fn stand(plan: &Plan, times_ms: &[u64]) -> Standing {
    let mut now = Standing {
        status: "assigned",
        reward_status: "none",
        fields: Map::new(),
        dispute: None,
        finalized_at: None,
        claimed_at: None,
        was_rejected: false,
    };
    for (step, time_ms) in plan.steps.iter().zip(times_ms) {
        take(&mut now, plan, *step, *time_ms);
    }
    now
}

fn take(now: &mut Standing, plan: &Plan, step: Step, time_ms: u64) {
    let at = Value::from(rfc3339(time_ms));
    let mut set = |name: &str, value: &Value| {
        now.fields.insert(name.to_owned(), value.clone());
    };
    match step {
        Step::Assigned => set("assigned_at", &at),
        Step::Submitted => {
            set("submitted_at", &at);
            now.status = "submitted";
        }
        Step::Validated => {
            set("validated_at", &at);
            (now.status, now.reward_status) = ("validated", "pending");
        }
        Step::Rejected => {
            set("validated_at", &at);
            (now.status, now.was_rejected) = ("rejected", true);
        }
        Step::TimedOut => now.status = "timed_out",
        Step::Disputed => {
            now.status = "disputed";
            let id = format!("d{:08x}", plan.detail_seed >> 32);
            now.dispute = Some(json!({
                "dispute_id": id, "opened_at": at, "reason": "result differs from a recomputation",
            }));
        }
        Step::Overturned if now.was_rejected => {
            set("validated_at", &at);
            (now.status, now.reward_status) = ("validated", "pending");
            now.was_rejected = false;
            resolve(now, &at, "overturned");
        }
        Step::Overturned => {
            (now.status, now.reward_status) = ("rejected", "clawed_back");
            resolve(now, &at, "overturned");
        }
        Step::Upheld => {
            now.status = "validated";
            resolve(
                now,
                &at,
                if plan.detail_seed.is_multiple_of(3) { "withdrawn" } else { "upheld" },
            );
        }
        Step::Finalized => {
            now.reward_status = "finalized";
            now.finalized_at = Some(time_ms);
        }
        Step::Claimed => {
            now.reward_status = "claimed";
            now.claimed_at = Some(time_ms);
        }
        Step::ClawedBack => now.reward_status = "clawed_back",
        Step::Voided => now.reward_status = "voided",
    }
}

fn resolve(now: &mut Standing, at: &Value, resolution: &str) {
    if let Some(dispute) = &mut now.dispute {
        dispute["resolved_at"] = at.clone();
        dispute["resolution"] = resolution.into();
    }
}

/// Decimals are text without an exponent; whole numbers are below 2^53.
fn put_figures(record: &mut Map<String, Value>, plan: &Plan, standing: &Standing) {
    let rng = &mut Rng::new(&[plan.detail_seed]);
    let credits = decimal(1 + rng.below(900), rng);
    let difficulty = decimal(rng.below(50), rng);
    let cpu_time = decimal(1800 + rng.below(80_000), rng);
    let compute_ms = 20 + rng.below(60_000);
    let mut result = [0; 32];
    rng.fill(&mut result);
    let mut put = |name: &str, value: Value| {
        record.insert(name.to_owned(), value);
    };
    if plan.boinc {
        put("credits_claimed", credits.as_str().into());
        put("proof_type", "boinc_credit".into());
    }
    if standing.status == "assigned" {
        return;
    }
    put("difficulty", difficulty.into());
    put("result_hash", hex(&result).into());
    if plan.boinc {
        put("cpu_time_seconds", cpu_time.into());
    } else {
        put("compute_time_ms", compute_ms.into());
    }
    let decided = matches!(standing.status, "validated" | "rejected" | "disputed");
    if !decided {
        return;
    }
    if plan.boinc && !standing.was_rejected {
        put("credits_granted", credits.into());
    }
    put("validation", validation(plan, rng, standing.was_rejected));
}

fn validation(plan: &Plan, rng: &mut Rng, rejected: bool) -> Value {
    let agreeing = if rejected { rng.below(3) } else { 3 + rng.below(2) };
    let mut validation = json!({
        "method": if plan.boinc { "consensus" } else { "direct" },
        "confidence_bps": if rejected { 2000 } else { 9500 + rng.below(501) },
        "checks_passed": ["signature", "age"],
        "checks_failed": [],
    });
    if plan.boinc {
        validation["consensus"] = json!({
            "reached": !rejected, "agreeing_miners": agreeing, "total_miners": 4, "threshold": 3,
        });
    }
    if rejected {
        validation["checks_failed"] = json!(["result"]);
        validation["reason"] = "the result does not match".into();
    }
    validation
}

fn reward(plan: &Plan, standing: &Standing) -> Value {
    let rng = &mut Rng::new(&[plan.detail_seed, 1]);
    let amount = match rng.below(3000) {
        // More than 64 bits hold: sums must not wrap.
        0 => u128::from(u64::MAX) * 5,
        _ => u128::from(1_000_000 + rng.below(100_000_000)),
    };
    let mut reward = json!({ "amount": amount.to_string(), "reward_share_bps": 10_000 });
    if plan.boinc {
        reward["points"] = (10 + rng.below(99_990)).into();
        reward["reward_share_bps"] = 2500.into();
    }
    if let Some(time_ms) = standing.finalized_at {
        reward["finalized_at"] = rfc3339(time_ms).into();
        reward["lockup_until"] = rfc3339(time_ms.saturating_sub(time_ms % HOUR_MS)).into();
    }
    if let Some(time_ms) = standing.claimed_at {
        reward["claimed_at"] = rfc3339(time_ms).into();
        reward["transfer_id"] = (u128::from(plan.detail_seed) << 32).to_string().into();
    }
    reward
}

/// Whole numbers, everyday fractions, and rarely all 18 digits.
fn decimal(whole: u64, rng: &mut Rng) -> String {
    match rng.below(20) {
        0..6 => whole.to_string(),
        6..19 => format!("{whole}.{}", ["5", "25", "125", "0625"][(rng.next() & 3) as usize]),
        _ => format!("{whole}.{:017}1", rng.below(100_000_000_000_000_000)),
    }
}
