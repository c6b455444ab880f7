//! The `chert devnet` options.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use chert_devnet::Fault;
use chert_devnet::cli::{DevnetArgs, run};
use clap::Parser;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    devnet: DevnetArgs,
}

#[test]
fn faults_are_a_list_with_values() {
    let line = ["devnet", "--fault", "latency=20,half-open", "--fault-probability", "0.1"];
    let args = Command::try_parse_from(line).unwrap().devnet;
    assert_eq!(args.faults, [Fault::Latency { ms: 20 }, Fault::HalfOpen]);
    assert!(Command::try_parse_from(["devnet", "--fault", "coffee"]).is_err());
}

#[tokio::test]
async fn it_runs_until_told_to_stop() {
    let line = "devnet --listen 127.0.0.1:0 --history 1000000 --replicas 2 --replica-lag 3 --reorg-every 5 \
                --oracles 2 --oracle-listen 127.0.0.1:0";
    let args = Command::try_parse_from(line.split(' ')).unwrap().devnet;
    run(args.clone(), std::future::ready(())).await.unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    assert!(run(DevnetArgs { listen, ..args }, std::future::ready(())).await.is_err());
}
