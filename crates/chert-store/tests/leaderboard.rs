//! Leaderboards in the store: an identity that hides is gone with its commit, whatever a refresh
//! does at the same time; and boards of many contributors.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chert_store::entities::identity::RegistryCommit;
use chert_store::entities::leaderboard::query::{Extent, list_board, list_board_around};
use chert_store::entities::leaderboard::{Board, Kind, Metric, Scope, Timeframe};
use chert_store::privacy::Viewer;
use chert_store::{FeedOutcome, PoolSettings, Store};
use chert_testkit::TestDatabase;
use sha2::{Digest, Sha256};
use silica_models::{IdentityId, IdentityRecord, Visibility};

const CROWD: i64 = 400;

async fn run_sql(store: &Store, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(store.pool()).await.unwrap();
}

/// A store with one block and a crowd of contributors, the first of whom is identity [1; 32].
async fn stage(database: &TestDatabase, crowd: i64) -> Store {
    let store = Store::connect_lazy(&PoolSettings::new(&database.url)).unwrap();
    let sql = CROWD_SQL.replace(":crowd", &crowd.to_string());
    run_sql(&store, &sql).await;
    store
}

const CROWD_SQL: &str = "
    INSERT INTO blocks (height, hash, parent_hash, timestamp, timestamp_ms, validator_address,
        tx_count, gas_used, gas_limit, total_amount, total_fees, state_root, state_leaf_count)
    VALUES (0, sha256('0'), NULL, '2026-07-03T10:15:29Z', 1783073729000, NULL, 0, 0, 0, 0, 0, NULL, 0);
    UPDATE checkpoints SET height = 0, hash = sha256('0') WHERE pipeline = 'chain';
    CREATE TABLE crowd AS
    SELECT n, CASE WHEN n = 1 THEN decode(repeat('01', 32), 'hex') ELSE sha256(n::text::bytea) END AS id,
           '0x' || lpad(to_hex(n), 40, '0') AS address
    FROM generate_series(1, :crowd::bigint) n;
    INSERT INTO identities SELECT id, 'Somebody ' || n, NULL, NULL, 'public', 0, 0, 1, 0, 0, NULL
    FROM crowd WHERE n > 1;
    INSERT INTO pouw_accounts SELECT chert_address_key(address), address FROM crowd;
    INSERT INTO pouw_scores
    SELECT scope, kind, subject, t, c, r, t / 9, c / 9, r / 9, t / 8, c / 8, r / 8, t / 5, c / 5, r / 5,
           t / 4, c / 4, r / 4, t / 3, c / 3, r / 3, t / 2, c / 2, r / 2,
           c * chert_rac_weight(20640 + n % 40), 1780000000, 1783000000 + n % 100
    FROM crowd
    CROSS JOIN (VALUES (0::smallint), (1::smallint)) k(kind)
    CROSS JOIN LATERAL (VALUES (1::smallint, id), (0::smallint, uuid_send(chert_address_key(address))))
        s(scope, subject)
    CROSS JOIN LATERAL (SELECT 10 + (n * 7919) % 5000 AS t, (n * 104729) % 1000003 + 0.125 AS c,
                               ((n * 15485863) % 1000003)::numeric * 1000000007 AS r) f;
    INSERT INTO work_submissions (submission_id, oracle_id, miner_address, account_key, identity_id,
        miner_id, work_kind, task_type, work_type, task_id, attempt, status, reward_status,
        signature_status, claim_key, detail, feed_epoch, revision, feed_seq, updated_at)
    SELECT sha256('work'), 'o', address, chert_address_key(address), id, 'm', 0, 't', 'w', 't', 0, 2, 2, 1,
           sha256('claim'), '{}', 1, 1, 1, 1 FROM crowd WHERE n = 1;
    ANALYZE;";

async fn set_visibility(store: &Store, version: u32, visibility: Visibility) {
    let record = IdentityRecord {
        identity_id: IdentityId([1; 32]),
        display_name: Some("Toggle".to_owned()),
        avatar_hash: None,
        bio: None,
        visibility,
        links: Vec::new(),
        created_at: 1,
        updated_at: 1,
        height: 0,
        profile_version: version,
    };
    let checkpoint = store.checkpoint().await.unwrap();
    let commit = RegistryCommit {
        under: (0, &checkpoint.hash),
        records: &[record],
        rejected: &[],
        synced_to: 0,
        now_s: 1_783_073_729,
    };
    assert_eq!(store.put_registry(&commit).await.unwrap(), FeedOutcome::Stored);
}

fn boards_of_identities() -> Vec<Board> {
    let of = |kind: Kind| {
        Timeframe::ALL.into_iter().flat_map(move |timeframe| {
            kind.metrics()
                .iter()
                .filter_map(move |m| Board::new(Scope::Identities, kind, timeframe, *m))
        })
    };
    Kind::ALL.into_iter().flat_map(of).collect()
}

async fn participants(store: &Store, board: Board) -> Option<i64> {
    let extent = Extent { snapshot_id: None, first: 0, rows: 1 };
    let (_, page) = list_board(store.readers(), board, extent).await.unwrap();
    page.map(|page| page.participants)
}

/// Pages and sets of places whose snapshots are gone.
async fn left_over(store: &Store) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM leaderboard_pages p
                       WHERE NOT EXISTS (SELECT 1 FROM leaderboard_snapshots s
                                         WHERE s.snapshot_id = p.snapshot_id)),
                      (SELECT count(*) FROM leaderboard_places p
                       WHERE NOT EXISTS (SELECT 1 FROM leaderboard_snapshots s
                                         WHERE s.place_set = p.place_set))";
    sqlx::query_as(sql).fetch_one(store.pool()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hidden_identity_leaves_every_board_with_its_commit() {
    let database = TestDatabase::create().await;
    let store = stage(&database, CROWD).await;
    let done = Arc::new(AtomicBool::new(false));
    let refresher = tokio::spawn({
        let (store, done) = (store.clone(), Arc::clone(&done));
        async move {
            let mut now_ms = 1_783_073_729_000;
            while !done.load(Ordering::Relaxed) {
                run_sql(&store, "UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'")
                    .await;
                now_ms += 1_000;
                store.refresh_leaderboards(now_ms).await.unwrap();
                store.prune_leaderboards(now_ms).await.unwrap();
            }
        }
    });
    let boards = boards_of_identities();
    let mut version = 1;
    for _ in 0..8 {
        set_visibility(&store, version, Visibility::Public).await;
        // Until a refresh has shown it.
        for board in &boards {
            while participants(&store, *board).await != Some(CROWD) {
                tokio::task::yield_now().await;
            }
        }
        set_visibility(&store, version + 1, Visibility::Private).await;
        for _ in 0..3 {
            for board in &boards {
                let seen = participants(&store, *board).await;
                assert_eq!(seen, Some(CROWD - 1), "{board} after version {}", version + 1);
            }
        }
        version += 2;
    }
    done.store(true, Ordering::Relaxed);
    refresher.await.unwrap();
    assert_eq!(left_over(&store).await, (0, 0));
    store.pool().close().await;
    database.close().await.unwrap();
}

#[tokio::test]
async fn every_line_is_whose_it_should_be() {
    let database = TestDatabase::create().await;
    let store = stage(&database, CROWD).await;
    set_visibility(&store, 1, Visibility::Public).await;
    store.refresh_leaderboards(1_783_073_729_000).await.unwrap();
    for (scope, who, code) in
        [(Scope::Identities, "encode(id, 'hex')", 1), (Scope::Addresses, "address", 0)]
    {
        let sql = format!(
            "SELECT {who}, trim_scale(s.rewards_168)::text FROM pouw_scores s
             JOIN crowd ON s.subject IN (id, uuid_send(chert_address_key(address)))
             WHERE s.scope = {code} AND s.work_kind = 1
             ORDER BY s.rewards_168 DESC, s.last_at, s.subject"
        );
        let expected: Vec<(String, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(store.pool()).await.unwrap();
        assert_eq!(expected.len(), 400);
        let board = Board::new(scope, Kind::Boinc, Timeframe::Week, Metric::Rewards).unwrap();
        // Pages of a walk do not begin where stored ones do.
        for (page, expected) in (0..).zip(expected.chunks(70)) {
            let extent = Extent { snapshot_id: None, first: page * 70, rows: 70 };
            let (_, found) = list_board(store.readers(), board, extent).await.unwrap();
            let lines = found.unwrap().lines.into_iter().map(|line| {
                let who = line.address.or(line.identity_id.map(hex::encode));
                (who.unwrap(), line.score)
            });
            assert_eq!(lines.collect::<Vec<_>>(), expected);
        }
    }
    store.pool().close().await;
    database.close().await.unwrap();
}

#[tokio::test]
async fn nothing_changed_costs_nothing() {
    let database = TestDatabase::create().await;
    let store = stage(&database, CROWD).await;
    let first = store.refresh_leaderboards(1_783_073_729_000).await.unwrap();
    assert_eq!((first.boards, first.unchanged), (48, 0));
    let again = store.refresh_leaderboards(1_783_073_730_000).await.unwrap();
    assert_eq!((again.boards, again.unchanged), (0, 0));
    // Another commit that concerns nobody on a board: only what decays is new.
    run_sql(&store, "UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'").await;
    let third = store.refresh_leaderboards(1_783_073_800_000).await.unwrap();
    assert_eq!((third.boards, third.unchanged), (8, 40));
    // A clock that was set back stops nothing.
    run_sql(&store, "UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'").await;
    let fourth = store.refresh_leaderboards(1_783_000_000_000).await.unwrap();
    assert_eq!(fourth.boards + fourth.unchanged, 48);
    store.pool().close().await;
    database.close().await.unwrap();
}

#[tokio::test]
async fn damaged_pages_are_errors() {
    let database = TestDatabase::create().await;
    let store = stage(&database, CROWD).await;
    store.refresh_leaderboards(1_783_073_729_000).await.unwrap();
    let extent = Extent { snapshot_id: None, first: 0, rows: 100 };
    let somebody = IdentityId(Sha256::digest("2").into());
    let around = async || {
        let board = Board::new(Scope::Identities, Kind::Boinc, Timeframe::All, Metric::Credits);
        let read = list_board_around(&store, board.unwrap(), &somebody, 3).await;
        read.map(|(_, page)| page.open(Viewer::Anonymous).unwrap().map(|page| page.lines.len()))
    };
    assert_eq!(around().await.unwrap(), Some(3));
    for damage in ["substring(body FROM 1 FOR 60)", "'\\x'::bytea", "body || '\\x00'::bytea"] {
        run_sql(&store, &format!("UPDATE leaderboard_places SET body = {damage}")).await;
        assert_eq!(around().await.unwrap_err().code(), "corrupt", "{damage}");
        run_sql(&store, "DELETE FROM leaderboard_snapshots").await;
        assert_eq!(left_over(&store).await, (0, 0));
        store.refresh_leaderboards(1_783_073_729_000).await.unwrap();
    }
    for scope in Scope::ALL {
        let board = Board::new(scope, Kind::Nuw, Timeframe::All, Metric::Tasks).unwrap();
        list_board(store.readers(), board, extent).await.unwrap();
        for damage in ["substring(body FROM 1 FOR 60)", "'\\x'::bytea", "body || '\\x00'::bytea"] {
            run_sql(&store, &format!("UPDATE leaderboard_pages SET body = {damage}")).await;
            let read = list_board(store.readers(), board, extent).await;
            assert_eq!(read.unwrap_err().code(), "corrupt", "{damage}");
            run_sql(
                &store,
                "UPDATE feeds SET generation = generation + 1; DELETE FROM leaderboard_snapshots",
            )
            .await;
            store.refresh_leaderboards(1_783_073_729_000).await.unwrap();
        }
    }
    store.pool().close().await;
    database.close().await.unwrap();
}

#[tokio::test]
async fn much_that_was_removed_leaves_room_without_autovacuum() {
    let database = TestDatabase::create().await;
    let store = stage(&database, 1).await;
    run_sql(
        &store,
        "ALTER TABLE leaderboard_pages SET (autovacuum_enabled = FALSE);
         INSERT INTO leaderboard_snapshots
             (board, participants, computed_at, hour, generation, digest, place_set)
         SELECT 'identities/nuw/all/tasks', 0, 0, 0, 0, '', 0 FROM generate_series(1, 2);
         INSERT INTO leaderboard_pages
         SELECT snapshot_id, n, '' FROM leaderboard_snapshots, generate_series(1, 10000) n",
    )
    .await;
    // Long after the first one was replaced.
    assert_eq!(store.prune_leaderboards(1_783_073_729_000).await.unwrap(), 1);
    assert_eq!(left_over(&store).await, (0, 0));
    let sql = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'leaderboard_pages'";
    // The server counts what was removed with a delay of a second.
    for _ in 0..600 {
        let vacuums: i64 = sqlx::query_scalar(sql).fetch_one(store.pool()).await.unwrap();
        if vacuums > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        store.prune_leaderboards(1_783_073_729_000).await.unwrap();
    }
    let vacuums: i64 = sqlx::query_scalar(sql).fetch_one(store.pool()).await.unwrap();
    assert!(vacuums > 0, "nothing was vacuumed");
    store.pool().close().await;
    database.close().await.unwrap();
}
