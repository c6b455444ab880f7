use proptest::prelude::*;
use serde_json::json;

use super::*;

const ORACLE: &str = "ea4a6c63e29c520abef5507b132ec5f9954776ae";
const ACCOUNT: &str = "0x1234567890123456789012345678901234567890";
const ID: &str = "1a0e3298d5dac968fd38eb5248a2e60f65d17e5754c1b3207bf61895d9a4d924";

fn with(changes: Value) -> Value {
    let mut value = json!({
        "account_address": ACCOUNT, "attempt": 0, "miner_id": format!("{ACCOUNT}:rig1"),
        "revision": 1, "reward": {"amount": "50000000", "lockup_until": "2026-02-23T18:00:02Z"},
        "reward_status": "pending", "status": "validated", "submission_id": ID,
        "submitted_at": "2026-02-23T12:00:00Z", "task_id": "nuw_1", "task_type": "zk_verify",
        "validated_at": "2026-02-23T12:00:02Z", "work_kind": "nuw",
    });
    let members = changes.as_object().cloned().unwrap_or_default();
    value.as_object_mut().expect("object").extend(members);
    value
}

fn parse(changes: Value) -> Result<WorkRecord, FormatError> {
    WorkRecord::parse(&with(changes).to_string(), ORACLE)
}

#[test]
fn the_contracts_vector() {
    let record = parse(json!({})).expect("valid");
    assert_eq!(hex::encode(record.submission_id), ID);
    assert_eq!((record.kind, record.status), (WorkKind::Nuw, WorkStatus::Validated));
    assert_eq!(record.reward_amount, Some(50_000_000));
    assert_eq!(record.submitted_at_ms, Some(1_771_848_000_000));
    assert_eq!(record.detail["reward"]["lockup_until"], "2026-02-23T18:00:02Z");
}

#[test]
fn another_oracles_record_is_refused() {
    let raw = with(json!({})).to_string();
    assert!(WorkRecord::parse(&raw, "ea4a6c63e29c520abef5507b132ec5f9954776af").is_err());
    for change in
        [json!({"attempt": 1}), json!({"task_id": "nuw_2"}), json!({"work_kind": "boinc"})]
    {
        assert!(parse(change.clone()).is_err(), "{change}");
    }
}

#[test]
fn only_known_members_are_kept() {
    let record = parse(json!({
        "user_auth": "deadbeefdeadbeefdeadbeefdeadbeef", "wu_name": "wu", "unknown": 7,
        "worker_name": "deadbeefdeadbeefdeadbeefdeadbeef",
        "chain": {"tx_hash": "0x7F3B1C529A4E4D0B8C1F2E6A5D904B13", "block_height": 5, "epoch": 9},
        "validation": {"method": "consensus", "secret": "x", "checks_passed": ["a", {"b": 1}],
            "consensus": {"reached": true, "agreeing_miners": 3, "key": "x"}},
    }));
    let record = record.expect("valid");
    assert_eq!(record.worker_name, None);
    assert_eq!(record.claimed_height, Some(5));
    assert_eq!(
        record.tx_hash.map(|t| t.to_string()).as_deref(),
        Some("7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b13")
    );
    assert_eq!(
        record.detail,
        json!({"epoch": 9, "wu_name": "wu",
            "reward": {"amount": "50000000", "lockup_until": "2026-02-23T18:00:02Z"},
            "validation": {"method": "consensus", "checks_passed": ["a"],
                "consensus": {"reached": true, "agreeing_miners": 3}}})
    );
}

#[test]
fn rules_of_states_and_kinds() {
    for bad in [
        json!({"revision": 0}),
        json!({"submitted_at": null}),
        json!({"validated_at": null}),
        json!({"reward": null}),
        json!({"reward": {"amount": "-1"}}),
        json!({"status": "vanished"}),
        json!({"reward_status": null}),
        json!({"difficulty": 1.5}),
        json!({"credits_granted": "1e3"}),
        json!({"compute_time_ms": 1_u64 << 60}),
        json!({"submitted_at": "1969-12-31T23:59:59Z"}),
        json!({"account_address": ""}),
        json!({"chain": []}),
    ] {
        assert!(parse(bad.clone()).is_err(), "{bad}");
    }
    let open = json!({"status": "assigned", "reward_status": "none", "reward": null,
        "submitted_at": null, "validated_at": null, "task_type": "ZkVerify"});
    let record = parse(open).expect("valid");
    assert_eq!((record.reward_amount, record.task_type.as_str()), (None, "zk_verify"));
}

#[test]
fn a_miner_id_that_is_a_key_is_refused() {
    for key in ["deadbeefdeadbeefdeadbeefdeadbeef", "17_deadbeefdeadbeefdeadbeefdeadbeef"] {
        let id = hex::encode(submission_id_of(ORACLE, WorkKind::Nuw, "nuw_1", key, 0));
        let error = parse(json!({"miner_id": key, "submission_id": id})).expect_err("a key");
        assert_eq!(error.what, "miner_id");
    }
}

#[test]
fn claims_of_two_oracles_meet() {
    let claim = |oracle: &str, account: &str, task: &str, result: &str| {
        let id = submission_id_of(oracle, WorkKind::Boinc, task, "m", 0);
        let raw = with(json!({"work_kind": "boinc", "task_id": task, "miner_id": "m",
            "submission_id": hex::encode(id), "account_address": account,
            "project_name": "MilkyWay@Home", "result_name": result}));
        WorkRecord::parse(&raw.to_string(), oracle).expect("valid").claim_key()
    };
    let first = claim("a", "0xAB", "t1", "r1");
    assert_eq!(first, claim("b", "0xab", "t2", "r1"));
    assert_ne!(first, claim("b", "0xac", "t2", "r1"));
    assert_ne!(first, claim("b", "0xab", "t1", "r2"));
}

proptest! {
    #[test]
    fn never_panics(key in "[a-z_]{1,20}", text in "\\PC{0,80}", number in any::<f64>()) {
        let _ = WorkRecord::parse(&text, ORACLE);
        for key in [key.as_str(), "attempt", "reward", "chain", "validated_at", "difficulty"] {
            for value in [json!(text.clone()), json!(number), json!({"amount": number})] {
                let _ = parse(json!({key: value}));
            }
        }
    }
}
