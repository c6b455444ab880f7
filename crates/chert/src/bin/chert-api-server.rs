//! `chert-api-server`: `chert serve` under the name that deployments use.

use chert::cli::{Command, ServerArgs};
use clap::Parser;

fn main() -> std::process::ExitCode {
    let args = ServerArgs::parse();
    chert::run(Command::Serve(args.serve), &args.global)
}
