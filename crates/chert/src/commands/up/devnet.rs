//! The dev chain of `chert up` and its two oracles: the same ones at every start on a data directory.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use chert_devnet::{
    Chain, ChainConfig, Oracle, OracleConfig, OraclePacer, OracleServer, OracleServerConfig,
    Profile, Server, ServerConfig,
};
use chert_indexer::wall_clock_ms;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::cli::UpArgs;
use crate::config::OracleEntry;

/// The dev chain catches up with the clock at start, but not with years.
const CATCH_UP_BLOCKS_MAX: u64 = 2_000_000;
/// Port of the node in every deployment; another is taken where it is in use.
const NODE_PORT: u16 = 8545;
/// Port of the first oracle, likewise; the second has the next one.
const ORACLE_PORT: u16 = 8765;
/// Items in an oracle's log when the chain is made, spread over its history.
const ORACLE_ITEMS: u64 = 2_000;
/// Time between two later items of an oracle.
const ORACLE_STEP_MS: u64 = 3_000;
/// A log longer than this (three weeks) is not continued at a start: other oracles take over.
const ORACLE_ITEMS_MAX: u64 = 600_000;
/// Accounts that work for the oracles: the chain's busiest, so that work and transactions meet.
const ORACLE_ACCOUNTS_MAX: usize = 200;

/// What makes the dev chain of a data directory the same chain at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    seed: u64,
    history: u64,
    block_time_ms: u64,
    genesis_time_ms: u64,
    /// Missing in files of versions without oracles.
    #[serde(default)]
    oracles: Option<OraclesIdentity>,
}

/// What makes its oracles the same oracles at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct OraclesIdentity {
    seed: u64,
    items: u64,
    start_time_ms: u64,
    history_step_ms: u64,
    step_ms: u64,
}

struct DevOracle {
    server: OracleServer,
    pacer: OraclePacer,
}

/// A running dev chain.
pub(super) struct Devnet {
    server: Server,
    /// The network that the chain and its oracles say they are.
    network: String,
    oracles: Vec<DevOracle>,
}

impl Devnet {
    /// Starts the chain where the clock says it should be: a block each block time since genesis,
    /// so that a restart continues the same chain. So do the oracles' logs.
    pub(super) async fn start(
        data_dir: &Path,
        args: &UpArgs,
        with_oracles: bool,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let identity = identity(data_dir, args)?;
        let block_time = Duration::from_millis(identity.block_time_ms);
        let chain = Chain::new(ChainConfig {
            seed: identity.seed,
            history: identity.history,
            block_time,
            genesis_time_ms: identity.genesis_time_ms,
            profile: Profile::realistic(),
            ..ChainConfig::default()
        });
        // Before blocks are added: the same accounts at every start.
        let accounts = accounts(&chain);
        let behind = due(&identity).saturating_sub(chain.tip().0).min(CATCH_UP_BLOCKS_MAX);
        chain.mine(behind);
        let server = match Server::start(chain.clone(), listen(NODE_PORT)).await {
            Ok(server) => server,
            Err(_) => Server::start(chain.clone(), listen(0))
                .await
                .context("the dev chain cannot listen on 127.0.0.1")?,
        };
        let network = format!("chert-devnet-{}", identity.seed);
        let mut oracles = Vec::new();
        if let (true, Some(identity)) = (with_oracles, identity.oracles) {
            for (number, signed) in [(0, true), (1, false)] {
                let config = OracleConfig {
                    network_id: network.clone(),
                    ..oracle_config(&identity, number, signed, &accounts, &chain)
                };
                oracles.push(start_oracle(config, ORACLE_PORT + number).await?);
            }
        }
        tokio::spawn(mine(chain, identity, stop));
        Ok(Self { server, network, oracles })
    }

    /// Where the node answers.
    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// Whether it brings its own oracles.
    pub(super) fn has_oracles(&self) -> bool {
        !self.oracles.is_empty()
    }

    /// Its oracles as they would be configured.
    pub(super) fn oracle_entries(&self) -> Vec<OracleEntry> {
        let entries = self.oracles.iter().map(|running| {
            let oracle = running.server.oracle();
            let signed = oracle.is_signed();
            OracleEntry {
                oracle_id: Some(oracle.oracle_id().to_owned()),
                network_id: Some(self.network.clone()),
                public_keys: signed.then(|| hex::encode(oracle.public_key())).into_iter().collect(),
                allow_unsigned: (!signed).then_some(true),
                ..OracleEntry::of_url(running.server.url())
            }
        });
        entries.collect()
    }

    /// A line about each oracle.
    pub(super) fn describe_oracles(&self) -> Vec<String> {
        let lines = self.oracles.iter().map(|running| {
            let oracle = running.server.oracle();
            let signed = if oracle.is_signed() { "signed, its key pinned" } else { "unsigned" };
            format!("{} {} ({signed})", running.server.url(), oracle.oracle_id())
        });
        lines.collect()
    }

    /// Stops everything.
    pub(super) async fn shutdown(self) {
        for oracle in self.oracles {
            oracle.pacer.stop().await;
            oracle.server.shutdown().await;
        }
        self.server.shutdown().await;
    }
}

/// Adds a block whenever one is due.
async fn mine(chain: Chain, identity: Identity, stop: CancellationToken) {
    let pause = Duration::from_millis(identity.block_time_ms) / 10;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        if due(&identity) > chain.tip().0 {
            chain.mine(1);
        }
    }
}

async fn start_oracle(config: OracleConfig, port: u16) -> anyhow::Result<DevOracle> {
    let oracle = tokio::task::spawn_blocking(move || Oracle::new(config))
        .await
        .context("a development oracle could not be made")?;
    let at = |port| OracleServerConfig {
        addr: ([127, 0, 0, 1], port).into(),
        ..OracleServerConfig::default()
    };
    let server = match OracleServer::start(oracle.clone(), at(port)).await {
        Ok(server) => server,
        Err(_) => OracleServer::start(oracle.clone(), at(0))
            .await
            .context("a development oracle cannot listen on 127.0.0.1")?,
    };
    Ok(DevOracle { server, pacer: OraclePacer::start(oracle) })
}

fn oracle_config(
    identity: &OraclesIdentity,
    number: u16,
    signed: bool,
    accounts: &[String],
    chain: &Chain,
) -> OracleConfig {
    OracleConfig {
        seed: identity.seed.wrapping_add(u64::from(number)),
        signed,
        items: identity.items,
        accounts: accounts.to_vec(),
        start_time_ms: identity.start_time_ms,
        history_step_ms: identity.history_step_ms,
        step_ms: identity.step_ms,
        shared_seed: Some(identity.seed),
        chain: Some(chain.clone()),
        ..OracleConfig::default()
    }
}

fn accounts(chain: &Chain) -> Vec<String> {
    let addresses = chain.addresses().into_iter();
    addresses.filter(|a| a.starts_with("0x")).take(ORACLE_ACCOUNTS_MAX).collect()
}

fn listen(port: u16) -> ServerConfig {
    ServerConfig { addr: ([127, 0, 0, 1], port).into(), ..ServerConfig::default() }
}

/// Height that the chain should have now.
fn due(identity: &Identity) -> u64 {
    now_ms().saturating_sub(identity.genesis_time_ms) / identity.block_time_ms.max(1)
}

fn now_ms() -> u64 {
    u64::try_from(wall_clock_ms()).unwrap_or(0)
}

/// Reads the identity of a data directory or makes one, and completes or renews what is missing or
/// worn out.
fn identity(data_dir: &Path, args: &UpArgs) -> anyhow::Result<Identity> {
    let file = data_dir.join("devnet.json");
    let stored: Option<Identity> = match std::fs::read_to_string(&file) {
        Ok(text) => {
            let hint = || format!("{} is damaged; delete the data directory", file.display());
            Some(serde_json::from_str(&text).with_context(hint)?)
        }
        Err(_) => None,
    };
    let block_time_ms = args.devnet_block_time_ms.max(50);
    let mut identity = stored.unwrap_or_else(|| Identity {
        seed: 1,
        history: args.devnet_history,
        block_time_ms,
        genesis_time_ms: now_ms().saturating_sub(block_time_ms.saturating_mul(args.devnet_history)),
        oracles: None,
    });
    identity.oracles = Some(oracles_identity(&identity, now_ms()));
    if stored != Some(identity) {
        let hint = || format!("cannot write {}; choose another with --data-dir", file.display());
        std::fs::create_dir_all(data_dir).with_context(hint)?;
        std::fs::write(&file, serde_json::to_string(&identity)?).with_context(hint)?;
    }
    Ok(identity)
}

fn oracles_identity(identity: &Identity, now_ms: u64) -> OraclesIdentity {
    if let Some(oracles) = identity.oracles {
        let age_ms = now_ms.saturating_sub(oracles.start_time_ms);
        if age_ms / oracles.step_ms.max(1) <= ORACLE_ITEMS_MAX {
            return oracles;
        }
    }
    let span_ms = now_ms.saturating_sub(identity.genesis_time_ms);
    // Not longer than the newest week: a chain of years has no need of oracles of years.
    let span_ms = span_ms.min(7 * 24 * 3_600 * 1_000);
    OraclesIdentity {
        seed: identity
            .oracles
            .map_or(identity.seed.wrapping_add(1_000), |o| o.seed.wrapping_add(2)),
        items: ORACLE_ITEMS,
        start_time_ms: now_ms.saturating_sub(span_ms),
        history_step_ms: (span_ms / ORACLE_ITEMS).max(1),
        step_ms: ORACLE_STEP_MS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_oracles_are_read_and_completed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("devnet.json");
        let old = r#"{"seed":1,"history":50,"block_time_ms":200,"genesis_time_ms":1782800000000}"#;
        std::fs::write(&file, old).unwrap();
        let first = identity(directory.path(), &UpArgs::default()).unwrap();
        assert_eq!((first.history, first.genesis_time_ms), (50, 1_782_800_000_000));
        let oracles = first.oracles.unwrap();
        assert_eq!(identity(directory.path(), &UpArgs::default()).unwrap(), first);

        let worn_out = oracles.start_time_ms + (ORACLE_ITEMS_MAX + 2) * ORACLE_STEP_MS;
        let renewed = oracles_identity(&first, worn_out);
        assert!(renewed.seed > oracles.seed + 1, "other oracles");
    }
}
