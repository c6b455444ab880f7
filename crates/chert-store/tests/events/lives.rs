//! Random lives: several writers at once, commits that are given up in the middle, a reader that
//! looks all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chert_store::entities::event::{Event, EventFilter, EventType};
use chert_store::{PoolSettings, Writer};
use silica_models::{IdentityId, RewardStatus, VoteChoice, WorkStatus};
use tokio::sync::watch;

use crate::world::{Dice, NOW_S, World, grow, proposal, record, transaction, vote, wallet, work};

const LIVES: u64 = 2;
const STEPS: u32 = 40;

/// Awaits something for a random time only: what is given up in the middle is rolled back.
async fn perhaps<T>(dice: &mut Dice, work: impl Future<Output = T>) -> Option<T> {
    match dice.roll(4) {
        0 => tokio::time::timeout(Duration::from_micros(dice.roll(6_000)), work).await.ok(),
        _ => Some(work.await),
    }
}

async fn live_chain(world: &World, mut writer: Writer, mut dice: Dice) {
    for branch in 1..=u64::from(STEPS) {
        let tip = writer.checkpoint().tip().unwrap();
        let unwind_to = (dice.roll(3) == 0 && tip > 4).then(|| tip - 1 - dice.roll(3));
        let count = 1 + dice.roll(3) + unwind_to.map_or(0, |to| tip - to);
        let mut blocks = Vec::new();
        for _ in 0..count {
            blocks.push((0..dice.roll(6)).map(|_| transaction(&mut dice)).collect());
        }
        let done = perhaps(&mut dice, grow(&mut writer, unwind_to, blocks, branch)).await;
        if done.is_none_or(|done| done.is_err()) {
            drop(writer);
            // The session that was given up keeps its lock until the server notices.
            writer = loop {
                match Writer::open(&PoolSettings::new(&world.url), 1_000).await {
                    Ok(writer) => break writer,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            };
        }
    }
}

async fn live_registry(world: &World, mut dice: Dice) {
    for version in 1..=STEPS {
        let tip = world.store.checkpoint().await.unwrap().tip().unwrap();
        let visible = dice.roll(3) > 0;
        let record = record(dice.small(3), tip - tip.min(dice.roll(3)), version, visible);
        perhaps(&mut dice, world.register(&[record])).await;
    }
}

async fn live_governance(world: &World, mut dice: Dice) {
    for _ in 0..STEPS {
        let mut readings = Vec::new();
        for id in ["p", "q", "r"].into_iter().take(1 + usize::from(dice.small(3))) {
            let state = ["active", "succeeded", "executed"][usize::from(dice.small(3))];
            let choice = [VoteChoice::For, VoteChoice::Against];
            let votes = (0..dice.small(4)).map(|v| vote(v, choice[usize::from(dice.small(2))]));
            let votes = votes.collect();
            readings.push(proposal(id, state, votes));
        }
        perhaps(&mut dice, world.govern(&readings)).await;
    }
}

async fn live_work(world: &World, mut dice: Dice) {
    let states = [
        (WorkStatus::Submitted, RewardStatus::None),
        (WorkStatus::Validated, RewardStatus::Pending),
        (WorkStatus::Validated, RewardStatus::ClawedBack),
        (WorkStatus::Rejected, RewardStatus::None),
    ];
    for revision in 1..=i64::from(STEPS) {
        let records = (0..dice.roll(4))
            .map(|_| work(dice.small(8), revision, states[usize::from(dice.small(4))], NOW_S))
            .collect();
        perhaps(&mut dice, world.tell(records, 0)).await;
        world.store.refresh_leaderboards(NOW_S * 1_000 + revision).await.unwrap();
    }
}

/// Reads on until the writers are done; every page must follow the one before without a hole.
async fn read_along(world: &World, mut dice: Dice, done: watch::Receiver<bool>) -> Vec<Event> {
    let mut read: Vec<Event> = Vec::new();
    loop {
        let last_round = *done.borrow();
        let limit = 1 + i64::from(dice.small(40));
        let after = read.last().map_or(0, |e| e.seq);
        let page = world.reader.list_events(after, &EventFilter::default(), limit).await.unwrap();
        let numbers: Vec<i64> = page.events.iter().map(|e| e.seq).collect();
        let expected: Vec<i64> = (after + 1..=page.head.last_seq.min(after + limit)).collect();
        assert_eq!(numbers, expected, "after {after}");
        let ended = page.scanned_to == page.head.last_seq;
        read.extend(page.events);
        if last_round && ended {
            return read;
        }
        if ended {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_have_no_holes_and_follow_the_commits() {
    for seed in 1..=LIVES {
        let (world, writer) = World::new().await;
        let (done, is_done) = watch::channel(false);
        let dice = |n: u64| Dice(seed * 100 + n);
        let lives = async {
            tokio::join!(
                live_chain(&world, writer, dice(1)),
                live_registry(&world, dice(2)),
                live_governance(&world, dice(3)),
                live_work(&world, dice(4)),
            );
            done.send(true).unwrap();
        };
        let (read, ()) = tokio::join!(read_along(&world, dice(5), is_done), lives);
        println!("seed {seed}: {} events", read.len());
        // What was read while it happened is what is read afterwards, whatever was removed since.
        let log = world.log(&EventFilter::default(), 37).await;
        assert_eq!(log.len(), read.len(), "seed {seed}");
        for (now, then) in log.iter().zip(&read) {
            assert_eq!(now, then, "seed {seed}");
        }
        let kinds: BTreeSet<EventType> = log.iter().map(|e| e.kind).collect();
        assert_eq!(kinds.len(), EventType::ALL.len(), "seed {seed} lacks a type: {kinds:?}");
        folds_to_the_chain(&world, &log).await;
        filters_find_what_they_ask_for(&world, &log, dice(6)).await;
        world.store.pool().close().await;
        world.reader.pool().close().await;
        world.database.close().await.unwrap();
    }
}

/// Transactions confirmed and not retracted are those of the chain.
async fn folds_to_the_chain(world: &World, log: &[Event]) {
    let mut held: BTreeMap<(i64, i64), String> = BTreeMap::new();
    for event in log.iter().filter(|e| e.kind.is_transaction()) {
        let place = (event.height.unwrap(), event.data["index"].as_i64().unwrap());
        let id = event.data["tx_id"].as_str().unwrap().replace('-', "");
        match event.kind {
            EventType::TransactionConfirmed => assert_eq!(held.insert(place, id), None),
            _ => assert_eq!(held.remove(&place), Some(id)),
        }
    }
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT pos, encode(tx_id, 'hex') FROM transactions ORDER BY pos")
            .fetch_all(world.reader.pool())
            .await
            .unwrap();
    let held: Vec<(i64, String)> =
        held.into_iter().map(|((height, index), id)| ((height << 20) + index, id)).collect();
    assert_eq!(held, rows);
}

async fn filters_find_what_they_ask_for(world: &World, log: &[Event], mut dice: Dice) {
    let mut found = 0;
    for round in 0..60 {
        let types = EventType::ALL.into_iter().filter(|_| dice.roll(3) == 0).collect();
        let filter = EventFilter {
            types: if dice.roll(3) == 0 { BTreeSet::new() } else { types },
            address: (dice.roll(2) == 0).then(|| wallet(dice.small(5)).key()),
            identity: (dice.roll(4) == 0).then(|| IdentityId([dice.small(3); 32])),
            up_to_seq: None,
        };
        let expected: Vec<&Event> = log.iter().filter(|e| filter.matches(e)).collect();
        let got = world.log(&filter, 1 + i64::from(dice.small(30))).await;
        assert_eq!(got.iter().collect::<Vec<_>>(), expected, "round {round}: {filter:?}");
        found += got.len();
        // From a place inside, and no further than another.
        let after = i64::try_from(dice.roll(log.len() as u64)).unwrap();
        let filter = EventFilter { up_to_seq: Some(after + 50), ..filter };
        let page = world.reader.list_events(after, &filter, 7).await.unwrap();
        let inside = |e: &&Event| e.seq > after && filter.matches(e);
        let expected: Vec<&Event> = log.iter().filter(inside).take(7).collect();
        assert_eq!(page.events.iter().collect::<Vec<_>>(), expected, "{after}: {filter:?}");
        assert!(page.scanned_to <= after + 50);
    }
    assert!(found > 500, "filters found {found} events only");
}
