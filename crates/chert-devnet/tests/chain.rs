//! The chain itself: determinism, links, reorgs, balances.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chert_devnet::{Chain, ChainConfig, Miner, MinerConfig, Profile};
use serde_json::Value;
use support::chain;

fn text(chain: &Chain) -> Vec<String> {
    (0..=chain.tip().0).map(|height| chain.block(height).unwrap().to_string()).collect()
}

fn assert_linked(chain: &Chain) {
    let mut parent = String::new();
    let mut time = String::new();
    let mut ids = BTreeSet::new();
    for height in 0..=chain.tip().0 {
        let block = chain.block(height).unwrap();
        assert_eq!(block["block_number"], height);
        assert_eq!(block["previous_block_hash"], parent.as_str(), "height {height}");
        let this_time = block["timestamp"].as_str().unwrap()[..23].to_owned();
        assert!(this_time > time, "time stands still at {height}");
        time = this_time;
        parent = block["block_hash"].as_str().unwrap().to_owned();
        assert_eq!(chain.block_by_hash(&format!("0x{}", parent.to_uppercase())).unwrap(), block);
        let transactions = block["transactions"].as_array().unwrap();
        assert_eq!(block["transaction_count"], transactions.len());
        assert_eq!(block["gas_used"].as_u64().unwrap() > 0, !transactions.is_empty());
        for tx in transactions {
            if let Some(id) = tx.get("tx_id") {
                assert!(ids.insert(id.to_string()), "{id} stands in two blocks");
            }
        }
    }
    assert_eq!(chain.tip().1, parent);
}

/// A tiny seeded generator for the scripts below.
fn random(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

fn play(chain: &Chain, seed: u64, check: impl Fn(&Chain)) {
    let state = &mut (seed + 1);
    for _ in 0..25 {
        match random(state, 3) {
            0 => {
                chain.mine(1 + random(state, 4));
            }
            _ => chain.reorg(random(state, 12), random(state, 12)),
        }
        check(chain);
    }
}

#[test]
fn equal_calls_give_equal_bytes() {
    let chains = [(); 2].map(|()| {
        let chain = chain(42, 60, Profile::realistic());
        chain.mine(5);
        chain.reorg(20, 22);
        chain.reorg(3, 1);
        chain.mine(2);
        chain
    });
    assert_eq!(text(&chains[0]), text(&chains[1]));
    assert_eq!(chains[0].addresses(), chains[1].addresses());
    assert_ne!(text(&chains[0]), text(&chain(43, 66, Profile::realistic())));
}

#[test]
fn blocks_stay_linked_through_reorgs() {
    for seed in 0..10 {
        play(&chain(seed, 20, Profile::small()), seed, assert_linked);
    }
}

#[test]
fn a_reorg_replaces_exactly_its_depth() {
    let chain = chain(5, 100, Profile::realistic());
    let before = text(&chain);
    chain.reorg(10, 11);
    let after = text(&chain);
    assert_eq!(before[..=90], after[..=90]);
    assert_eq!(after.len(), 102);
    for height in 91..=100 {
        assert_ne!(before[height], after[height]);
        let old: Value = serde_json::from_str(&before[height]).unwrap();
        assert_eq!(chain.block_by_hash(old["block_hash"].as_str().unwrap()), None);
    }
    chain.reorg(1000, 1);
    assert_eq!(chain.tip().0, 1, "genesis stays");
    assert_eq!(text(&chain)[0], before[0]);
    chain.reorg(1, 0);
    assert_eq!(chain.mine(3), 3);
    assert_linked(&chain);
}

#[test]
fn the_branch_window_limits_reorgs() {
    let config = ChainConfig { history: 100, branch_window: 5, ..ChainConfig::default() };
    let chain = Chain::new(config);
    let before = text(&chain);
    chain.reorg(50, 50);
    assert_eq!(text(&chain)[..=95], before[..=95]);
    assert_eq!(chain.tip().0, 145);
}

#[test]
fn some_transactions_survive_a_reorg_at_another_height() {
    let chain = chain(8, 200, Profile::realistic());
    let heights = |chain: &Chain| -> HashMap<String, u64> {
        let mut heights = HashMap::new();
        for height in 0..=chain.tip().0 {
            for tx in chain.block(height).unwrap()["transactions"].as_array().unwrap() {
                heights.insert(tx["tx_id"].to_string(), height);
            }
        }
        heights
    };
    let before = heights(&chain);
    chain.reorg(50, 50);
    let after = heights(&chain);
    let moved =
        after.iter().filter(|(id, height)| before.get(*id).is_some_and(|old| old != *height));
    assert!(moved.count() > 20);
}

/// What the documented rules say a block does to (balance, nonce), from its JSON alone.
fn replay(block: &Value, sign: i128, changes: &mut BTreeMap<String, (i128, i128)>) {
    let account = |side: Option<&Value>| -> Option<String> {
        let address = side?.as_str()?;
        Some(if address.starts_with("0x") { address.to_lowercase() } else { address.to_owned() })
    };
    for tx in block["transactions"].as_array().unwrap() {
        let odd_amount = tx.get("amount").is_some_and(|amount| !amount.is_u64());
        if !tx.is_object() || tx.get("tx_id").is_none() || odd_amount {
            continue;
        }
        let units = |value: &Value| i128::from(value.as_u64().unwrap());
        let mut moved = tx.get("amount").map_or(0, units);
        if let (Some(recipient), true) = (account(tx.get("recipient")), moved > 0) {
            changes.entry(recipient).or_default().0 += sign * moved;
        }
        for output in tx.get("outputs").and_then(Value::as_array).into_iter().flatten() {
            moved += units(&output["amount"]);
            if let Some(recipient) = account(output.get("recipient")) {
                changes.entry(recipient).or_default().0 += sign * units(&output["amount"]);
            }
        }
        if let Some(sender) = account(tx.get("sender")) {
            let change = changes.entry(sender).or_default();
            change.0 -= sign * (moved + units(&tx["fee"]));
            change.1 += sign;
        }
    }
}

#[test]
fn balances_equal_a_replay_after_reorgs() {
    for seed in 0..20 {
        let chain = chain(seed, 25, Profile::small());
        let base: Vec<(String, i128, i128)> = chain
            .addresses()
            .into_iter()
            .map(|address| {
                let (balance, nonce) = chain.balance(&address);
                (address, balance.parse().unwrap(), i128::from(nonce))
            })
            .collect();
        let mut taken_back = BTreeMap::new();
        for height in 0..=25 {
            replay(&chain.block(height).unwrap(), -1, &mut taken_back);
        }
        play(&chain, seed, |chain| {
            let mut changes = taken_back.clone();
            for height in 0..=chain.tip().0 {
                replay(&chain.block(height).unwrap(), 1, &mut changes);
            }
            for (address, balance, nonce) in &base {
                let change = changes.get(address).copied().unwrap_or_default();
                let expected = (balance + change.0).clamp(0, i128::from(u64::MAX));
                let nonce = (nonce + change.1).max(0);
                let (shown, shown_nonce) = chain.balance(address);
                assert_eq!(shown, expected.to_string(), "seed {seed} address {address}");
                assert_eq!(i128::from(shown_nonce), nonce, "seed {seed} address {address}");
            }
        });
    }
}

#[test]
fn unknown_addresses_have_nothing() {
    let chain = chain(1, 10, Profile::realistic());
    for address in
        ["", "0x", "nobody", "0x1111111111111111111111111111111111111111", "VALxyz", "0xé"]
    {
        assert_eq!(chain.balance(address), ("0".to_owned(), 0));
    }
    let known = &chain.addresses()[0];
    assert_ne!(chain.balance(known).0, "0");
    assert_eq!(chain.balance(known), chain.balance(&known.to_uppercase().replace("0X", "0x")));
}

#[test]
fn the_profiles_hold_what_they_promise() {
    let count = |chain: &Chain, height| {
        chain.block(height).unwrap()["transactions"].as_array().map(Vec::len).unwrap()
    };
    let fixed = chain(1, 50, Profile::fixed(7));
    assert!((1..=50).all(|height| count(&fixed, height) == 7));
    let whale = chain(1, 50, Profile::whale(20));
    let address = &whale.addresses()[0];
    let blocks: Vec<String> = text(&whale);
    let txs: usize = blocks.iter().map(|block| block.matches("\"signature\"").count()).sum();
    let named: usize = blocks.iter().map(|block| block.matches(address.as_str()).count()).sum();
    assert!(named >= txs * 99 / 100, "{named} of {txs}");
    let realistic = chain(1, 3000, Profile::realistic());
    let counts: Vec<usize> = (1..=3000).map(|height| count(&realistic, height)).collect();
    assert!(counts.contains(&0) && counts.contains(&200));
    let mean = counts.iter().sum::<usize>() / counts.len();
    assert!((8..=13).contains(&mean), "{mean}");
    let all = text(&realistic).concat();
    for sign in [
        "\"sender\":null",
        "\"outputs\":",
        "\"stealth_outputs\":",
        "\"recipient\":null",
        "\"total_amount\":",
        "\"amount\":-5",
        "\"amount\":1.5",
        "18446744073709551615",
        "\\u0000",
        "treasury_",
        "🦀",
        "consensus",
        "smart_contract",
        "governance",
        "staking",
        "contract_deployment",
        "cross_shard",
        "finality",
        "transfer",
    ] {
        assert!(all.contains(sign), "no {sign}");
    }
}

#[test]
fn a_million_blocks_of_history_cost_nothing() {
    let started = Instant::now();
    let chain = chain(1, 1_000_000, Profile::realistic());
    assert_eq!(chain.tip().0, 1_000_000);
    assert!(chain.block(1_000_000).is_some() && chain.block(1_000_001).is_none());
    chain.reorg(100, 101);
    assert_eq!(chain.tip().0, 1_000_001);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_miner_mines_and_reorganises() {
    let chain = chain(1, 20, Profile::small());
    let first = chain.block(20).expect("a tip")["block_hash"].clone();
    let schedule = MinerConfig {
        block_time: Duration::from_millis(50),
        reorg_every: Some(2),
        reorg_depth_max: 4,
    };
    let miner = Miner::start(chain.clone(), schedule);
    let deadline = Instant::now() + support::PATIENCE;
    while chain.tip().0 < 25 || chain.block(20).unwrap()["block_hash"] == first {
        assert!(Instant::now() < deadline, "nothing was reorganised");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    miner.stop().await;
    let tip = chain.tip();
    assert_linked(&chain);
    assert_eq!(chain.tip(), tip, "stopped");
}
