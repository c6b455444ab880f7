//! The database goes away and comes back; a second indexer stands by.

use chert_indexer::IndexerSettings;
use chert_postgres::TemporaryPostgres;
use chert_store::{PoolSettings, Store, StoreError, Writer};
use e2e::api::Api;
use e2e::stage::{Stage, node_of, small_chain};
use e2e::{RunningIndexer, fast_settings, ground_truth, wait_for_tip, wait_until};

const DATABASE: &str = "chert";

async fn wait_for_readiness(api: &Api, wanted: u16) -> anyhow::Result<()> {
    let what = format!("/health/ready answers {wanted}");
    wait_until(&what, async || {
        let (alive, _) = api.ask("/health").await?;
        assert_eq!(alive, 200, "the process lives whatever the database does");
        Ok(api.ask("/health/ready").await?.0 == wanted)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn database_outages_heal_by_themselves() -> anyhow::Result<()> {
    let mut postgres = TemporaryPostgres::start(60).await?;
    postgres.ensure_database(DATABASE).await?;
    let url = postgres.url(DATABASE);
    chert_store::migrate(&url).await?;
    let chain = small_chain(40, 60);
    let node = node_of(&chain).await?;
    let api = Api::start(&url).await?;
    let settings = IndexerSettings { batch_blocks: 3, ..fast_settings() };
    let indexer = RunningIndexer::start(&url, &[node.url()], settings);
    let store = Store::connect_lazy(&PoolSettings::new(&url))?;
    wait_for_readiness(&api, 200).await?;
    for round in 0..2 {
        // In the first round in the middle of the backfill, if the machine is slow enough.
        postgres.kill().await;
        wait_for_readiness(&api, 503).await?;
        let (status, _) = api.ask("/v1/explorer/transactions?limit=7").await?;
        assert_eq!(status, 503, "an honest refusal, round {round}");
        chain.mine(4);
        chain.reorg(3, 5);
        assert!(!indexer.is_finished(), "the indexer waits");
        postgres.restart().await?;
        wait_for_readiness(&api, 200).await?;
        wait_for_tip(&store, chain.tip()).await?;
        let block = api.get(&format!("/v1/explorer/block/{}", chain.tip().0)).await?;
        assert_eq!(block["hash"], chain.tip().1);
    }
    indexer.stop().await?;
    ground_truth::is_clean(&url, Some(&node)).await?;
    api.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn second_indexer_stands_by_and_takes_over() -> anyhow::Result<()> {
    let mut stage = Stage::indexed(small_chain(41, 30), fast_settings()).await?;
    let refused = Writer::open(&PoolSettings::new(&stage.database.url), 12).await;
    assert!(matches!(refused, Err(StoreError::WriterLocked)), "{refused:?}");
    // Its own node server tells whether it works: a standby has no reason to ask.
    let own_node = node_of(&stage.chain).await?;
    let standby = RunningIndexer::start(&stage.database.url, &[own_node.url()], fast_settings());
    for _ in 0..20 {
        stage.chain.mine(1);
        stage.caught_up().await?;
    }
    assert!(!standby.is_finished(), "it stands by");
    assert_eq!(own_node.requests(), 0, "it does not index");
    stage.stop().await?;
    stage.chain.reorg(2, 4);
    stage.caught_up().await?;
    assert!(own_node.requests() > 0);
    standby.stop().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writer_session_is_opened_again() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(42, 30), fast_settings()).await?;
    for depth in [0, 2, 5] {
        assert!(stage.database.terminate_connections().await? > 0);
        stage.chain.reorg(depth, depth + 3);
        wait_for_tip(&stage.store, stage.chain.tip()).await?;
    }
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn node_outage_is_told_and_heals() -> anyhow::Result<()> {
    let chain = small_chain(43, 30);
    let mut stage = Stage::new(chain.clone()).await?;
    let api = Api::start(&stage.database.url).await?;
    let first = node_of(&chain).await?;
    let address = first.url().trim_start_matches("http://").parse()?;
    stage.start_on(&[first.url()], fast_settings());
    stage.caught_up().await?;
    let url = first.url();
    first.shutdown().await;
    api.wait_for_source(&url, "failing").await?;
    assert_eq!(api.get("/v1/explorer/block/30").await?["hash"], chain.tip().1);
    chain.reorg(4, 9);
    let config = chert_devnet::ServerConfig { addr: address, ..Default::default() };
    let _again = chert_devnet::Server::start(chain, config).await?;
    stage.caught_up().await?;
    api.wait_for_source(&url, "healthy").await?;
    api.finish().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_node_at_the_start_is_waited_for() -> anyhow::Result<()> {
    let chain = small_chain(44, 20);
    let stage = Stage::new(chain.clone()).await?;
    let api = Api::start(&stage.database.url).await?;
    let gone = node_of(&chain).await?;
    let (url, address) = (gone.url(), gone.url().trim_start_matches("http://").parse()?);
    gone.shutdown().await;
    let indexer =
        RunningIndexer::start(&stage.database.url, std::slice::from_ref(&url), fast_settings());
    api.wait_for_source(&url, "failing").await?;
    assert!(!indexer.is_finished(), "it waits");
    let config = chert_devnet::ServerConfig { addr: address, ..Default::default() };
    let _node = chert_devnet::Server::start(chain, config).await?;
    stage.caught_up().await?;
    indexer.stop().await?;
    api.finish().await?;
    stage.equals_clean_run().await
}
