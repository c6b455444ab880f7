//! Nodes that lag, disagree, boast or belong to another chain: nothing of it is stored, what is
//! indexed goes on being served, and one good node is enough.

use std::time::Duration;

use chert_devnet::{Chain, Fault, Server, ServerConfig};
use chert_indexer::{IndexerError, IndexerSettings};
use chert_testkit::dump;
use e2e::api::Api;
use e2e::stage::{Stage, always, node_of, small_chain};
use e2e::{fast_settings, ground_truth, wait_until};

/// Settings under which only proof moves the index, never patience.
fn patient() -> IndexerSettings {
    IndexerSettings { shorter_branch_patience: Duration::from_secs(3_600), ..fast_settings() }
}

/// Blocks taken back so far.
async fn retracted(stage: &Stage) -> anyhow::Result<usize> {
    let events = dump::events(&stage.database.url).await?;
    Ok(events.iter().filter(|(kind, ..)| kind != "block.applied").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn disagreeing_node_is_counted_and_not_followed() -> anyhow::Result<()> {
    let (chain, rival) = (small_chain(20, 30), small_chain(20, 30));
    let mut stage = Stage::indexed(chain, patient()).await?;
    stage.stop().await?;
    rival.reorg(3, 3);
    let rival_node = node_of(&rival).await?;
    let api = Api::start(&stage.database.url).await?;
    // The rival is asked first among equals.
    stage.start_on(&[rival_node.url(), stage.node.url()], patient());
    api.wait_for_source(&rival_node.url(), "disagreeing").await?;
    assert!(api.metric("chert_source_faults_total").await? >= 1.0);
    stage.stays_while_looking_at(&rival_node).await?;
    // The chain goes on with the node that has ours.
    for _ in 0..5 {
        stage.chain.mine(1);
        stage.caught_up().await?;
    }
    assert_eq!(retracted(&stage).await?, 0);
    let status = api.get("/v1/status").await?;
    assert_eq!(status["sources"].as_array().map(Vec::len), Some(2));
    api.finish().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn lagging_replica_takes_nothing_back() -> anyhow::Result<()> {
    let mut stage = Stage::new(small_chain(21, 30)).await?;
    let behind = ServerConfig { lag_blocks: 4, ..ServerConfig::default() };
    let replica = Server::start(stage.chain.clone(), behind).await?;
    let api = Api::start(&stage.database.url).await?;
    // Patience is short: a node that is merely behind must not wear it out.
    stage.start_on(&[replica.url(), stage.node.url()], fast_settings());
    for _ in 0..6 {
        stage.chain.mine(1);
        stage.caught_up().await?;
    }
    // The healthy node goes down: what it proved stays.
    let broken = always(Fault::ServerError, None);
    stage.node.faults().set(broken);
    stage.stays_while_looking_at(&replica).await?;
    api.wait_for_source(&replica.url(), "lagging").await?;
    stage.chain.mine(3);
    stage.stays_while_looking_at(&replica).await?;
    assert_eq!(retracted(&stage).await?, 0);
    // The replica gets past the index and leads on its own.
    stage.chain.mine(5);
    let visible = stage.chain.tip().0 - 4;
    let reached = async || Ok(stage.tip().await?.0 == visible);
    wait_until("the index is where the replica is", reached).await?;
    api.wait_for_source(&replica.url(), "healthy").await?;
    stage.node.faults().clear();
    stage.caught_up().await?;
    assert_eq!(retracted(&stage).await?, 0);
    api.finish().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_genesis_stops_the_indexer() -> anyhow::Result<()> {
    let mut stage = Stage::indexed(small_chain(22, 30), patient()).await?;
    stage.stop().await?;
    let before = dump::dump(&stage.database.url).await?;
    let genesis = stage.chain.block(0).expect("genesis")["block_hash"].clone();
    // Lower than, as high as and higher than what is stored.
    for history in [10, 30, 90] {
        let stranger = node_of(&small_chain(99, history)).await?;
        stage.start_on(&[stranger.url()], fast_settings());
        let error = stage.gave_up().await?;
        let IndexerError::WrongChain { height: 0, stored } = &error else {
            anyhow::bail!("{error}");
        };
        assert_eq!(genesis, stored.as_str());
        assert!(error.to_string().contains("block 0 is"), "{error}");
        ground_truth::same_rows(&dump::dump(&stage.database.url).await?, &before)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_genesis_is_noticed_when_the_node_comes_late() -> anyhow::Result<()> {
    for history in [10, 30, 31, 200] {
        let mut stage = Stage::indexed(small_chain(23, 30), patient()).await?;
        stage.stop().await?;
        let before = dump::dump(&stage.database.url).await?;
        let stranger = node_of(&small_chain(99, history)).await?;
        stranger.faults().set(always(Fault::ServerError, None));
        stage.start_on(&[stranger.url()], fast_settings());
        wait_until("the node was asked", async || Ok(stranger.requests() >= 3)).await?;
        stranger.faults().clear();
        let error = stage.gave_up().await?;
        assert!(matches!(error, IndexerError::WrongChain { height: 0, .. }), "{error}");
        ground_truth::same_rows(&dump::dump(&stage.database.url).await?, &before)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_stranger_among_two_is_excluded() -> anyhow::Result<()> {
    let mut stage = Stage::indexed(small_chain(24, 30), patient()).await?;
    stage.stop().await?;
    let stranger = node_of(&small_chain(99, 90)).await?;
    let api = Api::start(&stage.database.url).await?;
    stage.start_on(&[stranger.url(), stage.node.url()], patient());
    stage.chain.mine(3);
    stage.caught_up().await?;
    api.wait_for_source(&stranger.url(), "wrong_chain").await?;
    let asked = stranger.requests();
    stage.chain.reorg(2, 40);
    stage.caught_up().await?;
    stage.stays_while_looking_at(&stage.node).await?;
    assert_eq!(stranger.requests(), asked, "an excluded node is not asked any more");
    assert_eq!(api.source_state(&stage.node.url()).await?.as_deref(), Some("healthy"));
    api.finish().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn second_node_goes_on_when_the_first_dies_in_a_backfill() -> anyhow::Result<()> {
    let chain = small_chain(25, 400);
    let mut stage = Stage::new(chain.clone()).await?;
    let primary = node_of(&chain).await?;
    // Slow enough to be met in the middle.
    primary.faults().set(always(Fault::Latency { ms: 40 }, Some(&["get_blocks"])));
    let settings = IndexerSettings { batch_blocks: 4, ..patient() };
    stage.start_on(&[primary.url(), stage.node.url()], settings);
    let under_way = async || Ok(stage.store.checkpoint().await?.height >= 20);
    wait_until("the backfill is under way", under_way).await?;
    let from_primary = primary.requests();
    primary.shutdown().await;
    assert!(stage.tip().await?.0 < 400, "the primary must die in the middle");
    assert!(from_primary > 5, "the primary served the first blocks: {from_primary} requests");
    stage.caught_up().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn boasting_node_does_not_hide_the_others() -> anyhow::Result<()> {
    let chain = small_chain(26, 30);
    let mut stage = Stage::indexed(chain.clone(), patient()).await?;
    stage.stop().await?;
    let boaster = node_of(&chain).await?;
    // It names the tip and shows blocks only up to three below it.
    let blocks = ["get_blocks", "eth_getBlockByNumber"];
    boaster.faults().set(always(Fault::Lagging { blocks: 3 }, Some(&blocks)));
    let behind = ServerConfig { lag_blocks: 2, ..ServerConfig::default() };
    let honest = Server::start(chain.clone(), behind).await?;
    // The usual pause between two looks, after which the boaster is rested and boasts again.
    let settings = IndexerSettings { sync_interval: Duration::from_millis(500), ..patient() };
    stage.start_on(&[boaster.url(), honest.url()], settings);
    for _ in 0..3 {
        chain.mine(3);
        let visible = chain.tip().0 - 2;
        let reached = async || Ok(stage.tip().await?.0 == visible);
        wait_until("the index is where the honest node is", reached).await?;
    }
    boaster.faults().clear();
    stage.caught_up().await?;
    assert_eq!(retracted(&stage).await?, 0);
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn boasting_node_alone_is_followed_as_far_as_it_can_show() -> anyhow::Result<()> {
    let chain = small_chain(27, 120);
    let mut stage = Stage::new(chain.clone()).await?;
    let blocks = ["get_blocks", "eth_getBlockByNumber"];
    stage.node.faults().set(always(Fault::Lagging { blocks: 30 }, Some(&blocks)));
    stage.start(IndexerSettings { batch_blocks: 10, bulk_threshold_blocks: Some(50), ..patient() });
    let reached = async || Ok(stage.store.checkpoint().await?.height >= 60);
    wait_until("most of what is there is indexed", reached).await?;
    ground_truth::is_clean(&stage.database.url, None).await?;
    assert!(stage.tip().await?.0 <= 90);
    stage.node.faults().clear();
    stage.caught_up().await?;
    stage.equals_clean_run().await
}

/// Records of a chain that no indexer can understand.
fn odd_records(chain: &Chain) -> usize {
    let heights = 0..=chain.tip().0;
    let odd = |record: &serde_json::Value| {
        let amount = record.get("amount");
        record.get("tx_id").is_none()
            || amount.is_some_and(|a| a.as_f64() < Some(0.0) || (a.is_f64() && !a.is_u64()))
    };
    let blocks = heights.filter_map(|height| chain.block(height));
    blocks
        .map(|block| {
            let records = block["transactions"].as_array().map(Vec::as_slice).unwrap_or_default();
            records.iter().filter(|record| odd(record)).count()
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_records_are_quarantined_and_block_nothing() -> anyhow::Result<()> {
    let mut stage = Stage::new(small_chain(29, 200)).await?;
    let odd = odd_records(&stage.chain);
    assert!(odd > 2, "the chain must have odd records");
    let api = Api::start(&stage.database.url).await?;
    stage.start(patient());
    stage.caught_up().await?;
    assert_eq!(api.get("/v1/status").await?["quarantined"], odd);
    // A reorganisation takes the odd ones of the branch that goes along.
    stage.chain.reorg(12, 60);
    stage.caught_up().await?;
    assert_eq!(api.get("/v1/status").await?["quarantined"], odd_records(&stage.chain));
    assert!(odd_records(&stage.chain) > odd);
    api.finish().await?;
    stage.equals_clean_run().await
}
