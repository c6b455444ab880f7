//! Records of other kinds than work (oracle contract §4.3.3): slashes, and what an oracle reports
//! about itself.

use serde_json::{Value, json};

use super::canonical::hex;
use super::plan::Plan;
use super::record::rfc3339;
use crate::rng::Rng;

const HOUR_MS: u64 = 3_600_000;
const DECAY_MS: u64 = 90 * 24 * HOUR_MS;
const SLASH_DOMAIN: u64 = 0x736c_6173;
const REPORT_DOMAIN: u64 = 0x7265_706f;
const REASONS: [(&str, i64); 5] = [
    ("unassigned_work", -50),
    ("result_replay", -100),
    ("receipt_forgery", -200),
    ("signature_fraud", -75),
    ("reputation_gaming", -150),
];

/// The slash of this number, of the account of `plan`.
pub(crate) fn slash_record(
    seed: u64,
    number: u32,
    plan: &Plan,
    submission_id: &[u8; 32],
    time_ms: u64,
    taken_back: bool,
) -> Value {
    let rng = &mut Rng::new(&[seed, SLASH_DOMAIN, u64::from(number)]);
    let (reason, points) = rng.pick(&REASONS);
    let mut evidence = [0; 32];
    rng.fill(&mut evidence);
    let mut record = json!({
        "slash_id": format!("s{:016x}", rng.next()),
        "miner_id": plan.miner_id(),
        "account_address": plan.account,
        "reason": reason,
        "points_deducted": points,
        "evidence_hash": hex(&evidence),
        "slashed_at": rfc3339(time_ms),
        "decays_at": rfc3339(time_ms.saturating_add(DECAY_MS)),
        "state": match (taken_back, rng.one_in(2)) {
            (false, _) => "active",
            (true, true) => "overturned",
            (true, false) => "decayed",
        },
    });
    if rng.one_in(2) {
        record["submission_id"] = hex(submission_id).into();
    }
    if let Some(project) = plan.project {
        record["project_name"] = project.into();
    }
    record
}

/// What the oracle says about the last whole hour before this time.
pub(crate) fn performance_record(seed: u64, time_ms: u64) -> Value {
    let window_end = time_ms - time_ms % HOUR_MS;
    let rng = &mut Rng::new(&[seed, REPORT_DOMAIN, window_end]);
    let completed = 50 + rng.below(200);
    let (failed, rejected, timed_out) = (rng.below(10), rng.below(12), rng.below(8));
    json!({
        "window_start": rfc3339(window_end.saturating_sub(HOUR_MS)),
        "window_end": rfc3339(window_end),
        "tasks_received": completed + failed + rng.below(20),
        "tasks_completed": completed,
        "tasks_failed": failed,
        "submissions_validated": completed,
        "submissions_rejected": rejected,
        "submissions_timed_out": timed_out,
        "queue_depth": rng.below(40),
        "active_tasks": rng.below(30),
        "active_miners": 1 + rng.below(25),
        "validation_ms_p50": 500 + rng.below(2000),
        "validation_ms_p95": 4000 + rng.below(9000),
        "consensus_reached": completed / 2,
        "consensus_failed": rng.below(4),
        "disputes_opened": rng.below(3),
        "saturation": rng.below(101),
        "uptime_seconds": 3600,
        "projects": [{
            "project_name": "MilkyWay@Home",
            "enabled": true,
            "assigned": completed / 3 + failed,
            "completed": completed / 3,
            "failed": failed,
        }],
    })
}

/// A record of a kind that no contract knows.
pub(crate) fn unknown_record(time_ms: u64) -> Value {
    json!({ "announcement": "the feed of tomorrow has more kinds", "at": rfc3339(time_ms) })
}
