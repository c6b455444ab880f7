//! The indexer's process is killed at any moment, while the chain grows and reorganises: what is
//! stored is always whole, and the next process goes on.
//!
//! `CHERT_CRASH_SEED` plays other moments; a failure names its seed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use chert_devnet::{Chain, ChainConfig, Fault, FaultPlan, Profile, Server, ServerConfig};
use chert_indexer::IndexerSettings;
use chert_sources::{NodeClient, NodeOptions, NodeSource, SourceSet};
use chert_store::{PoolSettings, Store};
use chert_testkit::{TestDatabase, dump};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{Running, chert, run, stdout, wait_until};
use tokio::sync::Mutex;

/// Databases one after another, by history and bulk threshold: kills meet the bulk backfill, the
/// ordinary one, and the tip, where the chain reorganises.
const LIVES: [(u64, &str); 5] = [(1500, "60"), (600, "0"), (20, "0"), (1500, "60"), (20, "0")];
/// Delay of a page while indexers of a bulk backfill are killed, so that it lasts longer than they
/// live, however fast the machine is.
const BULK_PAGE_DELAY_MS: u64 = 150;
const KILLS: u64 = 10;
/// Latest moment of a kill after the start of the process.
const LIFE_MS_MAX: u64 = 400;
/// Deepest fork; forks always end higher than before, so nothing final is touched.
const FORK_DEPTH_MAX: u64 = 6;

fn seed() -> u64 {
    let given = std::env::var("CHERT_CRASH_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or(1);
    println!("CHERT_CRASH_SEED={seed}");
    seed
}

/// Mines and forks until dropped; holding `pause` stops it between two steps.
fn keep_moving(chain: Chain, seed: u64, pause: Arc<Mutex<()>>) -> tokio::task::JoinHandle<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(rng.random_range(5..60))).await;
            let _going = pause.lock().await;
            if rng.random_bool(0.5) {
                chain.mine(rng.random_range(1..4));
            } else {
                let depth = rng.random_range(1..=FORK_DEPTH_MAX);
                chain.reorg(depth, depth + rng.random_range(1..3));
            }
        }
    })
}

async fn assert_clean(url: &str, node: Option<&Server>, moment: &str) {
    let sources = node.map(|node| {
        let options = NodeOptions { request_timeout: Duration::from_secs(5) };
        let client = NodeClient::new(node.url().parse().unwrap(), options).unwrap();
        SourceSet::new(vec![Arc::new(client) as Arc<dyn NodeSource>], chert_indexer::wall_clock_ms)
    });
    let pool = PoolSettings::new(url);
    let settings = IndexerSettings::default();
    let report = chert_indexer::verify(&pool, sources, &settings, false, |_, _| {}).await.unwrap();
    assert!(report.is_clean(), "{moment}: {report:?}");
    assert!(node.is_none() || report.compared > 0, "{moment}: nothing compared");
}

async fn wait_for_tip(store: &Store, chain: &Chain) {
    wait_until("the store is at the tip", async || {
        let Ok(checkpoint) = store.checkpoint().await else { return false };
        let hash = checkpoint.tip_hash().map(|hash| hash.to_string());
        !checkpoint.bulk && hash == Some(chain.tip().1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_the_store_is_whole() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut retracted, mut in_bulk) = (0, 0);
    for (life, (history, threshold)) in (0..).zip(LIVES) {
        let chain = Chain::new(ChainConfig {
            seed: seed * 100 + life,
            history,
            profile: Profile::small(),
            ..ChainConfig::default()
        });
        let node = Server::start(chain.clone(), ServerConfig::default()).await.unwrap();
        if threshold != "0" {
            node.faults().set(FaultPlan {
                probability: 1.0,
                kinds: vec![Fault::Latency { ms: BULK_PAGE_DELAY_MS }],
                methods: Some(vec!["get_blocks".to_owned()]),
                ..FaultPlan::default()
            });
        }
        let database = TestDatabase::create().await;
        let store = Store::connect_lazy(&PoolSettings::new(&database.url)).unwrap();
        let batch = if rng.random_bool(0.5) { "7" } else { "100" };
        let start = || {
            let url = node.url();
            let args = ["index", "--database-url", &database.url, "--node-url", &url];
            let mut command = chert(&args);
            command
                .env("CHERT_API__INDEXER__BULK_THRESHOLD_BLOCKS", threshold)
                .env("CHERT_API__INDEXER__BATCH_SIZE", batch)
                .env("CHERT_API__INDEXER__SYNC_INTERVAL_MS", "10");
            Running::start(command)
        };
        let pause = Arc::new(Mutex::new(()));
        let moving = keep_moving(chain.clone(), seed + life, Arc::clone(&pause));
        for number in 1..=KILLS {
            let mut indexer = start();
            let moment_ms = rng.random_range(0..LIFE_MS_MAX);
            let moment = format!("seed {seed}, life {life}, kill {number} after {moment_ms} ms");
            tokio::time::sleep(Duration::from_millis(moment_ms)).await;
            indexer.kill();
            in_bulk += u64::from(store.checkpoint().await.unwrap().bulk);
            assert_clean(&database.url, None, &moment).await;
            if number == KILLS {
                node.faults().clear();
                let _paused = pause.lock().await;
                let mut indexer = start();
                wait_for_tip(&store, &chain).await;
                indexer.kill();
                assert_clean(&database.url, Some(&node), &moment).await;
            }
        }
        let mut indexer = start();
        let known = chain.tip().0;
        wait_until("the chain went on", async || chain.tip().0 > known + 20).await;
        moving.abort();
        let _ended = moving.await;
        wait_for_tip(&store, &chain).await;
        let status = indexer.end_with(nix::sys::signal::Signal::SIGTERM);
        assert!(status.success(), "{status}");
        let url = node.url();
        let verified = run(&["verify", "--database-url", &database.url, "--node-url", &url]);
        assert!(verified.status.success(), "{}", stdout(&verified));
        assert!(stdout(&verified).ends_with("clean\n"), "{}", stdout(&verified));
        let events = dump::events(&database.url).await.unwrap();
        retracted += events.iter().filter(|(kind, ..)| kind != "block.applied").count();
        drop(store);
        database.close().await.unwrap();
    }
    println!("{retracted} blocks retracted, {in_bulk} kills in bulk");
    assert!(retracted > 0, "no indexer met a reorganisation");
    assert!(in_bulk > 0, "no kill met a bulk backfill");
}
