//! Boards are kept in memory, and nothing that was hidden, renamed or ranked anew is ever shown from
//! there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod support;
#[path = "support/valkey.rs"]
mod valkey;
#[path = "support/work.rs"]
mod work;

use std::time::Duration;

use chert_api::{ApiSettings, CacheBound};
use serde_json::Value;
use silica_models::{Visibility, WorkKind};
use support::{TestServer, fill, run_sql, settings};
use tokio::sync::Mutex;
use valkey::metric;
use work::{Desk, NOW, identity, person, work as done};

/// Metrics are the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());
const BOARD: &str = "/v1/pouw/leaderboard?type=nuw&limit=2";

async fn stage(settings: ApiSettings) -> (TestServer, Desk) {
    let server = TestServer::start_with(3, 1, settings).await;
    let mut desk = Desk::new(&server).await;
    let people: Vec<_> = (1..=3).map(|n| person(n, 1, Visibility::Public)).collect();
    desk.register(&people).await;
    let mut records = Vec::new();
    for (number, tasks) in [(1, 3), (2, 2), (3, 1)] {
        for task in 0..tasks {
            records.push(done(WorkKind::Nuw, &format!("{number}-{task}"), number, NOW - 60));
        }
    }
    desk.report(records).await;
    desk.refresh(NOW).await;
    (server, desk)
}

async fn reads(server: &TestServer) -> f64 {
    metric(server, "chert_store_query_seconds_count", "list_identity_board").await
}

fn names(board: &Value) -> Vec<&str> {
    let items = board["items"].as_array().unwrap();
    items.iter().map(|item| item["display_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_board_is_read_once_and_says_the_height_of_each_request() {
    let _alone = ALONE.lock().await;
    let (server, _desk) = stage(settings()).await;
    let first = server.get(BOARD).await;
    assert_eq!(names(&first.json()), ["Person 1", "Person 2"]);
    let before = reads(&server).await;
    let hits = metric(&server, "chert_cache_hits_total", "leaderboards").await;
    fill(&server.pool, 3, 1, 1).await;
    let second = server.get(BOARD).await;
    assert_eq!(
        (first.bytes, first.headers["etag"].clone()),
        (second.bytes, second.headers["etag"].clone())
    );
    assert_eq!(second.headers["chert-indexed-height"], "3");
    assert_eq!(second.headers["cache-control"], "no-cache");
    assert_eq!(reads(&server).await, before);
    assert_eq!(metric(&server, "chert_cache_hits_total", "leaderboards").await, hits + 1.0);
    // Walks and other questions are answers of their own.
    let cursor = second_page(&server).await;
    assert_eq!(names(&server.ok(&format!("{BOARD}&cursor={cursor}")).await), ["Person 3"]);
    assert_eq!(names(&server.ok(&format!("{BOARD}&offset=1")).await), ["Person 2", "Person 3"]);
}

async fn second_page(server: &TestServer) -> String {
    server.ok(BOARD).await["next_cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_changed_is_in_the_next_answer_of_every_instance() {
    let _alone = ALONE.lock().await;
    let (server, mut desk) = stage(settings()).await;
    let second = server.sibling(settings(), None).await;
    let both = async || [server.ok(BOARD).await, second.ok(BOARD).await];
    for board in both().await {
        assert_eq!(names(&board), ["Person 1", "Person 2"]);
    }
    for (version, visibility) in [(2, Visibility::Private), (3, Visibility::FriendsOnly)] {
        desk.register(&[person(1, version, visibility)]).await;
        for board in both().await {
            assert_eq!(names(&board), ["Person 2", "Person 3"]);
            assert!(!board.to_string().contains(&identity(1).to_string()));
        }
    }
    // Nor does a statement by hand pass unnoticed, which moves no board.
    run_sql(&server.pool, "UPDATE identities SET display_name = 'Renamed'").await;
    for board in both().await {
        assert_eq!(names(&board), ["Renamed", "Renamed"]);
    }
    let hide = "UPDATE identities SET stats_visibility = 'private' WHERE identity_id = '\\x";
    run_sql(&server.pool, &format!("{hide}{}'", identity(2))).await;
    for board in both().await {
        assert_eq!(names(&board), ["Renamed"]);
        assert!(!board.to_string().contains(&identity(2).to_string()));
    }
    let more = (0..5).map(|task| done(WorkKind::Nuw, &format!("more-{task}"), 3, NOW - 30));
    desk.report(more.collect()).await;
    desk.refresh(NOW + 60).await;
    for board in both().await {
        assert_eq!(board["items"][0]["tasks"], 6, "{board}");
    }
}

#[tokio::test]
async fn no_room_for_boards_keeps_none() {
    let _alone = ALONE.lock().await;
    let bound = CacheBound { entries_max: 0, age_max: Duration::from_secs(300) };
    let (server, _desk) = stage(ApiSettings { leaderboards_bound: bound, ..settings() }).await;
    let before = reads(&server).await;
    for _ in 0..3 {
        assert_eq!(names(&server.ok(BOARD).await), ["Person 1", "Person 2"]);
    }
    assert_eq!(reads(&server).await, before + 3.0);
}
