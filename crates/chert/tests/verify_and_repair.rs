//! `chert verify` names what is wrong with exit code 1, and repairs it when asked.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use chert_devnet::{Chain, ChainConfig, Profile, Server, ServerConfig};
use chert_store::{PoolSettings, Store};
use chert_testkit::{TestDatabase, dump};
use nix::sys::signal::Signal;
use support::{Running, chert, run, stdout, wait_until};

/// A database with an indexed chain, and the chain's node.
struct Indexed {
    database: TestDatabase,
    node: Server,
    store: Store,
}

impl Indexed {
    async fn new() -> Self {
        let chain = Chain::new(ChainConfig {
            seed: 70,
            history: 80,
            profile: Profile::small(),
            ..ChainConfig::default()
        });
        let node = Server::start(chain.clone(), ServerConfig::default()).await.unwrap();
        let database = TestDatabase::create().await;
        let store = Store::connect_lazy(&PoolSettings::new(&database.url)).unwrap();
        let args = ["index", "--database-url", &database.url, "--node-url", &node.url()];
        let mut indexer = Running::start(chert(&args));
        let done = async || store.checkpoint().await.is_ok_and(|c| c.height == 80);
        wait_until("the chain is indexed", done).await;
        assert!(indexer.end_with(Signal::SIGTERM).success());
        Self { database, node, store }
    }

    fn verify(&self, flags: &[&str]) -> (i32, String) {
        let url = self.node.url();
        let mut args = vec!["verify", "--database-url", &self.database.url, "--node-url", &url];
        args.extend(flags);
        // Blocks this thread only; the node answers from others.
        let output = tokio::task::block_in_place(|| run(&args));
        (output.status.code().unwrap(), stdout(&output))
    }
}

/// Breaks the store so, expects `verify` to say so, and repairs it.
async fn check(damage: &'static str, named: &str) {
    let indexed = Indexed::new().await;
    assert_eq!(indexed.verify(&[]).0, 0);
    let before = dump::dump(&indexed.database.url).await.unwrap();
    let done = sqlx::query(damage).execute(indexed.store.pool()).await.unwrap();
    assert!(done.rows_affected() > 0, "{damage} did nothing");
    let (code, text) = indexed.verify(&[]);
    assert_eq!(code, 1, "{damage}: {text}");
    let wrong: Vec<&str> = text.lines().filter(|line| line.starts_with("WRONG")).collect();
    assert!(wrong.iter().any(|line| line.contains(named)), "{damage}: {named:?} in {text}");
    assert!(text.contains("not clean"), "{text}");
    let (code, text) = indexed.verify(&["--repair"]);
    assert_eq!(code, 0, "{damage}: {text}");
    assert!(text.contains("repaired"), "{text}");
    let (code, text) = indexed.verify(&[]);
    assert_eq!((code, text.ends_with("clean\n")), (0, true), "{damage}: {text}");
    assert_eq!(dump::dump(&indexed.database.url).await.unwrap(), before, "{damage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_amount() {
    let damage = "UPDATE transactions SET amount = amount + 1
                  WHERE pos = (SELECT pos FROM transactions WHERE amount > 0 LIMIT 1)";
    check(damage, "differs from the node's: transactions").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_appearance_of_an_address() {
    let damage = "DELETE FROM address_txs
                  WHERE (address_key, pos) = (SELECT address_key, pos FROM address_txs LIMIT 1)";
    check(damage, "address_txs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_transaction() {
    let damage = "DELETE FROM transactions WHERE pos = (SELECT max(pos) FROM transactions)";
    check(damage, "every block has as many records as it states").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_counter() {
    check("UPDATE chain_counters SET blocks = blocks - 1", "chain_counters").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_index() {
    let indexed = Indexed::new().await;
    sqlx::query("DROP INDEX blocks_hash").execute(indexed.store.pool()).await.unwrap();
    let (code, text) = indexed.verify(&["--no-node"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("secondary indexes"), "{text}");
    assert_eq!(indexed.verify(&["--no-node", "--repair"]).0, 0);
    assert_eq!(indexed.verify(&["--no-node"]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_block() {
    let damage = "DELETE FROM blocks WHERE height = 40";
    check(damage, "heights are consecutive").await;
}
