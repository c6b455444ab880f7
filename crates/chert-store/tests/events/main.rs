//! The event log: numbers, order, what events say, what filters find.
#![allow(clippy::unwrap_used, reason = "tests")]

mod lives;
mod plans;
mod world;

use chert_store::Store;
use chert_store::entities::event::{Event, EventFilter, EventType, NEWS_AGE_S_MAX, prune_events};
use serde_json::{Value, json};
use silica_models::{RewardStatus, VoteChoice, WorkStatus};

use world::{NOW_S, World, grow, hash, proposal, record, vote, wallet, work};

/// Type, height and content of events.
fn brief(events: &[Event]) -> Vec<(&'static str, Option<i64>, Value)> {
    events.iter().map(|e| (e.kind.as_str(), e.height, e.data.clone())).collect()
}

fn transfer(id: &str) -> Value {
    json!({"tx_id": id, "sender": wallet(1).as_str(), "recipient": wallet(2).as_str(),
           "amount": 3, "fee": 1, "nonce": 9})
}

fn told_transfer(id: &str, index: i64) -> Value {
    json!({"tx_id": id, "index": index, "sender": wallet(1).as_str(),
           "recipient": wallet(2).as_str(), "amount": "3", "fee": "1", "nonce": 9,
           "timestamp": told_time(1), "transaction_type": "transfer"})
}

fn told_time(height: i64) -> String {
    // NOW_S − 10 000 is 2026-07-02T11:00:00Z.
    format!("2026-07-02T11:00:{height:02}.000Z")
}

async fn since(world: &World, seq: i64) -> Vec<Event> {
    world.store.list_events(seq, &EventFilter::default(), 100).await.unwrap().events
}

async fn last(store: &Store) -> i64 {
    store.event_head().await.unwrap().1.last_seq
}

#[tokio::test]
async fn a_block_is_told_with_its_transactions_and_taken_back_in_reverse() {
    let (world, mut writer) = World::new().await;
    let (a, b) = ("aa".repeat(32), "bb".repeat(32));
    let first = last(&world.store).await;
    grow(&mut writer, None, vec![vec![transfer(&a), json!(7), transfer(&b)]], 0).await.unwrap();
    let block = json!({"parent_hash": hash(0, 0), "timestamp": told_time(1),
                       "validator_address": "VAL0", "tx_count": 3});
    let expected = [
        ("block.applied", Some(1), block.clone()),
        ("transaction.confirmed", Some(1), told_transfer(&a, 0)),
        ("transaction.confirmed", Some(1), told_transfer(&b, 2)),
    ];
    let told = since(&world, first).await;
    assert_eq!(brief(&told), expected);
    assert_eq!(told.iter().map(|e| e.seq).collect::<Vec<_>>(), [first + 1, first + 2, first + 3]);
    assert!(told.iter().all(|e| e.block_hash == Some(hex::decode(hash(1, 0)).unwrap())));

    grow(&mut writer, Some(0), vec![vec![]], 1).await.unwrap();
    let empty = json!({"parent_hash": hash(0, 0), "timestamp": told_time(1),
                       "validator_address": "VAL0", "tx_count": 0});
    let mut later = vec![
        ("transaction.retracted", Some(1), told_transfer(&b, 2)),
        ("transaction.retracted", Some(1), told_transfer(&a, 0)),
        ("block.retracted", Some(1), block.clone()),
        ("block.applied", Some(1), empty.clone()),
    ];
    assert_eq!(brief(&since(&world, first + 3).await), later);
    // Who resumes before the reorganisation is told the same.
    assert_eq!(brief(&since(&world, first).await), [&expected[..], &later[..]].concat());

    // A chain may return to a branch it had left.
    grow(&mut writer, Some(0), vec![vec![transfer(&a), json!(7), transfer(&b)]], 0).await.unwrap();
    later.push(("block.retracted", Some(1), empty));
    let all = [&expected[..], &later[..], &expected[..]].concat();
    assert_eq!(brief(&since(&world, first).await), all);
}

#[tokio::test]
async fn people_votes_and_work_are_told_with_what_changed() {
    let (world, mut writer) = World::new().await;
    let first = last(&world.store).await;
    grow(&mut writer, None, vec![vec![]], 0).await.unwrap();
    world.register(&[record(1, 1, 1, true)]).await.unwrap();
    world.govern(&[proposal("p", "active", vec![vote(1, VoteChoice::For)])]).await.unwrap();
    world.govern(&[proposal("p", "succeeded", vec![vote(1, VoteChoice::Against)])]).await.unwrap();
    let validated = (WorkStatus::Validated, RewardStatus::Pending);
    let clawed = (WorkStatus::Validated, RewardStatus::ClawedBack);
    world.tell(vec![work(1, 1, validated, NOW_S)], 0).await.unwrap();
    world.tell(vec![work(1, 2, clawed, NOW_S)], 0).await.unwrap();
    world.tell(vec![work(1, 3, validated, NOW_S)], 0).await.unwrap();
    let told = since(&world, first + 1).await;
    let id = "01".repeat(32);
    let ballot = |choice: &str| {
        json!({"proposal_id": "p", "voter": wallet(1).as_str(),
        "choice": choice, "power": "10", "cast_at": NOW_S - 50})
    };
    let with = |mut data: Value, changed: bool| {
        data["changed"] = changed.into();
        data
    };
    let step = |from: Option<&str>, to: Option<&str>, at: i64| {
        json!({"proposal_id": "p",
        "title": "Title", "proposer": wallet(1).as_str(), "from": from, "to": to, "at": at})
    };
    let done = |reward: &str| {
        json!({
        "submission_id": hex::encode(work(1, 1, validated, NOW_S).submission_id),
        "oracle_id": world::ORACLE, "miner_address": wallet(1).as_str(), "work_kind": "nuw",
        "work_type": "nuw_zk_verify", "credits": null, "reward": "5000", "status": "validated",
        "reward_status": reward, "tx_id": "ab".repeat(32)})
    };
    let update = |version: Option<i64>| {
        json!({"identity_id": id, "profile_version": version,
        "changed": ["profile", "links", "visibility"], "removed": version.is_none()})
    };
    let told_work = told.iter().find(|e| e.kind == EventType::WorkValidated).unwrap();
    let work_type = told_work.data["work_type"].clone();
    let done = |reward: &str| {
        let mut data = done(reward);
        data["work_type"] = work_type.clone();
        data
    };
    assert_eq!(
        brief(&told),
        [
            ("identity.updated", Some(1), update(Some(1))),
            ("proposal.created", Some(1), step(None, Some("active"), NOW_S)),
            ("vote.cast", Some(1), with(ballot("for"), false)),
            ("proposal.state_changed", Some(1), step(Some("active"), Some("succeeded"), NOW_S)),
            ("vote.cast", Some(1), with(ballot("against"), true)),
            ("work.validated", None, done("pending")),
            ("work.clawed_back", None, done("clawed_back")),
            ("work.reinstated", None, done("pending")),
        ]
    );
    let holder = silica_models::IdentityId([1; 32]);
    let whose = |e: &Event| e.identity_id == Some(holder);
    assert!(told.iter().all(whose), "{told:?}");

    // The block under which all this was read goes, and with it what was first seen there.
    let before = last(&world.store).await;
    grow(&mut writer, Some(0), vec![vec![], vec![]], 1).await.unwrap();
    let back = since(&world, before).await;
    let back: Vec<_> =
        brief(&back).into_iter().filter(|(kind, ..)| !kind.starts_with("block")).collect();
    let at = NOW_S - 10_000;
    assert_eq!(
        back,
        [
            ("identity.updated", Some(0), update(None)),
            ("vote.retracted", Some(0), ballot("against")),
            ("proposal.retracted", Some(0), step(Some("succeeded"), None, at)),
        ]
    );
}

#[tokio::test]
async fn history_is_no_news_but_its_undoing_is() {
    let (world, mut writer) = World::new().await;
    grow(&mut writer, None, vec![vec![]], 0).await.unwrap();
    let first = last(&world.store).await;
    let validated = (WorkStatus::Validated, RewardStatus::Pending);
    let clawed = (WorkStatus::Validated, RewardStatus::ClawedBack);
    let long_ago = NOW_S - NEWS_AGE_S_MAX - 1;
    let mut old = record(1, 1, 1, true);
    old.updated_at = long_ago;
    world.register(&[old]).await.unwrap();
    world
        .tell(vec![work(1, 1, validated, long_ago), work(2, 1, validated, long_ago)], 0)
        .await
        .unwrap();
    // More follows: the oracle's history is still being read.
    world.tell(vec![work(2, 2, clawed, long_ago)], 1).await.unwrap();
    assert_eq!(last(&world.store).await, first);
    world.tell(vec![work(1, 2, clawed, long_ago)], 0).await.unwrap();
    world.tell(vec![work(3, 1, validated, NOW_S - NEWS_AGE_S_MAX)], 5).await.unwrap();
    grow(&mut writer, Some(0), vec![vec![]], 1).await.unwrap();
    let kinds: Vec<&str> = since(&world, first).await.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "work.clawed_back",
            "work.validated",
            "block.retracted",
            "identity.updated",
            "block.applied"
        ]
    );
}

#[tokio::test]
async fn old_events_are_forgotten_from_the_old_end_only() {
    let (world, mut writer) = World::new().await;
    grow(&mut writer, None, vec![vec![transfer("a")], vec![]], 0).await.unwrap();
    grow(&mut writer, Some(0), vec![vec![], vec![]], 1).await.unwrap();
    let all = world.log(&EventFilter::default(), 3).await;
    let mut db = world.store.pool().acquire().await.unwrap();
    // A row that stays protects the younger ones, whatever the clock said when they were written.
    for older in [
        "UPDATE event_log SET created_at = created_at - 100 WHERE seq <> 4",
        "UPDATE orphans SET orphaned_at = orphaned_at - 100",
    ] {
        sqlx::query(older).execute(&mut *db).await.unwrap();
    }
    let gone = prune_events(&mut db, NOW_S - 50, 100).await.unwrap();
    let head = world.store.event_head().await.unwrap().1;
    assert_eq!((gone, head.oldest_seq), (2, 4), "the rows of the first two blocks");
    assert!(head.has_expired(2) && !head.has_expired(3));
    let told = "SELECT count(*) FROM orphans WHERE transactions IS NOT NULL";
    assert_eq!(world.number(told).await, 2, "an event still speaks of them");
    let left = world.log(&EventFilter::default(), 3).await;
    assert_eq!(brief(&left), brief(&all[3..]));
    // In steps, and then what removed blocks held.
    let mut steps = 0;
    while prune_events(&mut db, NOW_S + 1, 2).await.unwrap() > 0 {
        steps += 1;
    }
    assert!(steps >= 2);
    let head = world.store.event_head().await.unwrap().1;
    let count = i64::try_from(all.len()).unwrap();
    assert_eq!((head.oldest_seq, head.last_seq), (count + 1, count));
    assert_eq!(world.number(told).await, 0);
    assert_eq!(world.number("SELECT count(*) FROM orphans").await, 2);
}
