//! Governance read from a node that cannot show everything.

use chert_devnet::Fault;
use e2e::ground_truth::equals_clean_run_with_people;
use e2e::stage::{Stage, always, small_chain};
use e2e::{fast_settings, wait_for_feeds};

/// Enough for blocks to become final.
const MORE_BLOCKS: u64 = 20;

/// What a node lists of a proposal has to do while it does not show its details; once it does they
/// are read, although by then nothing in the list changes any more and all of it is final.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn details_that_a_node_could_not_show_are_read_when_it_can() {
    let chain = (1..50)
        .map(|seed| small_chain(seed, 60))
        .find(|chain| chain.proposals().iter().any(|p| p["state"] == "executed"))
        .expect("a chain with a proposal that is over");
    let mut stage = Stage::new(chain).await.expect("a stage");
    for (number, fault) in [Fault::NullResult, Fault::RpcError].into_iter().enumerate() {
        stage.node.faults().set(always(fault, Some(&["governance_get_proposal"])));
        stage.start(fast_settings());
        stage.caught_up().await.expect("an index");
        wait_for_feeds(&stage.database.url).await.expect("feeds that are read");
        let sql = "SELECT count(*) FROM proposals WHERE state = 'executed' AND executed_at IS NULL";
        assert!(number > 0 || stage.count(sql).await.expect("a number") > 0, "nothing is missing");
        stage.kill().await;
        stage.chain.mine(MORE_BLOCKS);
        stage.node.faults().clear();
        stage.start(fast_settings());
        stage.caught_up().await.expect("more blocks");
        wait_for_feeds(&stage.database.url).await.expect("feeds that are read again");
        stage.stop().await.expect("an indexer in order");
        equals_clean_run_with_people(&stage.database.url, &stage.chain).await.expect("the same");
    }
}
