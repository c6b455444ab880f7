//! Reads of useful work walk their indexes, with boards of 20 000, 20 000 submissions of one
//! identity and a year of days.

use chert_store::Store;
use chert_store::entities::leaderboard::edition::find_edition;
use chert_store::entities::leaderboard::query::{Extent, list_board, list_board_around};
use chert_store::entities::leaderboard::{Board, Kind, Metric, Scope, Timeframe};
use chert_store::entities::oracle::performance::Window;
use chert_store::entities::oracle::query::{find_performance, list_oracles};
use chert_store::entities::pouw_query::history::{HistoryPlace, find_history_place, list_history};
use chert_store::entities::pouw_query::{series, stats, submission};
use silica_models::IdentityId;

use crate::plans::{Expect, Plans, check, with_plans};
use crate::support::{fill, run_sql};

const NOW: i64 = 1_795_305_600;
/// Filled tables.
const TABLES: &[&str] = &[
    "identities",
    "wallet_links",
    "leaderboard_snapshots",
    "leaderboard_pages",
    "leaderboard_places",
    "pouw_scores",
    "pouw_stats",
    "pouw_daily",
    "pouw_accounts",
    "work_submissions",
    "work_submission_events",
];
/// Every submission is identity 1's; every fourth is open.
const FILL: &str = "
    CREATE TEMP TABLE crowd AS
    SELECT n, decode(lpad(to_hex(n), 64, '0'), 'hex') AS id, 'w' || n AS address,
           chert_address_key('w' || n) AS key
    FROM generate_series(1, 20000) n;
    INSERT INTO identities (identity_id, display_name, stats_visibility, created_at, updated_at,
                            profile_version, last_synced_block, wallet_count)
    SELECT id, 'n' || n, 'public', 0, 0, 1, 1, 1 FROM crowd;
    INSERT INTO wallet_links SELECT id, address, key, 'main', '', 1, NULL, 1 FROM crowd;
    INSERT INTO pouw_accounts SELECT key, address FROM crowd;
    INSERT INTO pouw_stats SELECT id, n, n, n, 0, '{}', NULL, 1, 1, 1 FROM crowd;
    INSERT INTO pouw_scores
    SELECT scope, kind, subject, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, 1, 1
    FROM crowd CROSS JOIN (VALUES (0::smallint), (1::smallint)) k(kind)
    CROSS JOIN LATERAL (VALUES (1::smallint, id), (0::smallint, uuid_send(key))) s(scope, subject);
    INSERT INTO work_submissions (submission_id, oracle_id, miner_address, account_key, identity_id,
        miner_id, work_kind, task_type, work_type, task_id, attempt, status, reward_status,
        validated_at, signature_status, claim_key, detail, feed_epoch, revision, feed_seq, updated_at)
    SELECT sha256(n::text::bytea), 'o', 'w1', (SELECT key FROM crowd WHERE n = 1),
           (SELECT id FROM crowd WHERE n = 1), 'm', 0, 't', 'w', n::text, 0, 2, 2,
           CASE WHEN n % 4 > 0 THEN n * 1000 END, 1, sha256(n::text::bytea), '{}', 1, 1, n, 1
    FROM crowd;
    INSERT INTO work_submission_events
    SELECT sha256(n::text::bytea), 1, r, 2, 2, 1, n, NULL FROM crowd, generate_series(1, 3) r;
    INSERT INTO pouw_daily
    SELECT d, key, id, 0, 't', '', 'o', 1, 0, 0, 1, 1, 1, 1
    FROM crowd CROSS JOIN generate_series(20000, 20364) d WHERE n <= 60;
    INSERT INTO leaderboard_snapshots (board, participants, computed_at, hour, generation, digest,
                                       place_set)
    SELECT 'other/' || n, 0, 0, 0, 0, '', 0 FROM crowd;
    INSERT INTO oracles VALUES ('o', 'O', '', NULL, 'feed', FALSE, 'active', NULL, NULL, NULL, 1, 1)";

#[tokio::test]
async fn reads_of_useful_work_walk_their_indexes() {
    let fill_all = async |pool| {
        fill(&pool, 0, 3, 1).await;
        run_sql(&pool, FILL).await;
        let store = Store::from_pool(pool).unwrap();
        store.refresh_leaderboards(NOW * 1000).await.unwrap();
    };
    with_plans(fill_all, check_all).await;
}

async fn check_all(plans: &Plans, store: &Store) {
    let db = store.pool();
    // What a page needs in its own order is sorted once more, a hundred rows.
    let expect =
        |name, indexes| Expect { name, indexes, sort: true, rows_max: 250, tables: TABLES };
    let person = IdentityId::parse(&format!("{:064x}", 1)).unwrap();

    let board = |scope| Board::new(scope, Kind::Nuw, Timeframe::All, Metric::Tasks).unwrap();
    let pages = [
        "leaderboard_snapshots_board",
        "leaderboard_pages_pkey",
        "leaderboard_places_pkey",
        "identities_pkey",
    ];
    let by = expect("board of identities", &pages);
    for first in [0, 9_990] {
        let extent = Extent { snapshot_id: None, first, rows: 100 };
        check(plans, &by, list_board(db, board(Scope::Identities), extent)).await;
    }
    let by = expect("edition", &["leaderboard_snapshots_board"]);
    check(plans, &by, find_edition(db, board(Scope::Identities))).await;
    let pages = [
        "leaderboard_pages_pkey",
        "leaderboard_places_pkey",
        "pouw_accounts_pkey",
        "wallet_links_key",
    ];
    let by = expect("board of addresses", &pages);
    let snapshot_id: i64 = sqlx::query_scalar(
        "SELECT max(snapshot_id) FROM leaderboard_snapshots WHERE board = 'addresses/nuw/all/tasks'",
    )
    .fetch_one(db)
    .await
    .unwrap();
    let extent = Extent { snapshot_id: Some(snapshot_id), first: 100, rows: 100 };
    check(plans, &by, list_board(db, board(Scope::Addresses), extent)).await;
    let by = expect("around", &["leaderboard_pages_pkey", "leaderboard_places_pkey"]);
    check(plans, &by, list_board_around(store, board(Scope::Identities), &person, 11)).await;

    let names =
        &["identities_pkey", "pouw_stats_pkey", "pouw_scores_pkey", "leaderboard_places_subject"];
    let by = expect("stats", names);
    check(plans, &by, stats::get_stats(db, &person, NOW)).await;

    let by = Expect { rows_max: 1_010, ..expect("history", &["work_submissions_identity"]) };
    let open = HistoryPlace { validated_at_ms: None, submission_id: vec![7; 32] };
    let decided = HistoryPlace { validated_at_ms: Some(9_000_000), ..open.clone() };
    for after in [None, Some(&open), Some(&decided)] {
        check(plans, &by, list_history(db, &person, after, 101)).await;
    }
    let by = Expect { rows_max: 10_001, ..expect("offset", &["work_submissions_identity"]) };
    check(plans, &by, find_history_place(db, &person, 10_000)).await;
    let names = &["work_submissions_pkey", "work_submission_events_pkey"];
    let one: Vec<u8> = sqlx::query_scalar("SELECT submission_id FROM work_submissions LIMIT 1")
        .fetch_one(db)
        .await
        .unwrap();
    let by = expect("submission", names);
    check(plans, &by, submission::find_submission(db, &one)).await;
    let by = Expect { rows_max: 370, ..expect("series", &["pouw_daily_identity"]) };
    check(plans, &by, series::list_series(db, &person, None, 0, 31)).await;
    check(plans, &by, series::list_series(db, &person, Some(20_100), 0, 31)).await;
    let by = expect("oracles", &[]);
    check(plans, &by, list_oracles(db, "", 0, 51)).await;
    check(plans, &by, find_performance(db, "o", Window::Day)).await;
}
