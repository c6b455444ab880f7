//! Reorganisations: every depth up to finality, one after another, during downtime, and those that
//! must not be believed. Each followed one must end equal to indexing the final chain once, which
//! covers the base rows, address totals, hourly series and counters.

use std::time::Duration;

use chert_indexer::IndexerSettings;
use e2e::api::Api;
use e2e::fast_settings;
use e2e::stage::{Stage, node_of, small_chain};

/// The indexer's finality depth in these tests.
const FINALITY: u64 = 12;
/// Longer than any test: patience never decides.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// Settings under which a shorter branch is never believed for lasting long.
fn patient() -> IndexerSettings {
    IndexerSettings { shorter_branch_patience: FOR_EVER, ..fast_settings() }
}

/// Hashes of the blocks `from..=to` of a stage's chain.
fn hashes(stage: &Stage, from: u64, to: u64) -> Vec<String> {
    let blocks = (from..=to).filter_map(|height| stage.chain.block(height));
    blocks.filter_map(|block| block["block_hash"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn live_reorgs_of_every_depth() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(1, 30), patient()).await?;
    for depth in 1..=FINALITY {
        // The deepest one meets the chain exactly at the finalized block.
        stage.chain.reorg(depth, depth + 1);
        stage.caught_up().await?;
    }
    let removed = i64::try_from((1..=FINALITY).sum::<u64>())?;
    assert_eq!(stage.count("SELECT count(*) FROM orphans").await?, removed);
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reorg_while_the_indexer_is_down() -> anyhow::Result<()> {
    let mut stage = Stage::indexed(small_chain(2, 40), patient()).await?;
    for (depth, new_len) in [(5, 8), (3, 40), (12, 12)] {
        stage.stop().await?;
        stage.chain.reorg(depth, new_len);
        stage.start(IndexerSettings { batch_blocks: 7, ..patient() });
        stage.caught_up().await?;
    }
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reorgs_in_a_row() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(3, 40), patient()).await?;
    // Between two of these the indexer sees the first, a part of it, or only the second.
    for (depth, new_len) in [(4, 5), (3, 4), (6, 7), (7, 7), (1, 2), (1, 2), (9, 10)] {
        stage.chain.reorg(depth, new_len);
        tokio::task::yield_now().await;
    }
    stage.caught_up().await?;
    // The second takes back what the first put on, down into the blocks below it.
    for (first, second) in [(2, 5), (5, 2), (3, 3)] {
        stage.chain.reorg(first, first + 1);
        stage.caught_up().await?;
        stage.chain.reorg(second, second + 1);
        stage.caught_up().await?;
    }
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_blocks_replace_full_ones_and_back() -> anyhow::Result<()> {
    let chain = small_chain(4, 40);
    let transactions = |height| {
        let block = chain.block(height).expect("a block of the chain");
        block["transactions"].as_array().map_or(0, Vec::len)
    };
    let (low, tip) = (39, 40);
    let is_empty = || (low..=tip).all(|height| transactions(height) == 0);
    let is_full = || (low..=tip).all(|height| transactions(height) > 1);
    let mut stage = Stage::new(chain.clone()).await?;
    for wanted in [&is_full as &dyn Fn() -> bool, &is_empty, &is_full] {
        // Not one block higher: only the hash of the tip tells. Every 25th try is empty.
        while !wanted() {
            chain.reorg(2, 2);
        }
        stage.start(patient());
        stage.caught_up().await?;
        stage.stop().await?;
        e2e::ground_truth::equals_clean_run(&stage.database.url, &chain).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn same_height_with_another_hash_is_followed() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(5, 30), patient()).await?;
    for depth in [1, 3, FINALITY] {
        let before = stage.tip().await?;
        stage.chain.reorg(depth, depth);
        stage.caught_up().await?;
        assert_eq!(stage.tip().await?.0, before.0);
    }
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn shorter_branch_is_followed_when_it_grows_past() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(6, 30), patient()).await?;
    stage.chain.reorg(5, 2);
    stage.stays_while_looking_at(&stage.node).await?;
    stage.chain.mine(2);
    stage.stays_while_looking_at(&stage.node).await?;
    stage.chain.mine(1);
    stage.caught_up().await?;
    stage.chain.reorg(4, 1);
    stage.stays_while_looking_at(&stage.node).await?;
    stage.chain.mine(20);
    stage.caught_up().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn shorter_branch_is_followed_when_it_persists() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(7, 30), fast_settings()).await?;
    for (depth, new_len) in [(5, 2), (3, 0), (4, 3)] {
        stage.chain.reorg(depth, new_len);
        if new_len == 0 {
            // A prefix of the stored chain proves nothing, however long it lasts.
            stage.stays_while_looking_at(&stage.node).await?;
            stage.chain.mine(2);
        }
        stage.caught_up().await?;
    }
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reorg_below_finalized_waits_for_an_operator() -> anyhow::Result<()> {
    let mut stage = Stage::new(small_chain(8, 30)).await?;
    let api = Api::start(&stage.database.url).await?;
    stage.start(patient());
    stage.caught_up().await?;
    let before = stage.tip().await?;
    stage.chain.reorg(FINALITY + 1, FINALITY + 8);
    api.wait_for_source(&stage.node.url(), "disagreeing").await?;
    stage.stays_while_looking_at(&stage.node).await?;
    assert!(api.metric("chert_indexer_deep_reorgs_refused_total").await? >= 1.0);
    let status = api.get("/v1/status").await?;
    assert_eq!(status["indexed_height"], before.0);
    assert_eq!(status["indexed_hash"], before.1);
    assert_eq!(status["finalized_height"], before.0 - FINALITY);
    assert_eq!(stage.count("SELECT count(*) FROM orphans").await?, 0);

    stage.stop().await?;
    stage.start(IndexerSettings { allow_deep_reorg: true, ..patient() });
    stage.caught_up().await?;
    let checkpoint = stage.store.checkpoint().await?;
    assert_eq!(checkpoint.finalized_height, checkpoint.height - i64::try_from(FINALITY)?);
    stage.equals_clean_run().await?;
    api.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_reorg_is_followed_to_the_first_block_when_allowed() -> anyhow::Result<()> {
    let mut stage = Stage::indexed(small_chain(9, 60), patient()).await?;
    stage.stop().await?;
    stage.chain.reorg(60, 75);
    stage.start(IndexerSettings { allow_deep_reorg: true, batch_blocks: 8, ..patient() });
    stage.caught_up().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_blocks_stay_visible_as_orphans() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(10, 30), patient()).await?;
    let api = Api::start(&stage.database.url).await?;
    let removed = hashes(&stage, 28, 30);
    stage.chain.reorg(3, 4);
    stage.caught_up().await?;
    // The API hears of the commit a moment later.
    let listed = async || {
        let list = api.get("/v1/explorer/orphans").await?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let texts: Vec<_> = items.iter().map(|i| i["hash"].as_str().map(str::to_owned)).collect();
        Ok(texts.into_iter().flatten().rev().collect::<Vec<String>>() == removed)
    };
    e2e::wait_until("the orphans are listed", listed).await?;
    for (height, hash) in (28..).zip(&removed) {
        let block = api.get(&format!("/v1/explorer/block/{hash}")).await?;
        assert_eq!(block["status"], "orphaned", "{block}");
        assert_eq!((&block["height"], &block["confirmations"]), (&height.into(), &0.into()));
        let now = api.get(&format!("/v1/explorer/block/{height}")).await?;
        assert_eq!(now["hash"], hashes(&stage, height, height)[0].as_str());
        assert_eq!(now["status"], "confirmed");
    }
    api.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn returning_to_a_branch_makes_its_blocks_no_orphans() -> anyhow::Result<()> {
    // Two nodes of one chain that mine apart: the longer branch leads, now one, now the other.
    let (chain, rival) = (small_chain(11, 30), small_chain(11, 30));
    let rival_node = node_of(&rival).await?;
    let mut stage = Stage::new(chain).await?;
    stage.start_on(&[stage.node.url(), rival_node.url()], patient());
    stage.caught_up().await?;
    let left = hashes(&stage, 28, 30);
    rival.reorg(3, 5);
    stage.at(&rival).await?;
    assert_eq!(stage.count("SELECT count(*) FROM orphans").await?, 3);
    stage.chain.mine(4);
    stage.caught_up().await?;
    assert_eq!(stage.count("SELECT count(*) FROM orphans").await?, 5);
    let api = Api::start(&stage.database.url).await?;
    for hash in &left {
        let block = api.get(&format!("/v1/explorer/block/{hash}")).await?;
        assert_eq!(block["status"], "confirmed", "{block}");
    }
    api.finish().await?;
    stage.equals_clean_run().await
}
