//! The oracles of a simulated life: two that tell of the same miners, one of them signed.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use chert_devnet::{
    Chain, Oracle, OracleConfig, OracleDefect, OracleFault, OracleFaultPlan, OracleServer,
    OracleServerConfig,
};
use chert_indexer::OracleSetup;
use chert_sources::OracleOptions;
use chert_testkit::dump;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::{WAIT_MAX, WAIT_STEP};

/// Items appended in one step at most.
const APPENDED_MAX: u64 = 60;

/// Two oracles on real sockets.
pub struct Oracles {
    servers: Vec<OracleServer>,
}

impl Oracles {
    /// Oracles whose miners are accounts of the chain.
    pub async fn start(seed: u64, chain: &Chain) -> anyhow::Result<Self> {
        let mut servers = Vec::new();
        for number in 0..2 {
            let oracle = Oracle::new(OracleConfig {
                seed: seed * 2 + number,
                signed: number == 0,
                items: 20,
                accounts: chain.addresses(),
                step_ms: 60_000,
                history_step_ms: 600_000,
                shared_seed: Some(seed),
                chain: Some(chain.clone()),
                ..OracleConfig::default()
            });
            servers.push(OracleServer::start(oracle, OracleServerConfig::default()).await?);
        }
        Ok(Self { servers })
    }

    /// How the indexer is to read them: the signed one with its key pinned.
    pub fn setups(&self) -> Vec<OracleSetup> {
        let setup = |server: &OracleServer| {
            let oracle = server.oracle();
            OracleSetup {
                options: OracleOptions {
                    url: server.url().parse().expect("a valid URL"),
                    api_key: None,
                    oracle_id: Some(oracle.oracle_id().to_owned()),
                    public_keys: oracle
                        .is_signed()
                        .then(|| oracle.public_key())
                        .into_iter()
                        .collect(),
                    allow_unsigned: !oracle.is_signed(),
                },
                network_id: None,
            }
        };
        self.servers.iter().map(setup).collect()
    }

    /// Something happens to one of them.
    pub async fn step(&self, rng: &mut ChaCha8Rng, database: &str) -> anyhow::Result<()> {
        let server = &self.servers[rng.random_range(0..self.servers.len())];
        let oracle = server.oracle();
        match rng.random_range(0..10) {
            0..=4 => {
                oracle.append(rng.random_range(1..APPENDED_MAX));
            }
            5..=6 => {
                let defects = [
                    OracleDefect::MalformedRecord,
                    OracleDefect::UnknownFields,
                    OracleDefect::UnknownKind,
                    OracleDefect::SameRevision,
                    OracleDefect::IllegalTransition,
                ];
                oracle.append_defect(defects[rng.random_range(0..defects.len())]);
            }
            7 => {
                // What a lost log had told and we had not read is gone for everybody: the truth to
                // compare with is that of a reader who had read it.
                if is_read(&oracle, database).await? {
                    oracle.reset();
                }
            }
            _ => server.faults().set(fault_plan(rng)),
        }
        Ok(())
    }

    /// New items of both.
    pub fn append(&self, items: u64) {
        for server in &self.servers {
            server.oracle().append(items);
        }
    }

    /// Every answer of both fails this way.
    pub fn fail(&self, kind: OracleFault) {
        for server in &self.servers {
            let kinds = vec![kind];
            server.faults().set(OracleFaultPlan { seed: 7, probability: 1.0, kinds, paths: None });
        }
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.servers.iter().for_each(|server| server.faults().clear());
    }

    /// Answers that failed.
    pub fn injected(&self) -> u64 {
        self.servers.iter().map(|server| server.faults().injected()).sum()
    }

    /// Waits until every item of both feeds has been read.
    pub async fn wait_until_read(&self, database: &str) -> anyhow::Result<()> {
        for server in &self.servers {
            let oracle = server.oracle();
            let started = std::time::Instant::now();
            while !is_read(&oracle, database).await? {
                let late = started.elapsed() >= WAIT_MAX;
                ensure!(!late, "{} is not read to its end", oracle.oracle_id());
                tokio::time::sleep(WAIT_STEP).await;
            }
        }
        Ok(())
    }

    /// Every stored submission is what its oracle last said of it, and none is missing.
    pub async fn are_told_truly(&self, database: &str) -> anyhow::Result<usize> {
        let mut compared = 0;
        for server in &self.servers {
            let oracle = server.oracle();
            let truth = oracle.submissions();
            let stored: BTreeMap<String, dump::Submission> =
                dump::submissions(database, oracle.oracle_id()).await?.into_iter().collect();
            for (id, record) in &truth {
                let row = stored.get(id).with_context(|| format!("{id} is missing: {record}"))?;
                // An unsigned oracle may not take back what a block has confirmed.
                if row.kept_against_oracle && !oracle.is_signed() {
                    continue;
                }
                compare(id, record, row)?;
                compared += 1;
            }
            ensure!(stored.len() == truth.len(), "{} stored, {} told", stored.len(), truth.len());
        }
        Ok(compared)
    }
}

async fn is_read(oracle: &Oracle, database: &str) -> anyhow::Result<bool> {
    let cursor = dump::feed_cursor(database, oracle.oracle_id()).await?;
    Ok(cursor == Some((oracle.feed_id(), i64::try_from(oracle.head_seq())?)))
}

fn compare(id: &str, record: &Value, row: &dump::Submission) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let told = [
        text(&record["status"]),
        text(&record["reward_status"]),
        text(&record["reward"]["amount"]),
        text(&record["credits_granted"]),
        text(&record["account_address"]),
    ];
    let kept = [
        Some(row.status.clone()),
        Some(row.reward_status.clone()),
        row.reward.clone(),
        row.credits.clone(),
        Some(row.account.clone()),
    ];
    ensure!(told == kept, "{id}: told {told:?}, stored {kept:?}");
    Ok(())
}

fn fault_plan(rng: &mut ChaCha8Rng) -> OracleFaultPlan {
    let all = [
        OracleFault::TooManyRequests { retry_after_s: 0 },
        OracleFault::Unavailable { retry_after_s: 0 },
        OracleFault::ServerError,
        OracleFault::Unauthorized,
        OracleFault::Latency { ms: 20 },
        OracleFault::Timeout { ms: 300 },
        OracleFault::InvalidJson,
        OracleFault::UnknownFields,
        OracleFault::BadSignature,
        OracleFault::WrongHash,
        OracleFault::BrokenChain,
        OracleFault::Gap,
        OracleFault::Behind { items: 30 },
    ];
    OracleFaultPlan {
        seed: rng.random(),
        probability: rng.random_range(0.1..0.6),
        kinds: (0..3).map(|_| all[rng.random_range(0..all.len())]).collect(),
        paths: None,
    }
}
