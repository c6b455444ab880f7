//! Oracles: the feed as the contract says, life cycles, everything that can go wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chert_devnet::{
    Oracle, OracleConfig, OracleDefect, OracleFault, OracleFaultPlan, OraclePacer, OracleServer,
    OracleServerConfig, Profile,
};
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Reply, chain, get};

fn oracle(seed: u64, signed: bool, items: u64) -> Oracle {
    Oracle::new(OracleConfig { seed, signed, items, ..OracleConfig::default() })
}

async fn serve(oracle: &Oracle) -> OracleServer {
    OracleServer::start(oracle.clone(), OracleServerConfig::default()).await.expect("a free port")
}

async fn ask(server: &OracleServer, path: &str) -> Reply {
    get(&server.url(), path, "").await.expect("an answer")
}

/// Every item of the feed.
async fn read_all(server: &OracleServer, limit: u64) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), 0);
    loop {
        let page =
            ask(server, &format!("/oracle/v1/work?after={after}&limit={limit}")).await.json();
        items.extend(page["items"].as_array().unwrap().clone());
        after = page["next"].as_u64().unwrap();
        if !page["has_more"].as_bool().unwrap() {
            assert_eq!(page["head_seq"], after);
            return items;
        }
    }
}

fn bytes(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Canonical JSON once more, by the sorted maps of serde_json: all names here are ASCII or sort
/// alike.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let members: Vec<String> = sorted
                .into_iter()
                .map(|(name, value)| format!("{}:{}", json!(name), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

/// Checks numbers, hash chain and signatures of a whole feed.
fn assert_verified(items: &[Value], oracle: &Oracle) {
    let key = VerifyingKey::from_bytes(&oracle.public_key()).unwrap();
    let mut prev_hash = json!("0".repeat(64));
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["seq"], index + 1);
        assert_eq!(item["prev_hash"], prev_hash);
        let text = canonical(&json!({
            "feed_id": oracle.feed_id(), "kind": item["kind"], "oracle_id": oracle.oracle_id(),
            "prev_hash": prev_hash, "record": item["record"], "seq": item["seq"],
        }));
        assert_eq!(bytes(&item["hash"]), Sha256::digest(text).as_slice(), "item {}", index + 1);
        prev_hash = item["hash"].clone();
        let message = format!("chert.work-feed.v1:{}", prev_hash.as_str().unwrap());
        let signature = Signature::from_slice(&bytes(&item["signature"])).unwrap();
        key.verify(message.as_bytes(), &signature).expect("a good signature");
    }
}

/// What a reader of work items ends with: the first record of the greatest revision.
fn newest(items: &[Value]) -> BTreeMap<String, Value> {
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    for record in items.iter().filter(|item| item["kind"] == "work").map(|item| &item["record"]) {
        let fields = ["submission_id", "account_address", "status", "work_kind"];
        let times = ["assigned_at", "submitted_at"];
        let sound = fields.iter().all(|name| record.get(*name).is_some_and(Value::is_string))
            && record["submission_id"] != "00".repeat(32)
            && record["status"] != "nearly"
            && times.iter().all(|name| record[*name].as_str().is_none_or(|at| at.ends_with('Z')));
        if !sound {
            continue;
        }
        let id = record["submission_id"].as_str().unwrap();
        let revision = |record: &Value| record["revision"].as_u64().unwrap();
        if newest.get(id).is_none_or(|known| revision(known) < revision(record)) {
            newest.insert(id.to_owned(), record.clone());
        }
    }
    newest
}

#[tokio::test]
async fn what_was_told_stays_as_it_was() {
    for seed in 1..=5 {
        let oracle = oracle(seed, true, 40);
        let server = serve(&oracle).await;
        for defect in [OracleDefect::MalformedRecord, OracleDefect::SameRevision] {
            for _ in 0..10 {
                oracle.append_defect(defect);
            }
        }
        let told = read_all(&server, 500).await;
        oracle.append(300);
        let again = read_all(&server, 500).await;
        assert_eq!(again[..told.len()], told);
        assert_verified(&again, &oracle);
    }
}

#[tokio::test]
async fn a_signed_feed_verifies_and_tells_the_truth() {
    let oracle = oracle(1, true, 700);
    let server = serve(&oracle).await;
    let items = read_all(&server, 97).await;
    assert_verified(&items, &oracle);
    assert_eq!(newest(&items), oracle.submissions());
    let info = ask(&server, "/oracle/v1/info").await.json();
    assert_eq!(info["oracle_id"], oracle.oracle_id());
    assert_eq!(info["public_key"].as_str().unwrap()[..40], *oracle.oracle_id());
    assert_eq!((&info["head_seq"], &info["feed_id"]), (&json!(700), &json!(oracle.feed_id())));
    let (id, record) = oracle.submissions().pop_first().unwrap();
    let item = ask(&server, &format!("/oracle/v1/work/{id}")).await.json();
    assert_eq!(item["record"], record);
    assert_eq!(ask(&server, "/oracle/v1/work/00").await.status, 404);
}

#[tokio::test]
async fn an_unsigned_feed_has_no_hashes() {
    let oracle = oracle(2, false, 300);
    let items = read_all(&serve(&oracle).await, 1000).await;
    assert!(items.iter().all(|item| item.get("hash").is_none() && item.get("prev_hash").is_none()));
    assert_eq!(newest(&items), oracle.submissions());
}

#[test]
fn equal_configurations_give_equal_feeds() {
    let [one, same] = [(); 2].map(|()| oracle(9, true, 200));
    one.append(50);
    (0..50).for_each(|_| _ = same.append(1));
    assert_eq!(one.submissions(), same.submissions());
    assert_eq!((one.oracle_id(), one.feed_id()), (same.oracle_id(), same.feed_id()));
    assert_ne!(one.oracle_id(), oracle(10, true, 0).oracle_id());
}

#[tokio::test]
async fn the_whole_life_cycle_occurs() {
    let chain = chain(1, 200, Profile::realistic());
    let oracle = Oracle::new(OracleConfig {
        items: 4000,
        accounts: chain.addresses(),
        chain: Some(chain.clone()),
        ..OracleConfig::default()
    });
    let items = read_all(&serve(&oracle).await, 1000).await;
    let of = |kind: &str| items.iter().filter(|item| item["kind"] == kind).count();
    assert!(of("work") > 3000 && of("slash") > 20 && of("performance") > 20);
    assert!(of("announcement") > 0);
    let records: Vec<&Value> = items.iter().map(|item| &item["record"]).collect();
    let seen = |name: &str| -> BTreeSet<&str> {
        records.iter().filter_map(|record| record[name].as_str()).collect()
    };
    for status in ["assigned", "submitted", "validated", "rejected", "timed_out", "disputed"] {
        assert!(seen("status").contains(status), "no {status}");
    }
    for status in ["none", "pending", "finalized", "claimed", "clawed_back", "voided"] {
        assert!(seen("reward_status").contains(status), "no {status}");
    }
    assert!(records.iter().any(|record| record["attempt"] == 1));
    let known: BTreeSet<String> = (0..=200)
        .flat_map(|height| chain.block(height).unwrap()["transactions"].as_array().unwrap().clone())
        .filter_map(|tx| Some(tx["tx_id"].as_str()?.to_owned()))
        .collect();
    let claims: Vec<&str> =
        records.iter().filter_map(|record| record["chain"]["tx_hash"].as_str()).collect();
    assert!(claims.iter().any(|hash| known.contains(*hash)));
    assert!(claims.iter().any(|hash| !known.contains(*hash)));
    let accounts = chain.addresses();
    assert!(seen("account_address").iter().all(|a| accounts.iter().any(|known| known == a)));
}

#[test]
fn an_oracle_that_starts_again_continues_its_feed() {
    let feed = |tip: u64, items: u64| {
        let chain = chain(1, 60, Profile::realistic());
        let accounts = chain.addresses();
        chain.mine(tip - 60);
        let genesis_ms = 1_767_225_600_000;
        // 2000 items from before the chain, then one for each of its seconds.
        let oracle = Oracle::new(OracleConfig {
            items: 2000,
            history_step_ms: 60_000,
            start_time_ms: genesis_ms - 2000 * 60_000,
            accounts,
            chain: Some(chain),
            ..OracleConfig::default()
        });
        oracle.append(items);
        oracle
    };
    // At that moment 200 blocks of 2 s were due; later the chain is longer.
    assert_eq!(feed(200, 400).submissions(), feed(1000, 400).submissions());
}

#[test]
fn oracles_of_one_shared_seed_claim_the_same_work() {
    let claims = |seed| -> BTreeSet<(String, String, String)> {
        let config = OracleConfig {
            seed,
            items: 2000,
            signed: false,
            shared_seed: Some(77),
            ..OracleConfig::default()
        };
        let records = Oracle::new(config).submissions().into_values();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        records
            .map(|record| {
                let name = if record["result_name"].is_null() { "task_id" } else { "result_name" };
                (text(&record["task_type"]), text(&record[name]), text(&record["account_address"]))
            })
            .collect()
    };
    assert!(claims(1).intersection(&claims(2)).count() > 10);
}

#[tokio::test]
async fn cursors_end_and_feeds_change() {
    let oracle = oracle(3, true, 300);
    let server = serve(&oracle).await;
    let first = oracle.feed_id();
    oracle.expire(100);
    let gone = ask(&server, "/oracle/v1/work?after=50").await;
    assert_eq!((gone.status, &gone.json()["oldest_seq"]), (410, &json!(100)));
    assert_eq!(ask(&server, "/oracle/v1/work?after=99").await.json()["items"][0]["seq"], 100);
    let before = oracle.submissions();
    let second = oracle.reset();
    assert_ne!(first, second);
    let changed = ask(&server, &format!("/oracle/v1/work?after=9&feed_id={first}")).await;
    assert_eq!((changed.status, &changed.json()["feed_id"]), (409, &json!(second)));
    let items = read_all(&server, 1000).await;
    assert_verified(&items, &oracle);
    let told = newest(&items);
    assert!(told.len() < before.len(), "some are lost");
    assert!(told.values().all(|record| record["revision"] == 1));
    oracle.append(200);
    let items = read_all(&server, 1000).await;
    assert_verified(&items, &oracle);
    let mut expected = before;
    expected.extend(newest(&items));
    let without_revision = |mut records: BTreeMap<String, Value>| {
        records.values_mut().for_each(|record| record["revision"] = 0.into());
        records
    };
    assert_eq!(without_revision(oracle.submissions()), without_revision(expected));
}

#[tokio::test]
async fn bad_requests_and_missing_keys_are_refused() {
    let oracle = oracle(4, true, 10);
    let server = serve(&oracle).await;
    for query in ["after=-1", "after=x", "limit=0", "limit=1001", "wait_ms=30001"] {
        let refused = ask(&server, &format!("/oracle/v1/work?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.json()["error"]["code"], "bad_parameters");
    }
    let config = OracleServerConfig {
        api_key: Some("secret".to_owned()),
        feed: false,
        ..OracleServerConfig::default()
    };
    let closed = OracleServer::start(oracle, config).await.unwrap();
    let refused = ask(&closed, "/nowhere").await;
    assert_eq!((refused.status, refused.body.len()), (401, 0));
    assert_eq!(ask(&closed, "/health").await.body, b"OK");
    for header in ["X-Api-Key: secret\r\n", "Authorization: Bearer secret\r\n"] {
        for path in ["/oracle/health", "/oracle/stats", "/oracle/projects", "/miner/demand"] {
            assert!(get(&closed.url(), path, header).await.unwrap().json().is_object());
        }
        assert_eq!(get(&closed.url(), "/oracle/v1/info", header).await.unwrap().status, 404);
    }
}

#[tokio::test]
async fn a_long_poll_ends_with_the_next_item() {
    let oracle = oracle(5, true, 5);
    let server = serve(&oracle).await;
    let started = Instant::now();
    let empty = ask(&server, "/oracle/v1/work?after=5&wait_ms=200").await.json();
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!((&empty["items"], &empty["next"]), (&json!([]), &json!(5)));
    let appender = oracle.clone();
    let started = Instant::now();
    let (page, ()) = tokio::join!(ask(&server, "/oracle/v1/work?after=5&wait_ms=20000"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        appender.append(2);
    });
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(page.json()["items"][0]["seq"], 6);
    let (shut, ()) = tokio::join!(ask(&server, "/oracle/v1/work?after=7&wait_ms=20000"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        oracle.reset();
    });
    assert_eq!(shut.status, 200, "another feed wakes those who wait");
}

#[tokio::test]
async fn answers_fail_as_planned() {
    let oracle = oracle(6, true, 50);
    let server = serve(&oracle).await;
    let sound = read_all(&server, 1000).await;
    let path = "/oracle/v1/work?limit=1000";
    let faults = [
        (OracleFault::TooManyRequests { retry_after_s: 7 }, 429),
        (OracleFault::Unavailable { retry_after_s: 7 }, 503),
        (OracleFault::ServerError, 500),
        (OracleFault::Unauthorized, 401),
        (OracleFault::Latency { ms: 20 }, 200),
        (OracleFault::InvalidJson, 200),
        (OracleFault::UnknownFields, 200),
        (OracleFault::BadSignature, 200),
        (OracleFault::WrongHash, 200),
        (OracleFault::BrokenChain, 200),
        (OracleFault::Gap, 200),
    ];
    for (number, (fault, status)) in faults.into_iter().enumerate() {
        server.faults().set(OracleFaultPlan {
            probability: 1.0,
            kinds: vec![fault],
            paths: Some(vec!["/oracle/v1/work".to_owned()]),
            ..OracleFaultPlan::default()
        });
        let reply = ask(&server, path).await;
        assert_eq!(reply.status, status, "{fault:?}");
        assert_eq!(reply.head.contains("retry-after: 7"), [429, 503].contains(&status));
        if status == 200 {
            let page: Option<Value> = serde_json::from_slice(&reply.body).ok();
            let as_ever = page.is_some_and(|page| page["items"].as_array().unwrap() == &sound);
            assert_eq!(as_ever, matches!(fault, OracleFault::Latency { .. }), "{fault:?}");
        }
        assert_eq!(server.faults().injected(), number as u64 + 1);
        assert_eq!(ask(&server, "/oracle/v1/info").await.status, 200);
    }
    let timeout = OracleFault::Timeout { ms: 50 };
    server.faults().set(OracleFaultPlan {
        probability: 1.0,
        kinds: vec![timeout],
        ..OracleFaultPlan::default()
    });
    assert!(get(&server.url(), path, "").await.is_none());
    server.faults().clear();
    assert_eq!(read_all(&server, 1000).await, sound);
}

#[tokio::test]
async fn odd_items_are_odd_for_good() {
    let config = OracleConfig { items: 400, odd_records: false, ..OracleConfig::default() };
    let oracle = Oracle::new(config);
    let server = serve(&oracle).await;
    let head = oracle.head_seq();
    let defects = [
        OracleDefect::UnknownKind,
        OracleDefect::MalformedRecord,
        OracleDefect::UnknownFields,
        OracleDefect::SameRevision,
        OracleDefect::IllegalTransition,
    ];
    for (number, defect) in defects.into_iter().enumerate() {
        assert!(oracle.append_defect(defect), "{defect:?}");
        assert_eq!(oracle.head_seq(), head + number as u64 + 1);
    }
    let items = read_all(&server, 1000).await;
    assert_verified(&items, &oracle);
    assert_eq!(newest(&items), oracle.submissions());
    let odd = &items[items.len() - 5..];
    assert_ne!(odd[0]["kind"], "work");
    assert_eq!(odd[2]["record"]["carbon_grams"], "12.75");
    let told = |item: &Value| {
        (item["record"]["submission_id"].clone(), item["record"]["revision"].clone())
    };
    assert_eq!(items.iter().filter(|item| told(item) == told(&odd[3])).count(), 2);
    assert_eq!(odd[4]["record"]["status"], "submitted");
    assert!(!Oracle::new(OracleConfig::default()).append_defect(OracleDefect::MalformedRecord));
}

#[tokio::test]
async fn the_pacer_keeps_up_with_the_clock() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(now.as_millis()).unwrap();
    let oracle = Oracle::new(OracleConfig {
        items: 100,
        history_step_ms: 60_000,
        step_ms: 20,
        start_time_ms: now_ms - 100 * 60_000 - 40_000,
        ..OracleConfig::default()
    });
    assert_eq!(oracle.head_seq(), 100);
    let pacer = OraclePacer::start(oracle.clone());
    let deadline = Instant::now() + support::PATIENCE;
    while oracle.head_seq() < 2110 {
        assert!(Instant::now() < deadline, "the log does not grow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pacer.stop().await;
    let head = oracle.head_seq();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(oracle.head_seq(), head);
}

#[test]
fn a_hundred_thousand_items_are_cheap() {
    let started = Instant::now();
    let big = oracle(1, false, 100_000);
    assert_eq!(big.head_seq(), 100_000);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
