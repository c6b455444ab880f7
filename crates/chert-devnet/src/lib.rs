//! A deterministic development chain that speaks the node's JSON-RPC over real HTTP.
//!
//! Newcomers run it as `chert devnet`; tests run it in process to inject faults and
//! reorgs. It is an independent implementation of the node contract: it emits JSON
//! directly and shares no code with the crates it is used to test, so that a mistake
//! in our own types cannot hide itself.
//!
//! Beside blocks it has an identity registry, governance and staking, and oracles whose feeds tell
//! of useful work for the chain's own addresses.
//!
//! Invariants:
//! 1. A block is a pure function of (configuration, height, salt, time): the same seed
//!    and the same calls give the same bytes.
//! 2. Nothing is stored for the preloaded history. A live block costs 16 bytes, a reorg
//!    8 bytes, an address touched by a live block one ledger entry (at most the pool).
//! 3. A reorg is one atomic step: no answer mixes two branches.
//! 4. Registry, governance and staking follow from (seed, height, branch) as blocks do: a reorg
//!    changes what its blocks said and nothing else.
//! 5. The feed of an oracle is a function of its configuration and of the calls made on it; an
//!    item once told is told in the same bytes for ever.

mod account;
mod block;
mod chain;
pub mod cli;
mod config;
mod corrupt;
mod faults;
mod governance;
mod ids;
mod json;
mod ledger;
mod miner;
mod oracle;
mod profile;
mod registry;
mod replace;
mod rng;
mod schedule;
mod server;
mod state;
mod transaction;
mod transaction_json;
mod view;

pub use chain::Chain;
pub use config::{BLOCK_TIME_MIN, BRANCH_WINDOW_DEFAULT, ChainConfig, GENESIS_TIME_MS_DEFAULT};
pub use faults::{Fault, FaultPlan, Faults};
pub use miner::{Miner, MinerConfig};
pub use oracle::{
    ORACLE_STEP_MS_DEFAULT, Oracle, OracleConfig, OracleDefect, OracleFault, OracleFaultPlan,
    OracleFaults, OraclePacer, OracleServer, OracleServerConfig,
};
pub use profile::{Profile, TXS_PER_BLOCK_MAX};
pub use server::{BLOCKS_CAP_DEFAULT, RegistryQuirks, Server, ServerConfig};
