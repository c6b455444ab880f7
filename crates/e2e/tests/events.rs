//! The event log as clients get it: pages and streams of the real server.
#![expect(clippy::expect_used, reason = "a failure is the test's failure")]

use std::time::Duration;

use chert_api::stream::StreamSettings;
use chert_devnet::{Chain, ChainConfig, Profile};
use e2e::api::Api;
use e2e::events::{EventStream, Fold, numbers, pages};
use e2e::stage::Stage;
use e2e::{fast_settings, wait_until};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// The indexer's finality depth: deeper forks are refused on purpose.
const FINALITY: u64 = 12;
const SEEDS: u64 = 3;
const STEPS: usize = 25;

/// A chain of which every record can be understood, so that events can be compared with it.
fn chain(seed: u64, history: u64, mut profile: Profile) -> Chain {
    profile.odd_records = false;
    let block_time = Duration::from_secs(600);
    Chain::new(ChainConfig { seed, history, block_time, profile, ..ChainConfig::default() })
}

async fn head(api: &Api) -> anyhow::Result<i64> {
    let page = api.get("/v1/events?limit=1").await?;
    Ok(page["last_seq"].as_i64().expect("last_seq"))
}

/// A client that is thrown off again and again, between two servers over one database of which one
/// is restarted, while the chain is reorganised: what it folds is the chain.
async fn follow(seed: u64) -> anyhow::Result<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut stage = Stage::indexed(chain(seed, 20, Profile::small()), fast_settings()).await?;
    let url = stage.database.url.clone();
    let mut servers = [Api::start(&url).await?, Api::start(&url).await?];
    let (mut fold, mut last) = (Fold::default(), 0);
    let mut tip_max = stage.chain.tip().0;
    for _ in 0..STEPS {
        let tip = stage.chain.tip().0;
        let depth_max = (FINALITY - 1).saturating_sub(tip_max - tip).min(tip);
        if rng.random_bool(0.5) && depth_max > 0 {
            let depth = rng.random_range(1..=depth_max);
            stage.chain.reorg(depth, rng.random_range(depth..depth + 3));
        } else {
            stage.chain.mine(rng.random_range(1..5));
        }
        tip_max = tip_max.max(stage.chain.tip().0);
        if rng.random_bool(0.5) {
            stage.caught_up().await?;
        }
        if rng.random_bool(0.15) {
            let place = rng.random_range(0..2_usize);
            servers[place] = Api::start(&url).await?;
        }
        if rng.random_bool(0.1) {
            stage.database.terminate_connections().await?;
        }
        // What is read is any part of what there is: the next stream goes on at any event.
        let api = &servers[rng.random_range(0..2_usize)];
        let Ok(mut stream) = EventStream::open(api, "", Some(last)).await else { continue };
        let ahead = head(api).await.unwrap_or(last) - last;
        for _ in 0..rng.random_range(0..=ahead.max(0)) {
            let Ok(event) = stream.event().await else { break };
            last += 1;
            anyhow::ensure!(event["seq"] == last, "{event} instead of {last}");
            anyhow::ensure!(stream.last_id == last, "id {} of {last}", stream.last_id);
            fold.apply(&event)?;
        }
    }
    stage.chain.mine(tip_max.saturating_sub(stage.chain.tip().0) + 1);
    stage.caught_up().await?;
    stage.stop().await?;
    for api in &servers {
        // Connections that were terminated are noticed by the statements that meet them.
        wait_until("the server answers", async || {
            Ok(EventStream::open(api, "", Some(last)).await.is_ok())
        })
        .await?;
    }
    let mut stream = EventStream::open(&servers[0], "", Some(last)).await?;
    while last < head(&servers[0]).await? {
        let event = stream.event().await?;
        last += 1;
        anyhow::ensure!(event["seq"] == last, "{event} instead of {last}");
        fold.apply(&event)?;
    }
    anyhow::ensure!(fold.tip() == i64::try_from(stage.chain.tip().0).ok(), "tip {:?}", fold.tip());
    fold.equals(&stage.chain)?;
    agree_with_pages(&servers, &stage.chain).await?;
    Ok(fold.retracted)
}

/// Pages of either server say the same, in any size; with confirmations they and the stream give
/// the settled chain, and nothing that was taken back before it had settled.
async fn agree_with_pages(servers: &[Api; 2], chain: &Chain) -> anyhow::Result<()> {
    let all = pages(&servers[0], 0, "", 500).await?;
    anyhow::ensure!(all == pages(&servers[1], 0, "", 7).await?, "pages differ");
    let seqs = numbers(&all);
    anyhow::ensure!(seqs == Vec::from_iter(1..=i64::try_from(all.len())?), "gaps: {seqs:?}");
    for confirmations in [2_i64, 4, 13] {
        let query = format!("min_confirmations={confirmations}");
        let settled = pages(&servers[0], 0, &format!("&{query}"), 11).await?;
        let mut fold = Fold::default();
        for event in &settled {
            fold.apply(event)?;
        }
        let expected = i64::try_from(chain.tip().0)? - confirmations + 1;
        anyhow::ensure!(fold.tip() == Some(expected), "{:?}, not {expected}", fold.tip());
        fold.equals(chain)?;
        let again = pages(&servers[1], 0, &format!("&{query}"), 500).await?;
        anyhow::ensure!(again == settled, "pages of {query} differ");
        let mut stream = EventStream::open(&servers[1], &format!("?{query}"), Some(0)).await?;
        for expected in &settled {
            let event = stream.event().await?;
            anyhow::ensure!(event == *expected, "{event} instead of {expected}");
        }
    }
    // No reorganisation of this chain goes as deep as 13 confirmations.
    let deep = pages(&servers[0], 0, "&min_confirmations=13&type=block.retracted", 500).await?;
    anyhow::ensure!(deep.is_empty(), "{deep:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_folds_the_stream_has_the_chain() {
    let mut retracted = 0;
    for seed in 0..SEEDS {
        retracted += follow(seed).await.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    }
    assert!(retracted > 20, "only {retracted} blocks were retracted");
}

#[tokio::test]
async fn filters_give_what_the_whole_log_says() {
    let mut stage =
        Stage::indexed(chain(7, 60, Profile::small()), fast_settings()).await.expect("a stage");
    stage.chain.reorg(4, 5);
    stage.caught_up().await.expect("the fork");
    stage.stop().await.expect("the indexer stops");
    let api = Api::start(&stage.database.url).await.expect("a server");
    let all = pages(&api, 0, "", 500).await.expect("pages");
    let of = |kinds: &[&str]| -> Vec<Value> {
        all.iter()
            .filter(|event| kinds.iter().any(|kind| event["type"] == *kind))
            .cloned()
            .collect()
    };
    let kinds = ["block.retracted", "transaction.retracted"];
    assert!(!of(&kinds).is_empty());
    for query in [
        "&type=block.retracted,transaction.retracted",
        "&type=transaction.retracted&type=block.retracted",
    ] {
        assert_eq!(pages(&api, 0, query, 3).await.expect("pages"), of(&kinds), "{query}");
    }
    let busiest = stage.chain.addresses()[0].clone();
    let query = format!("address={busiest}");
    let its = pages(&api, 0, &format!("&{query}"), 5).await.expect("pages");
    let txs = api
        .get(&format!("/v1/explorer/address/{busiest}/history?limit=100"))
        .await
        .expect("history");
    let mut now: Vec<&Value> = Vec::new();
    for event in &its {
        assert_eq!(Some(event), all.iter().find(|known| known["seq"] == event["seq"]));
        let tx = &event["data"]["tx_id"];
        if event["type"] == "transaction.confirmed" {
            now.push(tx)
        } else {
            now.retain(|t| *t != tx)
        }
    }
    now.reverse();
    let history: Vec<&Value> =
        txs["items"].as_array().expect("items").iter().map(|t| &t["tx_id"]).collect();
    assert!(history.len() > 3);
    assert_eq!(now.iter().take(history.len()).copied().collect::<Vec<_>>(), history);
    // The stream gives the same, from the database and, for what comes now, from memory.
    let mut stream =
        EventStream::open(&api, &format!("?{query}&after=0"), None).await.expect("a stream");
    for expected in &its {
        assert_eq!(stream.event().await.expect("an event"), *expected);
    }
    stage.chain.mine(30);
    stage.start(fast_settings());
    stage.caught_up().await.expect("blocks");
    stage.stop().await.expect("the indexer stops");
    let after = numbers(&its).last().copied().expect("an event");
    for expected in pages(&api, after, &format!("&{query}"), 100).await.expect("pages") {
        assert_eq!(stream.event().await.expect("an event"), expected);
    }
    api.finish().await.expect("the server ends in order");
}

#[tokio::test]
async fn positions_outside_the_log_are_refused_with_where_it_is() {
    let mut stage =
        Stage::indexed(chain(8, 30, Profile::small()), fast_settings()).await.expect("a stage");
    stage.stop().await.expect("the indexer stops");
    let api = Api::start(&stage.database.url).await.expect("a server");
    let last = head(&api).await.expect("the log");
    let pool = stage.store.pool();
    sqlx::raw_sql("DELETE FROM event_log WHERE seq < (SELECT seq FROM event_log ORDER BY seq OFFSET 9 LIMIT 1)")
        .execute(pool)
        .await
        .expect("a pruned log");
    let page = api.get("/v1/events?limit=1").await.expect("a page");
    let oldest = page["oldest_seq"].as_i64().expect("oldest_seq");
    assert!(oldest > 1 && page["items"][0]["seq"] == oldest, "{page}");
    for path in ["/v1/events", "/v1/events/stream"] {
        let (status, body) =
            api.ask(&format!("{path}?after={}", oldest - 2)).await.expect("an answer");
        assert_eq!(
            (status, &body["type"]),
            (410, &"urn:chert:problem:events-expired".into()),
            "{body}"
        );
        assert!(body["detail"].as_str().is_some_and(|d| d.contains(&oldest.to_string())), "{body}");
        let (status, body) =
            api.ask(&format!("{path}?after={}", last + 1)).await.expect("an answer");
        assert_eq!(status, 400, "{body}");
        assert!(body["detail"].as_str().is_some_and(|d| d.contains(&last.to_string())), "{body}");
    }
    let mut stream = EventStream::open(&api, "", Some(oldest - 1)).await.expect("a stream");
    assert_eq!(stream.event().await.expect("an event")["seq"], oldest);
    // At the very end there is nothing yet, and that is no mistake.
    assert_eq!(
        api.get(&format!("/v1/events?after={last}")).await.expect("a page")["items"],
        serde_json::json!([])
    );
    api.finish().await.expect("the server ends in order");
}

#[tokio::test]
async fn a_stream_outlives_the_loss_of_the_database_and_ends_with_the_server() {
    let stage =
        Stage::indexed(chain(9, 10, Profile::small()), fast_settings()).await.expect("a stage");
    let api = Api::start(&stage.database.url).await.expect("a server");
    let before = head(&api).await.expect("the log");
    let mut stream = EventStream::open(&api, "", None).await.expect("a stream");
    let mut last = stream.last_id;
    assert!(last >= before, "{last} is before {before}");
    for _ in 0..3 {
        stage.database.terminate_connections().await.expect("no sessions");
        stage.chain.mine(1);
        stage.caught_up().await.expect("a block");
        let mut end = last;
        wait_until("the log has the block", async || {
            end = head(&api).await?;
            Ok(end > last)
        })
        .await
        .expect("events");
        while last < end {
            last += 1;
            assert_eq!(stream.event().await.expect("an event")["seq"], last);
        }
    }
    let ending = tokio::spawn(api.finish());
    let frame = loop {
        let frame = stream.next().await.expect("a frame").expect("a last word");
        if frame.event == "cut" {
            break frame;
        }
    };
    assert_eq!(frame.data["reason"], "closing");
    assert_eq!(frame.data["resume_after"], stream.last_id);
    assert!(stream.next().await.expect("the end").is_none());
    ending.await.expect("no panic").expect("the server ends in order");
}

#[tokio::test]
async fn streams_are_bounded_in_number_and_time() {
    let mut stage =
        Stage::indexed(chain(10, 5, Profile::small()), fast_settings()).await.expect("a stage");
    stage.stop().await.expect("the indexer stops");
    let bounds = StreamSettings { max_subscribers_per_ip: 2, ..StreamSettings::default() };
    let api = Api::start_with(&stage.database.url, bounds).await.expect("a server");
    let first = EventStream::open(&api, "", None).await.expect("a stream");
    let _second = EventStream::open(&api, "", None).await.expect("a stream");
    let (status, body) = api.ask("/v1/events/stream").await.expect("an answer");
    assert_eq!((status, &body["type"]), (429, &"urn:chert:problem:rate-limited".into()), "{body}");
    // The place of a client that goes away is free again.
    drop(first);
    wait_until("the place is free", async || Ok(EventStream::open(&api, "", None).await.is_ok()))
        .await
        .expect("one place");
    let bounds = StreamSettings {
        lifetime: Duration::from_millis(100),
        heartbeat: Duration::from_millis(10),
        ..StreamSettings::default()
    };
    let api = Api::start_with(&stage.database.url, bounds).await.expect("a server");
    let mut short = EventStream::open(&api, "", None).await.expect("a stream");
    let frame = short.next().await.expect("a frame").expect("a last word");
    assert_eq!((frame.event.as_str(), &frame.data["reason"]), ("cut", &"lifetime".into()));
    assert_eq!(frame.data["resume_after"], short.last_id);
    assert!(short.next().await.expect("the end").is_none());
    assert!(EventStream::open(&api, "", Some(short.last_id)).await.is_ok());
    api.finish().await.expect("the server ends in order");
}
