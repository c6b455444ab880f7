//! `chert-api-indexer`: `chert index` under the name that deployments use.

use chert::cli::{Command, IndexerArgs};
use clap::Parser;

fn main() -> std::process::ExitCode {
    let args = IndexerArgs::parse();
    chert::run(Command::Index(args.index), &args.global)
}
