//! Oracles that answer from more than one place, and what that must not do to us.

use chert_devnet::OracleFault;
use chert_testkit::TestDatabase;
use e2e::oracles::Oracles;
use e2e::stage::{node_of, small_chain};
use e2e::{RunningIndexer, fast_settings, wait_until};

/// Failing answers after which the indexer has surely met one in every request of a visit.
const A_FEW: u64 = 20;

/// A replica that lags behind what another one has told already costs time and nothing else,
/// whether it answers in the middle of a visit or the first question of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lags_does_not_end_the_reading() {
    let chain = small_chain(3, 20);
    let node = node_of(&chain).await.expect("a node");
    let oracles = Oracles::start(3, &chain).await.expect("oracles");
    let database = TestDatabase::create().await;
    let start = || {
        let urls = [node.url()];
        RunningIndexer::start_with(&database.url, &urls, fast_settings(), oracles.setups())
    };
    let mut indexer = start();
    for restart in [false, true] {
        oracles.wait_until_read(&database.url).await.expect("a feed that is read");
        let before = oracles.injected();
        oracles.fail(OracleFault::Behind { items: 15 });
        if restart {
            indexer.kill().await;
            indexer = start();
        }
        wait_until("lagging answers were read", async || Ok(oracles.injected() > before + A_FEW))
            .await
            .expect("the oracles are asked again and again");
        oracles.append(5);
        oracles.heal();
    }
    oracles.wait_until_read(&database.url).await.expect("a feed that is read on");
    oracles.are_told_truly(&database.url).await.expect("what the oracles told");
    indexer.stop().await.expect("an indexer in order");
}
