//! Nothing of an identity that hides its figures may be learned from any route.
//!
//! Every GET route of the OpenAPI document is walked with each value of its parameters that leads
//! to a hidden identity. A new route is walked by itself; one with a parameter that this test
//! cannot fill fails it.
#![expect(clippy::expect_used, reason = "a failure is the test's failure")]

use std::collections::BTreeSet;

use e2e::api::Api;
use e2e::events::{EventStream, pages};
use e2e::people::{ORACLES, People, boinc, nuw, record};
use serde_json::{Value, json};
use silica_models::{WorkKind, submission_id_of};

const OPEN: &str = "0c00000000000000000000000000000000000000000000000000000000000001";
const SHY: &str = "5b00000000000000000000000000000000000000000000000000000000000002";
const FRIENDLY: &str = "f100000000000000000000000000000000000000000000000000000000000003";
const HIDDEN: [&str; 2] = [SHY, FRIENDLY];

/// Two wallets each: what one address did is public, that they belong together is not.
const WALLETS: [[&str; 2]; 3] = [
    ["0x0c00000000000000000000000000000000000011", "0x0c00000000000000000000000000000000000012"],
    ["0x5b00000000000000000000000000000000000021", "0x5b00000000000000000000000000000000000022"],
    ["0xf100000000000000000000000000000000000031", "0xf100000000000000000000000000000000000032"],
];
/// Credits of each wallet, and their sums, which occur nowhere else.
const CREDITS: [[&str; 2]; 3] =
    [["10101.25", "20202.5"], ["31313.25", "42424.5"], ["53535.25", "64646.5"]];
const CREDIT_SUMS: [&str; 3] = ["30303.75", "73737.75", "118181.75"];
const REWARD_SUMS: [&str; 3] = ["7000000000003", "7100000000003", "7200000000003"];
const POWER_SUMS: [&str; 3] = ["910000000003", "920000000003", "930000000003"];
const STREAM: &str = "/v1/events/stream";
const NOW: i64 = 20_600 * 86_400 + 50_000;

fn identity(index: usize, visibility: &str, version: u32) -> Value {
    let id = [OPEN, SHY, FRIENDLY][index];
    let links: Vec<(&str, i64)> = WALLETS[index].iter().map(|w| (*w, NOW - 900_000)).collect();
    let name = ["Open Book", "Shy Canary", "Friendly Canary"][index];
    let height = 2 + u64::from(version) * 3 + index as u64;
    record(id, name, visibility, (version, height, NOW - 900_000, NOW - 900_000), &links)
}

async fn plant() -> People {
    let mut people = People::new(NOW).await.expect("a stage");
    let all = [identity(0, "public", 1), identity(1, "private", 1), identity(2, "friends_only", 1)];
    people.registry(&all).await.expect("the registry");
    let mut records = Vec::new();
    let mut votes = Vec::new();
    for index in 0..3_usize {
        let step = i64::try_from(index).expect("small");
        for wallet in 0..2_usize {
            let address = WALLETS[index][wallet];
            let task = format!("c{index}{wallet}");
            let at = NOW - 5_000 - step * 100;
            let mut work = boinc(&task, address, 1, at, CREDITS[index][wallet]);
            work["reward"] = json!({"amount": "1"});
            records.push(work);
            let power = 910_000_000_001 + 10_000_000_000 * step;
            let power = if wallet == 0 { power } else { 2 };
            votes.push(json!({"proposal_id": 1, "voter": address, "support": 1, "weight": power,
                              "reason": null, "voted_at": NOW - 300}));
        }
        let reward = (7_000_000_000_001 + 100_000_000_000 * step).to_string();
        records.push(nuw(&format!("n{index}"), WALLETS[index][0], 1, NOW - 4_000, &reward));
    }
    people.work(0, &records).await.expect("work");
    let proposal = json!({"proposal_id": 1, "proposer": WALLETS[1][0], "description": "Quiet",
        "vote_start": NOW - 400, "vote_end": NOW + 4_000, "votes_for": 1, "votes_against": 0,
        "votes_abstain": 0, "state": "active", "created_at": NOW - 500, "updated_at": NOW - 400,
        "targets": [], "values": [], "calldatas": []});
    people.proposal(proposal, &votes).await.expect("a proposal");
    for (index, wallets) in WALLETS.iter().enumerate() {
        let step = 10_000_000_000 * index as u128;
        people.power(wallets[0], 910_000_000_001 + step, 0, &[]).await.expect("power");
        people.power(wallets[1], 2, 0, &[]).await.expect("power");
    }
    people.boards().await.expect("boards");
    people
}

/// Values that lead to somebody hidden, for a path's or a query's parameter.
fn values(path: &str, name: &str) -> Vec<String> {
    let own = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
    match name {
        "id" if path.contains("/proposals/") => own(&["1"]),
        "id" | "identity_id" => own(&HIDDEN),
        "addr" | "address" => WALLETS[1].iter().chain(&WALLETS[2]).map(|a| (*a).into()).collect(),
        "submission_id" => {
            let miner = format!("{}:rig1", WALLETS[1][0]);
            let id = submission_id_of(ORACLES[0], WorkKind::Boinc, "c10", &miner, 0);
            vec![hex::encode(id)]
        }
        "oracle_id" => own(&ORACLES[..1]),
        "height" | "hash" => own(&["3"]),
        "q" | "name" => {
            own(&["shy", "canary", SHY, WALLETS[1][0]])
                .into_iter()
                .filter(|v: &String| {
                    // Names are 2 to 64 characters.
                    name == "q" || v.len() <= 64
                })
                .collect()
        }
        "type" if path.starts_with("/v1/events") => own(&["work.validated", "vote.cast"]),
        "type" => own(&["boinc", "nuw"]),
        "identity" => own(&HIDDEN),
        "after" => own(&["0"]),
        "min_confirmations" => own(&["2"]),
        "timeframe" => own(&["day", "week", "month", "all"]),
        "metric" => own(&["tasks", "credits", "rewards", "recent_average_credit"]),
        "scope" => own(&["identities", "addresses"]),
        "window" => own(&["24h", "all"]),
        "status" => own(&["all", "active"]),
        _ => Vec::new(),
    }
}

/// Every GET of the document with every combination of the values above.
fn requests(document: &Value) -> Vec<String> {
    let mut requests = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let Some(get) = item.get("get") else { continue };
        if path == STREAM {
            // It does not end; it has a test of its own.
            continue;
        }
        let mut urls = vec![path.clone()];
        for parameter in get["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            let in_path = parameter["in"] == "path";
            let values = values(path, name);
            assert!(!in_path || !values.is_empty(), "no value for {name} of {path}");
            urls = urls
                .into_iter()
                .flat_map(|url| {
                    let with = |value: &String| match (in_path, url.contains('?')) {
                        (true, _) => url.replace(&format!("{{{name}}}"), value),
                        (false, true) => format!("{url}&{name}={value}"),
                        (false, false) => format!("{url}?{name}={value}"),
                    };
                    let filled: Vec<String> = values.iter().map(with).collect();
                    if in_path { filled } else { filled.into_iter().chain([url.clone()]).collect() }
                })
                .collect();
        }
        requests.extend(urls);
    }
    requests
}

/// What an answer gives away of the hidden.
fn leaks(url: &str, status: u16, body: &str) -> Vec<String> {
    let mut leaks = Vec::new();
    for index in 1..3 {
        for sum in [CREDIT_SUMS[index], REWARD_SUMS[index], POWER_SUMS[index]] {
            if body.contains(sum) {
                leaks.push(format!("{url}: {status} shows {sum}"));
            }
        }
    }
    // The registry itself is public: profile, links, search. Problems repeat the path asked for.
    let registry = url.starts_with("/v1/identity/") || status >= 400;
    let body = &without_registry_events(url, body);
    if !registry {
        for hidden in HIDDEN.iter().chain(&["Canary"]) {
            let repeats_question = url.contains(hidden) && !body.contains("identity_id");
            if body.contains(hidden) && !repeats_question {
                leaks.push(format!("{url}: {status} names {hidden}"));
            }
        }
    }
    leaks
}

/// An answer of the event log without the events that only say that a profile changed.
fn without_registry_events(url: &str, body: &str) -> String {
    if !url.starts_with("/v1/events") {
        return body.to_owned();
    }
    let mut page: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(items) = page["items"].as_array_mut() {
        items.retain(|event| event["type"] != "identity.updated");
    }
    page.to_string()
}

#[tokio::test]
async fn no_route_tells_anything_of_the_hidden() {
    let people = plant().await;
    let api = Api::start(&people.stage.database.url).await.expect("a server");
    let document = api.get("/openapi.json").await.expect("the document");
    let requests = requests(&document);
    assert!(requests.len() > 100, "only {} requests", requests.len());
    let mut found = Vec::new();
    let mut refused = BTreeSet::new();
    for url in &requests {
        let (status, body) = api.ask_text(url).await.expect("an answer");
        assert!(status < 500 || url.contains("/health"), "{url}: {status} {body}");
        found.extend(leaks(url, status, &body));
        if status == 403 {
            assert!(body.contains("stats-hidden"), "{url}: {body}");
            let path = HIDDEN.iter().fold(url.clone(), |path, id| path.replace(id, "{id}"));
            refused.insert(path.split('?').next().unwrap_or_default().to_owned());
        }
    }
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    for path in [
        "/v1/identity/{id}/stats",
        "/v1/pouw/stats/{id}",
        "/v1/pouw/history/{id}",
        "/v1/pouw/series/{id}",
        "/v1/pouw/leaderboard/around/{id}",
        "/v1/governance/stats/{id}",
        "/v1/governance/power/{id}",
        "/v1/events",
    ] {
        assert!(refused.contains(path), "{path} is not refused; refused are {refused:?}");
    }
    // A count would betray them as well: one public identity takes part.
    for url in requests.iter().filter(|url| url.starts_with("/v1/pouw/leaderboard?")) {
        let (status, board) = api.ask(url).await.expect("an answer");
        if status == 200 && board["scope"] == "identities" {
            assert!(board["total_participants"].as_i64() <= Some(1), "{url}: {board}");
        }
    }
    api.finish().await.expect("the server ends in order");
}

#[tokio::test]
async fn a_change_of_visibility_takes_effect_on_the_next_response() {
    let people = plant().await;
    let api = Api::start(&people.stage.database.url).await.expect("a server");
    let stats = format!("/v1/pouw/stats/{SHY}");
    let board = "/v1/pouw/leaderboard?type=boinc&timeframe=all";
    let balance = format!("/v1/explorer/address/{}/balance", WALLETS[1][0]);
    let proposal = "/v1/governance/proposals/1";
    let mut shown = Vec::new();
    for round in 0..4_u32 {
        let visible = round % 2 == 1;
        let visibility = if visible { "public" } else { "private" };
        people.registry(&[identity(1, visibility, 2 + round)]).await.expect("the registry");
        if visible {
            // Appearing on boards may take a refresh; vanishing may not.
            people.boards().await.expect("boards");
        }
        let (status, body) = api.ask_text(&stats).await.expect("an answer");
        assert_eq!(status, if visible { 200 } else { 403 }, "round {round}: {body}");
        assert_eq!(body.contains(CREDIT_SUMS[1]), visible, "round {round}: {body}");
        for url in [board, &balance, proposal] {
            let (status, body) = api.ask_text(url).await.expect("an answer");
            assert_eq!(status, 200, "{url}");
            assert_eq!(body.contains(SHY), visible, "round {round}: {url}: {body}");
        }
        shown.push(visible);
    }
    assert_eq!(shown, [false, true, false, true]);
    people.verify().await.expect("derived equals rebuilt");
    api.finish().await.expect("the server ends in order");
}

#[tokio::test]
async fn a_stream_names_nobody_who_hides_at_that_moment() {
    let mut people = plant().await;
    let api = Api::start(&people.stage.database.url).await.expect("a server");
    let all = pages(&api, 0, "", 500).await.expect("pages");
    let mut stream = EventStream::open(&api, "", Some(0)).await.expect("a stream");
    for known in &all {
        let event = stream.event().await.expect("an event");
        assert_eq!(event, *known);
        let registry = event["type"] == "identity.updated";
        let named = event["identity_id"] == OPEN || event["identity_id"].is_null();
        assert!(registry || named, "{event}");
        let text = event.to_string();
        assert!(registry || !HIDDEN.iter().any(|id| text.contains(id)), "{event}");
    }
    let of_open = all.iter().filter(|e| e["identity_id"] == OPEN && e["type"] == "work.validated");
    assert!(of_open.count() >= 3, "work of the public identity is not attributed: {all:?}");
    // What it hides and shows takes effect on the next event of a stream that is open, whether it
    // is delivered from memory or, to a later reader, from the database.
    for round in 0..4_u32 {
        let visible = round % 2 == 0;
        let visibility = if visible { "public" } else { "private" };
        people.registry(&[identity(1, visibility, 2 + round)]).await.expect("the registry");
        let task = format!("later{round}");
        people.work(0, &[nuw(&task, WALLETS[1][0], 1, NOW - 10, "5")]).await.expect("work");
        let event = loop {
            let event = stream.event().await.expect("an event");
            if event["type"] == "work.validated" {
                break event;
            }
            let kind = event["type"].as_str().unwrap_or_default();
            assert!(["identity.updated", "leaderboard.changed"].contains(&kind), "{event}");
        };
        let shown = if visible { json!(SHY) } else { Value::Null };
        assert_eq!(event["identity_id"], shown, "round {round}: {event}");
        assert_eq!(event.to_string().contains(SHY), visible);
        // Even of what happened while it was public.
        let page = api.get("/v1/events?type=work.validated&limit=500").await.expect("a page");
        assert_eq!(page.to_string().contains(SHY), visible, "round {round}");
        let mut late =
            EventStream::open(&api, "?type=work.validated", Some(0)).await.expect("a stream");
        loop {
            let seen = late.event().await.expect("an event");
            assert!(visible || !seen.to_string().contains(SHY), "round {round}: {seen}");
            if seen["seq"] == event["seq"] {
                assert_eq!(seen, event);
                break;
            }
        }
    }
    api.finish().await.expect("the server ends in order");
}

#[tokio::test]
async fn a_stream_about_an_identity_ends_when_it_hides() {
    let people = plant().await;
    let api = Api::start(&people.stage.database.url).await.expect("a server");
    for hidden in HIDDEN {
        let (status, body) =
            api.ask(&format!("{STREAM}?identity={hidden}")).await.expect("an answer");
        assert_eq!((status, &body["type"]), (403, &"urn:chert:problem:stats-hidden".into()));
    }
    let mut stream =
        EventStream::open(&api, &format!("?identity={OPEN}"), Some(0)).await.expect("a stream");
    let first = stream.event().await.expect("an event");
    assert_eq!(first["identity_id"], OPEN);
    people.registry(&[identity(0, "private", 2)]).await.expect("the registry");
    let frame = loop {
        let frame = stream.next().await.expect("a frame").expect("a last word");
        if frame.event == "cut" {
            break frame;
        }
        assert!(frame.data["at"].is_i64(), "{frame:?}");
    };
    assert_eq!(frame.data["reason"], "hidden");
    assert!(stream.next().await.expect("the end").is_none());
    api.finish().await.expect("the server ends in order");
}
