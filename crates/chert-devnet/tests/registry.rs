//! The identity registry: pages lose nothing, branches differ, a million blocks are cheap.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chert_devnet::{Chain, Profile, RegistryQuirks, Server, ServerConfig};
use serde_json::{Value, json};
use support::{call, chain, serve};

fn id_of(record: &Value) -> Option<String> {
    let text = record["identity_id"].as_str()?.to_lowercase();
    let digits = text.strip_prefix("0x").unwrap_or(&text).to_owned();
    (digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(digits)
}

/// Whether a record can be understood, by the rules that odd ones of this chain break.
fn is_sound(record: &Value) -> bool {
    let name_chars = record["display_name"].as_str().map_or(0, |name| name.trim().chars().count());
    id_of(record).is_some()
        && name_chars <= 64
        && record["wallet_links"].is_array()
        && record["created_at"].is_u64()
        && record["updated_at"].is_u64()
}

/// What a reader makes of updates: the newest record of each identity.
fn newest(updates: &[Value]) -> BTreeMap<String, Value> {
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    for update in updates.iter().filter(|update| is_sound(update)) {
        let place = |record: &Value| {
            (record["updated_at_block"].as_u64(), record["profile_version"].as_u64().unwrap_or(1))
        };
        let id = id_of(update).unwrap();
        if newest.get(&id).is_none_or(|known| place(known) <= place(update)) {
            newest.insert(id, update.clone());
        }
    }
    newest
}

fn truth(chain: &Chain) -> BTreeMap<String, Value> {
    chain.identities().into_iter().map(|record| (id_of(&record).unwrap(), record)).collect()
}

/// Reads the registry as §11 row 35 says.
async fn read_all(server: &Server, limit: u64, tip: u64) -> Vec<Value> {
    let (mut from, mut asked, mut updates) = (0, limit, Vec::new());
    for _ in 0..20_000 {
        let page = call(server, "identity_registryUpdates", json!([from, asked])).await.result();
        let records = page["updates"].as_array().cloned().unwrap_or_default();
        assert!(records.len() as u64 <= asked);
        let highest = records.iter().filter_map(|r| r["updated_at_block"].as_u64()).max();
        let full = records.len() as u64 == asked;
        updates.extend(records);
        let latest = page["latest_block"].as_u64().unwrap();
        match (full, highest) {
            (true, Some(highest)) if highest > from => (from, asked) = (highest, limit),
            (false, _) if latest >= tip => return updates,
            (false, _) if latest > from => (from, asked) = (latest, limit),
            // The next block does not fit beside this one, which is asked for again.
            _ => asked = (asked * 2).min(1024),
        }
    }
    panic!("the registry has no end");
}

#[test]
fn everything_follows_from_seed_and_branch() {
    let [one, same] = [(); 2].map(|()| chain(7, 300, Profile::small()));
    assert_eq!(one.identities(), same.identities());
    assert_eq!(newest(&one.identity_updates(0, 300)), truth(&one));
    assert_ne!(one.identities(), chain(8, 300, Profile::small()).identities());
    let before = one.identity_updates(0, 300);
    one.reorg(40, 41);
    let after = one.identity_updates(0, 301);
    let upto = |updates: &[Value], height| {
        updates
            .iter()
            .filter(|u| u["updated_at_block"].as_u64().unwrap() <= height)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(upto(&before, 260), upto(&after, 260));
    assert_ne!(upto(&before, 300), upto(&after, 300));
    assert_eq!(newest(&after), truth(&one));
    one.reorg(300, 3);
    assert!(truth(&one).len() < 4, "identities of replaced blocks are gone");
}

#[test]
fn records_are_as_varied_as_people() {
    let chain = chain(1, 5000, Profile::realistic());
    let updates = chain.identity_updates(0, 5000);
    assert!(updates.len() > 800 && chain.identities().len() >= 200);
    let sound: Vec<&Value> = updates.iter().filter(|update| is_sound(update)).collect();
    assert!(sound.len() < updates.len(), "none is odd");
    let values = |name: &str| -> BTreeSet<String> {
        sound.iter().map(|record| record[name].to_string()).collect()
    };
    assert_eq!(values("stats_visibility").len(), 3);
    assert!(values("display_name").contains("null"));
    assert!(sound.iter().any(|record| record.get("profile_version").is_none()));
    let links: Vec<&Value> =
        sound.iter().flat_map(|record| record["wallet_links"].as_array().unwrap()).collect();
    let any = |test: &dyn Fn(&Value) -> bool| links.iter().any(|link| test(link));
    assert!(any(&|link| link["proof_signature"].as_str().unwrap().len() >= 2 * 4627));
    assert!(any(&|link| link["wallet_address"].as_str().unwrap().starts_with("VAL")));
    assert!(any(&|link| link["verified_at"].is_null()));
    assert!(any(&|link| link["link_type"] == "primary"));
    // The same wallet under two identities, and one that is linked, unlinked and linked again.
    let mut holders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut history: BTreeMap<(String, String), Vec<bool>> = BTreeMap::new();
    for record in &sound {
        let id = id_of(record).unwrap();
        let wallets: BTreeSet<String> = record["wallet_links"]
            .as_array()
            .unwrap()
            .iter()
            .map(|link| link["wallet_address"].as_str().unwrap().to_lowercase())
            .collect();
        for wallet in &wallets {
            holders.entry(wallet.clone()).or_default().insert(id.clone());
            history.entry((id.clone(), wallet.clone())).or_default();
        }
        for ((of, wallet), states) in &mut history {
            if *of == id && states.last() != Some(&wallets.contains(wallet)) {
                states.push(wallets.contains(wallet));
            }
        }
    }
    assert!(holders.values().any(|ids| ids.len() > 1));
    assert!(history.values().any(|states| states.len() >= 3));
}

#[tokio::test]
async fn pages_lose_nothing() {
    let chain = chain(3, 400, Profile::small());
    let quirks = |change: fn(&mut RegistryQuirks)| {
        let mut registry = RegistryQuirks::default();
        change(&mut registry);
        ServerConfig { registry, ..ServerConfig::default() }
    };
    let configs = [
        quirks(|_| {}),
        quirks(|quirks| quirks.split_pages = true),
        quirks(|quirks| quirks.repeat = true),
        quirks(|quirks| quirks.backwards = true),
        quirks(|quirks| quirks.exclusive_from = true),
    ];
    for config in configs {
        let server = serve(&chain, config.clone()).await;
        for limit in [2, 7, 32, 128] {
            // What an exclusive node leaves out of a block that exceeds the limit is out of reach.
            if config.registry.exclusive_from && limit < 32 {
                continue;
            }
            let updates = read_all(&server, limit, 400).await;
            let context = format!("{:?} limit {limit}", config.registry);
            assert_eq!(newest(&updates), truth(&chain), "{context}");
        }
    }
}

#[tokio::test]
async fn a_page_ends_between_blocks() {
    let chain = chain(5, 200, Profile::small());
    let server = serve(&chain, ServerConfig::default()).await;
    let page = call(&server, "identity_registryUpdates", json!([0, 10])).await.result();
    let latest = page["latest_block"].as_u64().unwrap();
    assert_eq!(page["updates"].as_array().unwrap(), &chain.identity_updates(0, latest));
    assert!(latest < 200);
    for params in [json!([0, 0]), json!([0, 1025]), json!([-1, 5])] {
        let answer = call(&server, "identity_registryUpdates", params).await.json();
        assert_eq!(answer["error"]["code"], -32602);
    }
    let lagging = serve(&chain, ServerConfig { lag_blocks: 50, ..ServerConfig::default() }).await;
    let page = call(&lagging, "identity_registryUpdates", json!([100, 1000])).await.result();
    assert_eq!(page["latest_block"], 150);
    let without = ServerConfig { identities: false, ..ServerConfig::default() };
    let answer =
        call(&serve(&chain, without).await, "identity_registryUpdates", json!([0, 5])).await;
    assert_eq!(answer.json()["error"]["code"], -32601);
}

#[test]
fn a_million_blocks_cost_little() {
    let started = Instant::now();
    let chain = chain(1, 1_000_000, Profile::realistic());
    assert!(chain.identities().len() < 5000);
    assert!(!chain.identity_updates(999_000, 1_000_000).is_empty());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}
