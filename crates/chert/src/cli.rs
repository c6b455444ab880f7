//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The Chert API backend: indexes a Chert node into PostgreSQL and answers from it
#[derive(Debug, Parser)]
#[command(name = "chert", version, propagate_version = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Configuration file; config/api.toml documents every key
    #[arg(long, global = true, env = "CHERT_API_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything: database, dev chain, indexer, REST, web page; what is configured is used
    /// instead of the embedded default
    Up(UpArgs),
    /// Run the API server only
    Serve(ServeArgs),
    /// Run the indexer only
    Index(IndexArgs),
    /// Bring the database schema to this version
    Migrate(DatabaseArgs),
    /// Run a development chain that speaks the node's contract
    Devnet(Box<chert_devnet::cli::DevnetArgs>),
    /// Compare the store with itself and with the node, and repair it
    Verify(VerifyArgs),
    /// Check database, node, oracles, ports and versions, and say what to do
    Doctor(SourceArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Sign a request with an account's key: prints the headers to send with it
    Sign(SignArgs),
}

/// Where the database is.
#[derive(Debug, Clone, Default, Args)]
pub struct DatabaseArgs {
    /// PostgreSQL 15 or newer: postgres://user:password@host:port/database
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
}

/// Where nodes and oracles are.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// The database
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// A node; give several to fail over between them
    #[arg(long = "node-url", value_name = "URL")]
    pub node_urls: Vec<String>,
    /// An oracle; may be given several times
    #[arg(long = "oracle", value_name = "URL")]
    pub oracles: Vec<String>,
    /// Accept oracles without a pinned key
    #[arg(long)]
    pub allow_unsigned_oracles: bool,
}

/// Addresses to listen on.
#[derive(Debug, Clone, Default, Args)]
pub struct ListenArgs {
    /// Address of REST and the web page, e.g. 127.0.0.1:8080; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Address of gRPC, e.g. 127.0.0.1:9090; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub grpc: Option<SocketAddr>,
}

/// `chert up`.
#[derive(Debug, Clone, Default, Args)]
pub struct UpArgs {
    /// Database, nodes, oracles
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Addresses
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Where the private PostgreSQL and the dev chain keep their data
    /// [default: /var/lib/chert for root, else ~/.local/share/chert]
    #[arg(long, env = "CHERT_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Blocks of history of the dev chain when it is made
    #[arg(long, default_value_t = 5_000, value_name = "BLOCKS")]
    pub devnet_history: u64,
    /// Time between blocks of the dev chain when it is made, in milliseconds
    #[arg(long, default_value_t = 2_000, value_name = "MS")]
    pub devnet_block_time_ms: u64,
}

/// `chert serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// The database
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Addresses
    #[command(flatten)]
    pub listen: ListenArgs,
}

/// `chert index`.
#[derive(Debug, Clone, Default, Args)]
pub struct IndexArgs {
    /// Database, nodes, oracles
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Address of /metrics and /health
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
}

/// `chert verify`.
#[derive(Debug, Clone, Default, Args)]
pub struct VerifyArgs {
    /// Database, and the node to compare with
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Replace what differs and rebuild derived tables; the indexer must be stopped
    #[arg(long)]
    pub repair: bool,
    /// Do not compare with the node
    #[arg(long)]
    pub no_node: bool,
}

/// `chert sign`.
#[derive(Debug, Clone, Default, Args)]
pub struct SignArgs {
    /// Method of the request; without method and URL, account and public key are printed
    #[arg(requires = "url")]
    pub method: Option<String>,
    /// URL of the request, exactly as it will be sent
    pub url: Option<String>,
    /// File with the key: the algorithm's name, a blank, and the seed in hex
    #[arg(long, env = "CHERT_KEY_FILE", value_name = "FILE")]
    pub key: PathBuf,
    /// File with the request's body
    #[arg(long, value_name = "FILE", requires = "url")]
    pub body: Option<PathBuf>,
    /// Seconds for which the signature is good, 1 to 300
    #[arg(long, default_value_t = 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(i64).range(1..=300))]
    pub expires_in: i64,
    /// Make a new key and write it to the file, which must not exist
    #[arg(long, conflicts_with = "method")]
    pub generate: bool,
    /// Algorithm of a new key: ed25519, ml-dsa-44, ml-dsa-65, ml-dsa-87
    #[arg(long, default_value = "ed25519", value_name = "NAME", requires = "generate")]
    pub alg: String,
}

/// `chert-api-server`.
#[derive(Debug, Parser)]
#[command(name = "chert-api-server", version, about = "The Chert API server")]
pub struct ServerArgs {
    /// Options
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Options of every command
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// `chert-api-indexer`.
#[derive(Debug, Parser)]
#[command(name = "chert-api-indexer", version, about = "The Chert indexer")]
pub struct IndexerArgs {
    /// Options
    #[command(flatten)]
    pub index: IndexArgs,
    /// Options of every command
    #[command(flatten)]
    pub global: GlobalArgs,
}
