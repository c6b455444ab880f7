//! Single pages and their outcomes.

use std::time::Duration;

use silica_models::{RewardStatus, SignatureStatus, WorkRecord, WorkStatus};

use super::world::{START_S, World, account, item, record, tx_id};
use crate::entities::work::{PageOutcome, Parsed, WorkPage};
use crate::{PoolSettings, StoreError, Writer};

fn work(record: WorkRecord) -> Parsed {
    Parsed::Work(Box::new(record))
}

fn page(after: i64, parsed: Vec<Parsed>) -> WorkPage {
    let items = parsed.into_iter().zip(after + 1..);
    WorkPage {
        oracle_id: "o".into(),
        feed_id: "f".into(),
        feed_epoch: 1,
        after,
        items: items.map(|(p, seq)| item(seq, SignatureStatus::Verified, p)).collect(),
        head_seq: 50,
        oldest_seq: 1,
        now_s: START_S,
    }
}

#[tokio::test]
async fn a_page_moves_the_cursor_once_and_a_rewritten_feed_is_noticed() {
    let world = World::create().await;
    world.add_oracle("o").await;
    let feed = world.store.open_feed("o", "f", 1, 50, START_S).await.expect("open");
    assert_eq!((feed.feed_epoch, feed.cursor_seq, feed.last_hash), (1, 0, None));
    let first = page(0, vec![work(record("o", "a", &account(1), 1)), Parsed::Unknown]);
    let outcome = world.store.put_work_page(&first).await.expect("stored");
    assert!(matches!(outcome, PageOutcome::Stored(c) if c.applied == 1 && c.unknown == 1));
    assert_eq!(world.store.put_work_page(&first).await.expect("read"), PageOutcome::CursorMoved);
    // The cursor is set back behind the store's back: equal items are no harm, others are.
    let back = "UPDATE oracle_feeds SET cursor_seq = 0";
    sqlx::query(back).execute(world.store.pool()).await.expect("set");
    let again = world.store.put_work_page(&first).await.expect("stored");
    assert!(matches!(again, PageOutcome::Stored(c) if c.repeated == 1));
    sqlx::query(back).execute(world.store.pool()).await.expect("set");
    let other = page(0, vec![work(record("o", "b", &account(1), 1))]);
    let diverged = world.store.put_work_page(&other).await.expect("read");
    assert_eq!(diverged, PageOutcome::Diverged { seq: 1 });
    assert_eq!(world.number("SELECT count(*) FROM work_submissions").await, 1);
    let hole = WorkPage { after: 5, ..other };
    assert!(matches!(world.store.put_work_page(&hole).await, Err(StoreError::Batch(_))));
    assert_eq!(world.differing().await, []);
    world.close().await;
}

/// A page that began during the bulk backfill, when no transaction can be found by its id, and that
/// is committed after the backfill ended.
#[tokio::test]
async fn claims_of_a_page_that_outlives_the_bulk_backfill_are_looked_up() {
    let world = World::create().await;
    world.add_oracle("o").await;
    let settings = PoolSettings::new(&world.database.url);
    let mut writer = Writer::open(&settings, 12).await.expect("a writer");
    assert!(writer.enter_bulk().await.expect("bulk mode"));
    let sql = "INSERT INTO transactions (pos, tx_id, tx_key, amount, fee, transaction_type,
                                         output_count)
               VALUES (7 << 20, $1, $2, 0, 0, 'transfer', 0)";
    let insert = sqlx::query(sql).bind(tx_id(1).as_bytes().to_vec()).bind(tx_id(1).index_key());
    insert.execute(world.store.pool()).await.expect("inserted");
    world.store.open_feed("o", "f", 1, 50, START_S).await.expect("open");
    let mut claim = record("o", "a", &account(1), 1);
    claim.tx_hash = Some(tx_id(1));

    let mut obstacle = world.store.pool().begin().await.expect("begun");
    sqlx::query("SELECT 1 FROM feeds WHERE feed = 'work' FOR UPDATE")
        .execute(&mut *obstacle)
        .await
        .expect("locked");
    let store = world.store.clone();
    let page = tokio::spawn(async move { store.put_work_page(&page(0, vec![work(claim)])).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while world.number(waiting).await < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut ending = tokio::spawn(async move { writer.leave_bulk().await });
    // It ends without the page, or it waits for it.
    while !ending.is_finished() && world.number(waiting).await < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    obstacle.rollback().await.expect("unlocked");
    (&mut ending).await.expect("no panic").expect("live");
    page.await.expect("no panic").expect("stored");
    assert_eq!(world.number("SELECT COALESCE(block_height, -1) FROM work_submissions").await, 7);
    world.close().await;
}

#[tokio::test]
async fn malformed_records_do_not_block_a_feed() {
    let world = World::create().await;
    world.add_oracle("o").await;
    let mut late = record("o", "late", &account(1), 1);
    late.validated_at_ms = Some(5_000_000_000_000);
    let items = vec![
        (SignatureStatus::Unsigned, Parsed::Malformed("no \0 record".into())),
        (SignatureStatus::Unsigned, work(late)),
        (SignatureStatus::Unsigned, work(record("o", "good", &account(1), 1))),
    ];
    let outcome = world.put("o", "f", items).await;
    assert!(matches!(outcome, PageOutcome::Stored(c) if c.malformed == 2 && c.applied == 1));
    let kept = "SELECT count(*) FROM feed_quarantine WHERE feed = 'oracle:o'";
    assert_eq!(world.number(kept).await, 2);
    let feed = "SELECT cursor_seq * 100 + quarantined * 10 + unsigned FROM oracle_feeds";
    assert_eq!(world.number(feed).await, 323);
    world.close().await;
}

#[tokio::test]
async fn feeds_are_numbered_and_gaps_recorded() {
    let world = World::create().await;
    world.add_oracle("o").await;
    let open = |feed: &'static str, oldest| world.store.open_feed("o", feed, oldest, 50, START_S);
    assert_eq!(open("a", 1).await.expect("open").feed_epoch, 1);
    assert!(world.store.record_gap("o", "a", 1, 9, START_S).await.expect("recorded"));
    assert!(!world.store.record_gap("o", "a", 1, 9, START_S).await.expect("refused"));
    let after_gap = open("a", 10).await.expect("open");
    assert_eq!((after_gap.feed_epoch, after_gap.cursor_seq), (1, 9));
    let other = open("b", 4).await.expect("open");
    assert_eq!((other.feed_epoch, other.cursor_seq), (2, 3));
    // The first one is back: the oracle's log was replaced once more.
    let back = open("a", 10).await.expect("open");
    assert_eq!((back.feed_epoch, back.cursor_seq, back.last_hash), (3, 9, None));
    let lock = world.store.try_oracle_lock("o").await.expect("asked");
    assert!(world.store.try_oracle_lock("o").await.expect("asked").is_none());
    assert!(lock.expect("free").is_held().await);
    world.close().await;
}

#[tokio::test]
async fn the_earliest_oracle_wins_a_double_claim_and_loses_it_with_its_reward() {
    let world = World::create().await;
    for oracle in ["early", "late"] {
        world.add_oracle(oracle).await;
    }
    let claim = |oracle: &str, revision: i64, at_s: i64| WorkRecord {
        validated_at_ms: Some(at_s * 1_000),
        ..record(oracle, "same task", &account(7), revision)
    };
    let counted = "SELECT tasks_all FROM pouw_scores WHERE scope = 0";
    let winner = "SELECT (oracle_id = 'early')::int::bigint FROM work_submissions
                  WHERE NOT duplicate_claim";
    world.put_signed("late", vec![claim("late", 1, START_S + 60)]).await;
    world.put_signed("early", vec![claim("early", 1, START_S)]).await;
    assert_eq!((world.number(counted).await, world.number(winner).await), (1, 1));
    let taken = WorkRecord {
        reward_status: RewardStatus::ClawedBack,
        status: WorkStatus::Rejected,
        ..claim("early", 2, START_S)
    };
    world.put_signed("early", vec![taken]).await;
    assert_eq!(world.number(counted).await, 1);
    let duplicates = "SELECT count(*) FROM work_submissions WHERE duplicate_claim";
    assert_eq!(world.number(duplicates).await, 0);
    assert_eq!(world.differing().await, []);
    world.close().await;
}
