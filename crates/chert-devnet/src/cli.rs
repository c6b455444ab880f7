//! The `chert devnet` command.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::BLOCK_TIME_MIN;
use crate::miner::now_ms;
use crate::{
    BLOCKS_CAP_DEFAULT, BRANCH_WINDOW_DEFAULT, Chain, ChainConfig, Fault, FaultPlan, Miner,
    MinerConfig, ORACLE_STEP_MS_DEFAULT, Oracle, OracleConfig, OraclePacer, OracleServer,
    OracleServerConfig, Profile, Server, ServerConfig,
};

const REPLICAS_MAX: u16 = 16;
const ORACLES_MAX: u16 = 16;
/// Oracles start with so many items, so far apart: some days of work.
const ORACLE_ITEMS: u64 = 2000;
const ORACLE_HISTORY_STEP_MS: u64 = 300_000;

/// The load of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// About 10 transactions per block, some empty, a rare full one.
    Realistic,
    /// 0 to 4 transactions per block among few addresses.
    Small,
    /// Exactly --txs-per-block in each block.
    Fixed,
    /// Like fixed, with one address in nearly every transaction.
    Whale,
}

/// Options of the development chain.
#[derive(Clone, Debug, Args)]
pub struct DevnetArgs {
    /// Everything random follows from this number
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Blocks that exist from the start; a million costs nothing
    #[arg(long, default_value_t = 1000, value_name = "BLOCKS")]
    pub history: u64,
    /// Time between blocks, in milliseconds, at least 50
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    pub block_time_ms: u64,
    /// Timestamp of genesis in milliseconds since 1970 [default: so that the tip is now]
    #[arg(long, value_name = "MS")]
    pub genesis_time_ms: Option<u64>,
    /// How many transactions of which kinds
    #[arg(long, value_enum, default_value_t = ProfileName::Realistic)]
    pub profile: ProfileName,
    /// Transactions per block of the fixed and whale profiles
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub txs_per_block: u64,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8545)), value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Mine no new blocks
    #[arg(long)]
    pub no_mine: bool,
    /// Reorganise after this many mined blocks [default: never]
    #[arg(long, value_name = "BLOCKS")]
    pub reorg_every: Option<u64>,
    /// Deepest of these reorgs
    #[arg(long, default_value_t = 6, value_name = "BLOCKS")]
    pub reorg_depth: u64,
    /// Share of requests that fail, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub fault_probability: f64,
    /// How they fail: latency=MS, too-many-requests=S, server-error, timeout=MS, half-open,
    /// empty-list, missing-transactions, wrong-parent, lagging=BLOCKS, invalid-json,
    /// oversized=BYTES, rpc-error, wrong-heights, garbage-fields, null-result
    #[arg(long = "fault", value_name = "KIND[=N]", value_delimiter = ',')]
    pub faults: Vec<Fault>,
    /// Only these methods fail, by canonical name [default: all]
    #[arg(long = "fault-method", value_name = "METHOD", value_delimiter = ',')]
    pub fault_methods: Vec<String>,
    /// More nodes of the same chain, on the ports above; they never fail
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub replicas: u16,
    /// How far the replicas are behind
    #[arg(long, default_value_t = 0, value_name = "BLOCKS")]
    pub replica_lag: u64,
    /// Refuse JSON-RPC batches
    #[arg(long)]
    pub no_batch: bool,
    /// Answer on / only, 404 on /jsonrpc
    #[arg(long)]
    pub root_only: bool,
    /// Leave from_height itself out of get_blocks pages
    #[arg(long)]
    pub exclusive_cursor: bool,
    /// Most blocks in one get_blocks answer
    #[arg(long, default_value_t = BLOCKS_CAP_DEFAULT, value_name = "BLOCKS")]
    pub blocks_cap: u64,
    /// Behave like a node without get_blocks
    #[arg(long)]
    pub no_get_blocks: bool,
    /// Leave transaction_count out of blocks
    #[arg(long)]
    pub no_tx_count: bool,
    /// Oracles with a work feed; the first signs its items, the second does not, and so on
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub oracles: u16,
    /// Address of the first oracle, the others on the ports above; port 0 takes free ones
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8765)), value_name = "ADDR")]
    pub oracle_listen: SocketAddr,
    /// Time between two items of an oracle, in milliseconds
    #[arg(long, default_value_t = ORACLE_STEP_MS_DEFAULT, value_name = "MS")]
    pub oracle_step_ms: u64,
    /// Key that requests to the oracles need [default: none]
    #[arg(long, value_name = "KEY")]
    pub oracle_api_key: Option<String>,
    /// Serve /admin/mine, /admin/reorg and /admin/faults
    #[arg(long)]
    pub admin: bool,
}

impl DevnetArgs {
    fn chain_config(&self) -> ChainConfig {
        let block_time = Duration::from_millis(self.block_time_ms).max(BLOCK_TIME_MIN);
        let history_ms = self.block_time_ms.saturating_mul(self.history);
        let genesis_time_ms =
            self.genesis_time_ms.unwrap_or_else(|| now_ms().saturating_sub(history_ms));
        let profile = match self.profile {
            ProfileName::Realistic => Profile::realistic(),
            ProfileName::Small => Profile::small(),
            ProfileName::Fixed => Profile::fixed(self.txs_per_block),
            ProfileName::Whale => Profile::whale(self.txs_per_block),
        };
        ChainConfig {
            seed: self.seed,
            history: self.history,
            block_time,
            genesis_time_ms,
            profile,
            branch_window: BRANCH_WINDOW_DEFAULT,
        }
    }

    fn server_config(&self, replica: u16) -> ServerConfig {
        ServerConfig {
            addr: nth_addr(self.listen, replica),
            lag_blocks: if replica == 0 { 0 } else { self.replica_lag },
            batch: !self.no_batch,
            root_only: self.root_only,
            exclusive_cursor: self.exclusive_cursor,
            blocks_cap: self.blocks_cap,
            get_blocks: !self.no_get_blocks,
            declare_tx_count: !self.no_tx_count,
            admin: self.admin,
            ..ServerConfig::default()
        }
    }

    fn oracle_config(&self, number: u16, chain: &Chain) -> OracleConfig {
        OracleConfig {
            seed: self.seed.wrapping_add(u64::from(number)),
            signed: number.is_multiple_of(2),
            items: ORACLE_ITEMS,
            accounts: chain.addresses(),
            start_time_ms: now_ms().saturating_sub(ORACLE_ITEMS * ORACLE_HISTORY_STEP_MS),
            history_step_ms: ORACLE_HISTORY_STEP_MS,
            step_ms: self.oracle_step_ms,
            shared_seed: Some(self.seed),
            network_id: format!("chert-devnet-{}", self.seed),
            chain: Some(chain.clone()),
            ..OracleConfig::default()
        }
    }

    fn fault_plan(&self) -> FaultPlan {
        FaultPlan {
            seed: self.seed,
            probability: self.fault_probability,
            kinds: self.faults.clone(),
            methods: (!self.fault_methods.is_empty()).then(|| self.fault_methods.clone()),
        }
    }
}

fn nth_addr(mut first: SocketAddr, number: u16) -> SocketAddr {
    if first.port() != 0 {
        first.set_port(first.port().saturating_add(number));
    }
    first
}

/// Starts the oracles and what appends to their logs, printing where they listen.
async fn start_oracles(
    args: &DevnetArgs,
    chain: &Chain,
) -> io::Result<Vec<(OracleServer, OraclePacer)>> {
    let mut oracles = Vec::new();
    for number in 0..args.oracles {
        let oracle = Oracle::new(args.oracle_config(number, chain));
        let config = OracleServerConfig {
            addr: nth_addr(args.oracle_listen, number),
            api_key: args.oracle_api_key.clone(),
            ..OracleServerConfig::default()
        };
        let server = OracleServer::start(oracle.clone(), config).await?;
        let key: String = oracle.public_key().iter().map(|byte| format!("{byte:02x}")).collect();
        let kind = if oracle.is_signed() { "signed" } else { "unsigned" };
        println!(
            "devnet oracle {}: {} ({kind}, public key {key})",
            oracle.oracle_id(),
            server.url()
        );
        oracles.push((server, OraclePacer::start(oracle)));
    }
    Ok(oracles)
}

/// Runs the chain until `shutdown` is ready, printing where it listens.
///
/// # Errors
/// When an address cannot be bound, or more than 16 replicas or oracles are asked for.
pub async fn run(args: DevnetArgs, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    if args.replicas > REPLICAS_MAX || args.oracles > ORACLES_MAX {
        let message = format!("at most {REPLICAS_MAX} replicas and {ORACLES_MAX} oracles");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let config = args.chain_config();
    let block_time = config.block_time;
    let chain = Chain::new(config);
    let mut servers = Vec::new();
    for replica in 0..=args.replicas {
        let server = Server::start(chain.clone(), args.server_config(replica)).await?;
        match replica {
            0 => println!("devnet: {} (seed {}, tip {})", server.url(), args.seed, chain.tip().0),
            _ => println!(
                "devnet replica {replica}: {} ({} blocks behind)",
                server.url(),
                args.replica_lag
            ),
        }
        servers.push(server);
    }
    if let Some(server) = servers.first() {
        server.faults().set(args.fault_plan());
    }
    let oracles = start_oracles(&args, &chain).await?;
    let schedule = MinerConfig {
        block_time,
        reorg_every: args.reorg_every,
        reorg_depth_max: args.reorg_depth,
    };
    let miner = (!args.no_mine).then(|| Miner::start(chain, schedule));
    shutdown.await;
    if let Some(miner) = miner {
        miner.stop().await;
    }
    for (server, pacer) in oracles {
        pacer.stop().await;
        server.shutdown().await;
    }
    for server in servers {
        server.shutdown().await;
    }
    Ok(())
}
