//! One seeded life of the system: blocks, forks, lying nodes, broken connections, kills, restarts.
//! Whatever happens, the store must end byte-equal to indexing the final chain once.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, ensure};
use chert_devnet::{
    Chain, ChainConfig, Fault, FaultPlan, GENESIS_TIME_MS_DEFAULT, Profile, Server, ServerConfig,
};
use chert_indexer::{IndexerSettings, wall_clock_ms};
use chert_store::{PoolSettings, Store, VerifyScope};
use chert_testkit::{TestDatabase, dump};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ground_truth::equals_clean_run_with_people;
use crate::oracles::Oracles;
use crate::reader::Reader;
use crate::told::Told;
use crate::{RunningIndexer, fast_settings, wait_for_balances, wait_for_feeds, wait_for_tip};

/// Must be the indexer's: deeper forks are refused on purpose.
const FINALITY_DEPTH: u64 = 12;
const STEPS_MIN: usize = 15;
const STEPS_MAX: usize = 30;

/// Time from genesis to the life's present; less than what is no news any more.
const LIFE_AGE_MS: i64 = 48 * 3_600 * 1_000;

/// Longest wait for the index to catch up before the next step, where a step waits.
const CATCH_UP: Duration = Duration::from_millis(400);

/// What a life really contained, so that a simulation that tests nothing is noticed.
#[derive(Debug, Default, Clone, Copy)]
pub struct Coverage {
    /// Blocks that were applied and taken back.
    pub retracted: usize,
    /// Faults served by nodes.
    pub faults: u64,
    /// Indexers killed.
    pub kills: u64,
    /// Database sessions terminated.
    pub disconnects: u64,
    /// Events that the log told of people, votes, work and boards.
    pub told: usize,
    /// Submissions of oracles that were compared with what the oracle says.
    pub submissions: usize,
}

struct World {
    seed: u64,
    coverage: Coverage,
    rng: ChaCha8Rng,
    chain: Chain,
    servers: Vec<Server>,
    oracles: Oracles,
    database: TestDatabase,
    indexer: Option<RunningIndexer>,
    /// Highest tip that ever was: what lies `FINALITY_DEPTH` below it may be final already.
    tip_max: u64,
}

/// The indexer's clock: that of a life whose chain and oracles are young, because the event log
/// does not tell what happened long ago.
fn life_now_ms() -> i64 {
    static STARTED_MS: LazyLock<i64> = LazyLock::new(wall_clock_ms);
    let genesis_ms = i64::try_from(GENESIS_TIME_MS_DEFAULT).unwrap_or(i64::MAX);
    genesis_ms.saturating_add(LIFE_AGE_MS + wall_clock_ms() - *STARTED_MS)
}

/// Plays the life of `seed` and compares its end with a clean run.
pub async fn play(seed: u64) -> anyhow::Result<Coverage> {
    let mut world = World::new(seed).await?;
    let reader = Reader::start(&world.database.url).await?;
    let steps = world.rng.random_range(STEPS_MIN..STEPS_MAX);
    for _ in 0..steps {
        world.step().await?;
    }
    world.settle().await?;
    reader.finish().await.with_context(|| format!("a reader saw a wrong answer, seed {seed}"))?;
    world.check().await.with_context(|| format!("seed {seed}"))
}

impl World {
    async fn new(seed: u64) -> anyhow::Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let history =
            if rng.random_bool(0.3) { rng.random_range(100..260) } else { rng.random_range(0..40) };
        let mut profile = Profile::small();
        profile.odd_records = true;
        let chain = Chain::new(ChainConfig {
            seed,
            history,
            block_time: Duration::from_secs(600),
            profile,
            ..ChainConfig::default()
        });
        let mut servers = vec![
            Server::start(
                chain.clone(),
                ServerConfig {
                    batch: rng.random_bool(0.7),
                    root_only: rng.random_bool(0.2),
                    exclusive_cursor: rng.random_bool(0.3),
                    blocks_cap: if rng.random_bool(0.3) { 3 } else { 1000 },
                    get_blocks: rng.random_bool(0.9),
                    ..ServerConfig::default()
                },
            )
            .await?,
        ];
        if rng.random_bool(0.4) {
            let lag_blocks = rng.random_range(0..4);
            servers.push(
                Server::start(
                    chain.clone(),
                    ServerConfig { lag_blocks, ..ServerConfig::default() },
                )
                .await?,
            );
        }
        let oracles = Oracles::start(seed, &chain).await?;
        let database = TestDatabase::create().await;
        Ok(Self {
            seed,
            oracles,
            rng,
            chain,
            servers,
            database,
            indexer: None,
            tip_max: history,
            coverage: Coverage::default(),
        })
    }

    fn settings(&mut self) -> IndexerSettings {
        IndexerSettings {
            batch_blocks: self.rng.random_range(1..9),
            bulk_threshold_blocks: self.rng.random_bool(0.5).then_some(60),
            finality_depth: FINALITY_DEPTH,
            now_ms: life_now_ms,
            ..fast_settings()
        }
    }

    fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Server::url).collect()
    }

    fn start_indexer(&mut self) {
        let (urls, settings) = (self.urls(), self.settings());
        let oracles = self.oracles.setups();
        let indexer = RunningIndexer::start_with(&self.database.url, &urls, settings, oracles);
        self.indexer = Some(indexer);
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        match self.rng.random_range(0..15) {
            0..=3 => {
                let count = self.rng.random_range(1..6);
                self.chain.mine(count);
            }
            4..=6 => self.fork(),
            7 => self.break_nodes(),
            8 => {
                self.servers.iter().for_each(|s| s.faults().clear());
                self.oracles.heal();
            }
            9 => {
                if let Some(indexer) = self.indexer.take() {
                    self.coverage.kills += 1;
                    indexer.kill().await;
                }
            }
            10 => {
                self.coverage.disconnects += self.database.terminate_connections().await?;
            }
            11..=13 => self.oracles.step(&mut self.rng, &self.database.url).await?,
            _ => {}
        }
        self.tip_max = self.tip_max.max(self.chain.tip().0);
        if self.indexer.is_none() && self.rng.random_bool(0.6) {
            self.start_indexer();
        }
        if self.indexer.is_some() && self.rng.random_bool(0.5) {
            // Forks only retract what has been indexed; faults or a lost session may prevent it.
            let store = Store::connect_lazy(&PoolSettings::new(&self.database.url))?;
            let reached = wait_for_tip(&store, self.chain.tip());
            let _ = tokio::time::timeout(CATCH_UP, reached).await;
        } else {
            // Not waiting for anything: the point is to meet the indexer at any moment.
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..40))).await;
        }
        Ok(())
    }

    /// A fork that leaves what may be final alone.
    fn fork(&mut self) {
        let tip = self.chain.tip().0;
        let depth_max = tip.saturating_sub(self.tip_max.saturating_sub(FINALITY_DEPTH)).min(tip);
        if depth_max > 0 {
            let depth = self.rng.random_range(1..=depth_max);
            let new_len = self.rng.random_range(0..=depth + 2);
            self.chain.reorg(depth, new_len);
        }
    }

    fn break_nodes(&mut self) {
        let all = [
            Fault::Latency { ms: 20 },
            Fault::TooManyRequests { retry_after_s: 0 },
            Fault::ServerError,
            Fault::Timeout { ms: 450 },
            Fault::HalfOpen,
            Fault::EmptyList,
            Fault::MissingTransactions,
            Fault::WrongParent,
            Fault::Lagging { blocks: 3 },
            Fault::InvalidJson,
            Fault::RpcError,
            Fault::WrongHeights,
            Fault::GarbageFields,
            Fault::NullResult,
        ];
        for server in &self.servers {
            let kinds: Vec<Fault> =
                (0..3).map(|_| all[self.rng.random_range(0..all.len())]).collect();
            server.faults().set(FaultPlan {
                seed: self.rng.random(),
                probability: self.rng.random_range(0.1..0.8),
                kinds,
                methods: None,
            });
        }
    }

    /// Ends all trouble, lets the chain grow past everything seen, and waits for the index.
    async fn settle(&mut self) -> anyhow::Result<()> {
        self.servers.iter().for_each(|s| s.faults().clear());
        self.oracles.heal();
        let tip = self.chain.tip().0;
        self.chain.mine(self.tip_max.saturating_sub(tip) + 1);
        if self.indexer.is_none() {
            self.start_indexer();
        }
        let store = Store::connect_lazy(&PoolSettings::new(&self.database.url))?;
        wait_for_tip(&store, self.chain.tip())
            .await
            .with_context(|| format!("seed {}", self.seed))?;
        wait_for_balances(&self.database.url).await?;
        wait_for_feeds(&self.database.url).await?;
        self.oracles.wait_until_read(&self.database.url).await?;
        let indexer = self.indexer.take().context("an indexer runs")?;
        indexer.stop().await.with_context(|| format!("seed {}", self.seed))
    }

    async fn check(mut self) -> anyhow::Result<Coverage> {
        equals_clean_run_with_people(&self.database.url, &self.chain).await?;
        self.check_against_node().await?;
        let told = Told::read(&self.database.url).await?;
        told.is_true(&self.database.url, &self.chain).await?;
        self.coverage.retracted = told.retracted();
        self.coverage.told = told.of_people();
        self.coverage.faults = self.servers.iter().map(|s| s.faults().injected()).sum();
        self.coverage.faults += self.oracles.injected();
        self.coverage.submissions = self.oracles.are_told_truly(&self.database.url).await?;
        let wrong = dump::wrong_anchors(&self.database.url).await?;
        ensure!(wrong == 0, "{wrong} claims are corroborated wrongly");
        let store = Store::connect_lazy(&PoolSettings::new(&self.database.url))?;
        let (_, findings) = store.verify(VerifyScope::Derived).await?;
        ensure!(findings.is_empty(), "verify found {findings:?}");
        drop(store);
        self.database.close().await?;
        Ok(self.coverage)
    }

    /// The clean run could share a mistake with the other: blocks and balances are also compared
    /// with the chain itself.
    async fn check_against_node(&self) -> anyhow::Result<()> {
        for (address, balance, nonce) in dump::balances(&self.database.url).await? {
            let truth = self.chain.balance(&address);
            ensure!(
                (balance.clone(), nonce.parse()?) == truth,
                "{address}: {balance} {nonce}, {truth:?}"
            );
        }
        let report = chert_indexer::verify(
            &PoolSettings::new(&self.database.url),
            Some(crate::sources(&self.urls()[..1], Duration::from_secs(5))),
            &IndexerSettings::default(),
            false,
            |_, _| {},
        )
        .await?;
        ensure!(report.is_clean(), "verify against the node: {report:?}");
        ensure!(report.compared == self.chain.tip().0 + 1, "compared {}", report.compared);
        Ok(())
    }
}
