//! Useful work over the real server and database: figures by hand, privacy, paging.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;
#[path = "support/work.rs"]
mod work;

use serde_json::{Value, json};
use silica_models::{Decimal, RewardStatus, TxId, Visibility, WorkKind, WorkRecord, WorkStatus};
use support::{TestServer, run_sql};
use work::{DAY, Desk, NOW, ORACLE, account, identity, person, work};

fn boinc(task: &str, number: u8, at_s: i64, credits: &str) -> WorkRecord {
    let credits_granted = Decimal::parse(credits).ok();
    WorkRecord { credits_granted, ..work(WorkKind::Boinc, task, number, at_s) }
}

fn nuw(task: &str, number: u8, at_s: i64) -> WorkRecord {
    work(WorkKind::Nuw, task, number, at_s)
}

/// 1 and 2 are public, 3 is private, 4 is public and idle, 5 shows itself to friends; 9 is an
/// account without an identity.
///
/// | who | nuw tasks | boinc credits |
/// |---|---|---|
/// | 1 | 2 today, 1 two days ago, 1 clawed back | 150.5 + 0.25, the last an hour ago |
/// | 2 | 5 ten days ago | 150.75, a day and a half ago |
/// | 3 | 9 today | |
/// | 9 | 1 today | |
async fn stage() -> (TestServer, Desk) {
    let server = TestServer::start(30, 1).await;
    let mut desk = Desk::new(&server).await;
    let visible = [
        (1, Visibility::Public),
        (2, Visibility::Public),
        (3, Visibility::Private),
        (4, Visibility::Public),
        (5, Visibility::FriendsOnly),
    ];
    desk.register(&visible.map(|(number, visibility)| person(number, 1, visibility))).await;
    let mut records = vec![
        nuw("a1", 1, NOW - 100),
        nuw("a2", 1, NOW - 50),
        nuw("a3", 1, NOW - 2 * DAY - 10),
        WorkRecord { reward_status: RewardStatus::ClawedBack, ..nuw("a4", 1, NOW - 40) },
        boinc("b1", 1, NOW - 3 * DAY, "150.5"),
        boinc("b2", 1, NOW - 3_600, "0.25"),
        boinc("b3", 2, NOW - DAY - DAY / 2, "150.75"),
        nuw("d1", 9, NOW - 500),
    ];
    records.extend((0..5).map(|n| nuw(&format!("e{n}"), 2, NOW - 10 * DAY + n)));
    records.extend((0..9).map(|n| nuw(&format!("c{n}"), 3, NOW - 700 + n)));
    desk.report(records).await;
    desk.refresh(NOW).await;
    (server, desk)
}

/// What a test cares about in a line.
fn line(item: &Value) -> (u64, Option<&str>, &str) {
    let id = item["identity_id"].as_str().map(|id| &id[..2]);
    (item["rank"].as_u64().unwrap(), id, item["score"].as_str().unwrap())
}

fn lines(board: &Value) -> Vec<(u64, Option<&str>, &str)> {
    board["items"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn boards_rank_public_identities_and_every_address() {
    let (server, _desk) = stage().await;
    let board = server.ok("/v1/pouw/leaderboard?type=nuw&timeframe=all").await;
    assert_eq!(lines(&board), [(1, Some("02"), "5"), (2, Some("01"), "3")]);
    assert_eq!(board["metric"], "tasks");
    assert_eq!(board["scope"], "identities");
    assert_eq!(board["total_participants"], 2);
    assert_eq!(board["updated_at"], NOW);
    // A day ago: 2 had 5, 1 had one: nobody has moved.
    let second = json!({
        "rank": 2, "identity_id": "01".repeat(32), "display_name": "Person 1", "address": null,
        "score": "3", "tasks": 3, "rewards": "300", "percentile": 50.0, "rank_change_24h": 0,
    });
    assert_eq!(board["items"][1], second);

    let day = server.ok("/v1/pouw/leaderboard?type=nuw&timeframe=day&scope=addresses").await;
    assert_eq!(lines(&day), [(1, None, "9"), (2, Some("01"), "2"), (3, None, "1")]);
    assert_eq!(day["items"][0]["address"], account(3).as_str());
    assert_eq!(day["items"][0]["display_name"], Value::Null);
    assert_eq!(day["items"][1]["display_name"], "Person 1");
    // Nobody but number 2 worked on the day before, and it did not work today.
    assert_eq!(day["items"][1]["rank_change_24h"], Value::Null);

    // 150.75 each: the one who reached it first stands first, both share the rank.
    let credits = server.ok("/v1/pouw/leaderboard?type=boinc").await;
    assert_eq!(lines(&credits), [(1, Some("02"), "150.75"), (1, Some("01"), "150.75")]);
    assert_eq!(credits["items"][1]["rank_change_24h"], 1);
    assert_eq!(credits["items"][1]["percentile"], 100.0);
    let week = server.ok("/v1/pouw/leaderboard?type=boinc&timeframe=week&metric=rewards").await;
    assert_eq!(lines(&week), [(1, Some("01"), "200"), (2, Some("02"), "100")]);
    let recent = server.ok("/v1/pouw/leaderboard?type=boinc&metric=recent_average_credit").await;
    assert_eq!(recent["items"][0]["identity_id"], "02".repeat(32));
    assert_eq!(recent["items"][0]["rank_change_24h"], Value::Null);

    let around = "/v1/pouw/leaderboard/around";
    let near = server.ok(&format!("{around}/{}?limit=1", identity(1))).await;
    assert_eq!(lines(&near), [(2, Some("01"), "3")]);
    let near = server.ok(&format!("{around}/0x{}?type=nuw&timeframe=all", identity(1))).await;
    assert_eq!(near["items"], board["items"]);
    assert!(near.get("next_cursor").is_none());
    let idle = server.get(&format!("{around}/{}", identity(4))).await;
    idle.assert_problem(404, "not-found");
    let credits = server.get("/v1/pouw/leaderboard?type=nuw&metric=credits").await;
    credits.assert_problem(400, "invalid-parameter");
}

#[tokio::test]
async fn hiding_takes_effect_on_the_next_response() {
    let (server, desk) = stage().await;
    let stats = |number: u8| format!("/v1/pouw/stats/{}", identity(number));
    let of = |number: u8| {
        ["stats", "history", "series", "leaderboard/around"]
            .map(|part| format!("/v1/pouw/{part}/{}", identity(number)))
    };
    for hidden in [3, 5] {
        for path in of(hidden) {
            server.get(&path).await.assert_problem(403, "stats-hidden");
        }
    }
    for path in of(77) {
        server.get(&path).await.assert_problem(404, "not-found");
    }
    let board = "/v1/pouw/leaderboard?type=nuw";
    let page = server.ok(&format!("{board}&limit=1")).await;
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    server.ok(&stats(2)).await;

    desk.register(&[person(2, 2, Visibility::Private)]).await;
    for path in of(2) {
        server.get(&path).await.assert_problem(403, "stats-hidden");
    }
    let reply = server.get(board).await;
    assert_eq!(reply.header("cache-control"), "no-cache");
    assert_eq!(lines(&reply.json()), [(1, Some("01"), "3")]);
    assert_eq!(reply.json()["total_participants"], 1);
    let old = server.get(&format!("{board}&cursor={cursor}")).await;
    old.assert_problem(410, "snapshot-expired");
    let every = server.ok("/v1/pouw/leaderboard?type=nuw&scope=addresses").await;
    assert_eq!(lines(&every)[1], (2, None, "5"));
    let mine = server.ok(&stats(1)).await;
    assert_eq!(mine["ranks"]["nuw"], json!({"rank": 1, "of": 1}));

    desk.register(&[person(2, 3, Visibility::Public)]).await;
    desk.refresh(NOW + 5).await;
    assert_eq!(lines(&server.ok(board).await)[0], (1, Some("02"), "5"));
    desk.register(&[person(1, 2, Visibility::FriendsOnly)]).await;
    assert_eq!(lines(&server.ok(board).await), [(1, Some("02"), "5")]);
}

#[tokio::test]
async fn statistics_and_history_by_hand() {
    let (server, mut desk) = stage().await;
    let path = format!("/v1/pouw/stats/{}", identity(1));
    let stats = server.ok(&path).await;
    // Three nuw tasks and two results of 100 each; the fourth task was clawed back.
    assert_eq!(stats["identity_id"], identity(1).to_string());
    assert_eq!(stats["total_nuw_completed"], 3);
    assert_eq!(stats["total_boinc_credits"], "150.75");
    assert_eq!(stats["total_rewards"], "500");
    assert_eq!(stats["pending_rewards"], "0");
    let breakdown = json!({
        "zk_batch_verify": {"count": 3, "credits": "0", "rewards": "300"},
        "boinc_rosetta": {"count": 2, "credits": "150.75", "rewards": "200"},
    });
    assert_eq!(stats["work_breakdown"], breakdown);
    assert_eq!(stats["ranks"]["nuw"], json!({"rank": 2, "of": 2}));
    assert_eq!(stats["ranks"]["boinc"], json!({"rank": 1, "of": 2}));
    assert_eq!(stats["rank_percentile"], 100.0);
    assert_eq!(stats["active_since"], NOW - 3 * DAY);
    assert_eq!(stats["last_contribution"], NOW - 50);
    let average: f64 = stats["recent_average_credit"].as_str().unwrap().parse().unwrap();
    assert!((0.0..20.0).contains(&average), "{average}");
    let idle = server.ok(&format!("/v1/pouw/stats/{}", identity(4))).await;
    assert_eq!(idle["total_rewards"], "0");
    assert_eq!(idle["ranks"]["nuw"], json!({"rank": null, "of": 2}));
    assert_eq!(idle["rank_percentile"], Value::Null);

    // Two that are open come before everything decided.
    let open = |task: &str| WorkRecord {
        status: WorkStatus::Submitted,
        reward_status: RewardStatus::None,
        validated_at_ms: None,
        reward_amount: None,
        ..nuw(task, 1, NOW)
    };
    desk.report(vec![open("f1"), open("f2")]).await;
    let history = format!("/v1/pouw/history/{}", identity(1));
    let all = server.ok(&format!("{history}?limit=500")).await;
    let all = all["items"].as_array().unwrap().clone();
    let times: Vec<Option<i64>> = all.iter().map(|item| item["validated_at"].as_i64()).collect();
    let expected = [
        None,
        None,
        Some(NOW - 40),
        Some(NOW - 50),
        Some(NOW - 100),
        Some(NOW - 3_600),
        Some(NOW - 2 * DAY - 10),
        Some(NOW - 3 * DAY),
    ];
    assert_eq!(times, expected);
    for limit in [1, 2, 3, 8] {
        assert_eq!(server.walk(&history, limit).await, all, "by {limit}");
    }
    for offset in [0, 1, 2, 7, 8, 9, 10_000] {
        let page = server.ok(&format!("{history}?limit=3&offset={offset}")).await;
        let expected: Vec<_> = all.iter().skip(offset).take(3).cloned().collect();
        assert_eq!(page["items"], Value::from(expected), "at {offset}");
    }
    let item = &all[2];
    assert_eq!(item["reward_status"], "clawed_back");
    assert_eq!((&item["difficulty"], &item["reward"]), (&json!("1.5"), &json!("100")));
    assert_eq!((&item["work_type"], &item["work_kind"]), (&json!("nuw_zkproof"), &json!("nuw")));
    assert_eq!(
        (&item["signature_status"], &item["submitted_at"]),
        (&json!("verified"), &json!(NOW - 41))
    );
    server.get(&format!("{history}?limit=501")).await.assert_problem(400, "invalid-parameter");
    let other = format!("/v1/pouw/history/{}?cursor=", identity(4));
    let cursor = server.ok(&format!("{history}?limit=1")).await["next_cursor"].clone();
    let wrong = server.get(&format!("{other}{}", cursor.as_str().unwrap())).await;
    wrong.assert_problem(400, "invalid-parameter");
}

#[tokio::test]
async fn a_submission_tells_its_life() {
    let (server, mut desk) = stage().await;
    let tx = server.ok("/v1/explorer/transactions?limit=1").await["items"][0].clone();
    let first = WorkRecord {
        status: WorkStatus::Submitted,
        reward_status: RewardStatus::None,
        validated_at_ms: None,
        reward_amount: None,
        ..nuw("g1", 2, NOW - 20)
    };
    desk.report(vec![first]).await;
    let paid = WorkRecord {
        revision: 2,
        tx_hash: TxId::parse(tx["tx_id"].as_str().unwrap()).ok(),
        claimed_height: Some(3),
        ..nuw("g1", 2, NOW - 20)
    };
    let id = hex(&paid.submission_id);
    desk.report(vec![paid]).await;
    let path = format!("/v1/pouw/submissions/{id}");
    let view = server.ok(&path).await;
    assert_eq!(view["submission_id"], id);
    assert_eq!(view["status"], "validated");
    assert_eq!(view["tx_id"], tx["tx_id"]);
    // The oracle says 3; the transaction is elsewhere.
    assert_eq!((&view["claimed_height"], &view["block_height"]), (&json!(3), &tx["block_height"]));
    assert_eq!(view["display_name"], "Person 2");
    let steps: Vec<_> = view["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["revision"].as_i64().unwrap(), step["status"].as_str().unwrap()))
        .collect();
    assert_eq!(steps, [(1, "submitted"), (2, "validated")]);
    let hidden = nuw("c1", 3, NOW).submission_id;
    let view = server.ok(&format!("/v1/pouw/submissions/0X{}", hex(&hidden).to_uppercase())).await;
    assert_eq!(view["miner_address"], account(3).as_str());
    assert_eq!((&view["identity_id"], &view["display_name"]), (&Value::Null, &Value::Null));
    let none = format!("/v1/pouw/submissions/{}", "ab".repeat(32));
    server.get(&none).await.assert_problem(404, "not-found");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn oracles_projects_network_and_series() {
    let (server, mut desk) = stage().await;
    let lost = WorkRecord {
        status: WorkStatus::Rejected,
        reward_status: RewardStatus::None,
        reward_amount: None,
        ..nuw("h1", 1, NOW - 30)
    };
    desk.report(vec![lost]).await;
    desk.store.refresh_oracle_performance(NOW).await.unwrap();
    let oracles = server.ok("/v1/pouw/oracles").await;
    assert_eq!(oracles["items"][0]["oracle_id"], ORACLE);
    assert_eq!(oracles["items"][0]["feed_lag_items"], 0);
    assert!(!oracles.to_string().contains("oracle.example"), "{oracles}");

    let path = format!("/v1/pouw/oracle/{ORACLE}/performance");
    let day = server.ok(&path).await;
    // Today: 3 of number 1 (one clawed back, yet validated), 9 of 3, 1 of 9, 1 boinc; one rejected.
    assert_eq!((&day["window"], &day["sample_size"]), (&json!("24h"), &json!(15)));
    assert_eq!((&day["validated"], &day["rejected"]), (&json!(14), &json!(1)));
    assert_eq!(day["acceptance_rate"], 0.9333);
    assert_eq!(day["throughput_per_hour"], 0.625);
    let p99 = day["validation_ms"]["p99"].as_i64().unwrap();
    assert!((980..=1_020).contains(&p99), "{p99}");
    assert_eq!((&day["availability"], &day["backlog"]), (&Value::Null, &json!(0)));
    assert_eq!(day["integrity"]["verified"], 23);
    assert_eq!(day["credits_granted"], "0.25");
    let all = server.ok(&format!("{path}?window=all")).await;
    assert_eq!(all["sample_size"], 23);
    server.get(&format!("{path}?window=1y")).await.assert_problem(400, "invalid-parameter");
    let nobody = server.get("/v1/pouw/oracle/0123/performance").await;
    nobody.assert_problem(404, "not-found");

    let projects = server.ok("/v1/pouw/projects").await;
    assert_eq!(projects["items"][0]["project"], "Rosetta@Home");
    assert_eq!(projects["items"][0]["credits"], "301.5");
    let network = server.ok("/v1/pouw/network").await;
    assert_eq!(network["kinds"][0]["work_kind"], "nuw");
    assert_eq!(network["kinds"][0]["validated"], 18);
    assert_eq!(network["kinds"][0]["active_miners"]["all"], 4);
    assert_eq!(network["task_types"][0]["task_type"], "zk_batch_verify");

    let series = format!("/v1/pouw/series/{}", identity(1));
    let days = server.ok(&series).await;
    let counts: Vec<_> = days["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| ((NOW - d["starts_at"].as_i64().unwrap()) / DAY, d["nuw_tasks"].as_i64().unwrap()))
        .collect();
    assert_eq!(counts, [(1, 2), (3, 1)]);
    assert_eq!(server.walk(&series, 1).await, *days["items"].as_array().unwrap());
}

#[tokio::test]
async fn a_walk_stays_with_its_snapshot() {
    let (server, desk) = stage().await;
    run_sql(&server.pool, CROWD).await;
    desk.refresh(NOW + 10).await;
    for scope in ["identities", "addresses"] {
        let path = format!("/v1/pouw/leaderboard?type=nuw&metric=rewards&scope={scope}");
        let first = server.ok(&format!("{path}&limit=100")).await;
        let total = first["total_participants"].as_u64().unwrap();
        let mut items = first["items"].as_array().unwrap().clone();
        let mut cursor = first["next_cursor"].as_str().map(str::to_owned);
        let mut later = NOW + 20;
        while let Some(text) = cursor {
            // The board changes under the walk.
            let change =
                "UPDATE pouw_scores SET rewards_all = rewards_all + 7 WHERE tasks_all % 2 = 0;
                          UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'";
            run_sql(&server.pool, change).await;
            desk.refresh(later).await;
            later += 10;
            let page = server.ok(&format!("{path}&limit=100&cursor={text}")).await;
            assert_eq!(page["snapshot_id"], first["snapshot_id"]);
            items.extend(page["items"].as_array().unwrap().clone());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
        }
        assert_eq!(u64::try_from(items.len()).unwrap(), total);
        let ranks: Vec<u64> = items.iter().map(|item| item["rank"].as_u64().unwrap()).collect();
        assert!(ranks.is_sorted());
        let names: std::collections::HashSet<_> =
            items.iter().map(|i| format!("{}{}", i["identity_id"], i["address"])).collect();
        assert_eq!(names.len(), items.len());
        let page = server.ok(&format!("{path}&limit=5&offset=200")).await;
        assert_ne!(page["snapshot_id"], first["snapshot_id"]);
        assert_eq!(page["items"].as_array().unwrap().len(), 5);
    }
    // Ten minutes later only the newest is left.
    let before = server.ok("/v1/pouw/leaderboard?type=nuw&limit=1").await;
    run_sql(
        &server.pool,
        "UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'; \
                           UPDATE pouw_scores SET tasks_all = tasks_all + 1",
    )
    .await;
    desk.refresh(NOW + 10_000).await;
    run_sql(
        &server.pool,
        "UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'; \
                           UPDATE pouw_scores SET tasks_all = tasks_all + 1",
    )
    .await;
    desk.refresh(NOW + 20_000).await;
    let cursor = before["next_cursor"].as_str().unwrap();
    let gone = server.get(&format!("/v1/pouw/leaderboard?type=nuw&cursor={cursor}")).await;
    gone.assert_problem(410, "snapshot-expired");
}

/// 300 more contributors, each with a public identity.
const CROWD: &str = "
    INSERT INTO identities
    SELECT sha256(('crowd ' || n)::bytea), 'Crowd ' || n, NULL, NULL, 'public', 0, 0, 1, 1, 0, NULL
    FROM generate_series(1, 300) n;
    INSERT INTO pouw_accounts
    SELECT chert_address_key('0x' || lpad(to_hex(n), 40, '0')), '0x' || lpad(to_hex(n), 40, '0')
    FROM generate_series(1, 300) n;
    INSERT INTO pouw_scores
    SELECT x.scope, 0, x.subject, n, 0, n / 3 + 1, n, 0, n, n, 0, n, n, 0, n, n, 0, n, n, 0, n, n, 0, n,
           0, 1, 1
    FROM generate_series(1, 300) n
    CROSS JOIN LATERAL (VALUES (1::smallint, sha256(('crowd ' || n)::bytea)),
        (0::smallint, uuid_send(chert_address_key('0x' || lpad(to_hex(n), 40, '0'))))) x(scope, subject);
    UPDATE feeds SET generation = generation + 1 WHERE feed = 'work';";
