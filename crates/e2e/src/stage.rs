//! A chain, its node, a database and an indexer: what most whole-system tests begin with.

use std::time::Duration;

use anyhow::Context;
use chert_devnet::{Chain, ChainConfig, Fault, FaultPlan, Profile, Server, ServerConfig};
use chert_indexer::{IndexerError, IndexerSettings};
use chert_store::{PoolSettings, Store};
use chert_testkit::TestDatabase;

use crate::{RunningIndexer, ground_truth, wait_for_tip, wait_until};

/// Requests of a node after which the indexer has surely looked at it a few times.
const REQUESTS_OF_A_FEW_LOOKS: u64 = 12;

/// A chain of few addresses, with rare records that nobody can understand. Equal arguments give
/// equal chains, which then may be reorganised apart.
pub fn small_chain(seed: u64, history: u64) -> Chain {
    Chain::new(ChainConfig {
        seed,
        history,
        // Long, so that a few blocks spread over several hours.
        block_time: Duration::from_secs(600),
        profile: Profile::small(),
        ..ChainConfig::default()
    })
}

/// A perfect node of a chain.
pub async fn node_of(chain: &Chain) -> anyhow::Result<Server> {
    Ok(Server::start(chain.clone(), ServerConfig::default()).await?)
}

/// Every request that calls one of these methods (any, for `None`) fails this way.
pub fn always(kind: Fault, methods: Option<&[&str]>) -> FaultPlan {
    FaultPlan {
        seed: 7,
        probability: 1.0,
        kinds: vec![kind],
        methods: methods.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
    }
}

/// The stage of a test.
pub struct Stage {
    /// The chain.
    pub chain: Chain,
    /// A node of it.
    pub node: Server,
    /// The test's database.
    pub database: TestDatabase,
    /// A store over it.
    pub store: Store,
    indexer: Option<RunningIndexer>,
}

impl Stage {
    /// A stage around a chain, with an empty store and no indexer.
    pub async fn new(chain: Chain) -> anyhow::Result<Self> {
        let node = node_of(&chain).await?;
        let database = TestDatabase::create().await;
        let store = Store::connect_lazy(&PoolSettings::new(&database.url))?;
        Ok(Self { chain, node, database, store, indexer: None })
    }

    /// A stage whose indexer has indexed the whole chain and runs.
    pub async fn indexed(chain: Chain, settings: IndexerSettings) -> anyhow::Result<Self> {
        let mut stage = Self::new(chain).await?;
        stage.start(settings);
        stage.caught_up().await?;
        Ok(stage)
    }

    /// Starts an indexer on the stage's node.
    pub fn start(&mut self, settings: IndexerSettings) {
        let url = self.node.url();
        self.start_on(&[url], settings);
    }

    /// Starts an indexer on these nodes.
    pub fn start_on(&mut self, urls: &[String], settings: IndexerSettings) {
        assert!(self.indexer.is_none(), "an indexer runs already");
        self.indexer = Some(RunningIndexer::start(&self.database.url, urls, settings));
    }

    /// Stops the indexer in order.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let indexer = self.indexer.take().context("no indexer runs")?;
        Ok(indexer.stop().await?)
    }

    /// Kills the indexer.
    pub async fn kill(&mut self) {
        if let Some(indexer) = self.indexer.take() {
            indexer.kill().await;
        }
    }

    /// Waits until the indexer gives up, and says why it did.
    pub async fn gave_up(&mut self) -> anyhow::Result<IndexerError> {
        let indexer = self.indexer.take().context("no indexer runs")?;
        wait_until("the indexer gives up", async || Ok(indexer.is_finished())).await?;
        indexer.stop().await.err().context("the indexer ended without an error")
    }

    /// Waits until the store is at the tip of the stage's chain.
    pub async fn caught_up(&self) -> anyhow::Result<()> {
        self.at(&self.chain).await
    }

    /// Waits until the store is at the tip of `chain`.
    pub async fn at(&self, chain: &Chain) -> anyhow::Result<()> {
        wait_for_tip(&self.store, chain.tip()).await
    }

    /// Height and hash of the checkpoint.
    pub async fn tip(&self) -> anyhow::Result<(u64, String)> {
        let checkpoint = self.store.checkpoint().await?;
        let hash = checkpoint.tip_hash().context("an indexed block")?.to_string();
        Ok((checkpoint.tip().context("an indexed block")?, hash))
    }

    /// The indexer sees `node` a few more times and the store stays where it is.
    pub async fn stays_while_looking_at(&self, node: &Server) -> anyhow::Result<()> {
        let tip = self.tip().await?;
        let enough = node.requests() + REQUESTS_OF_A_FEW_LOOKS;
        wait_until("the indexer looks at the node", async || Ok(node.requests() >= enough)).await?;
        anyhow::ensure!(self.tip().await? == tip, "the store left {tip:?}");
        Ok(())
    }

    /// The store is what indexing the chain once gives, and verifies against the node.
    pub async fn equals_clean_run(&self) -> anyhow::Result<()> {
        ground_truth::equals_clean_run(&self.database.url, &self.chain).await?;
        ground_truth::is_clean(&self.database.url, Some(&self.node)).await
    }

    /// A number that a query gives.
    pub async fn count(&self, sql: &'static str) -> anyhow::Result<i64> {
        chert_testkit::dump::count(&self.database.url, sql).await
    }
}
