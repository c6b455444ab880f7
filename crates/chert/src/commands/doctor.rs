//! `chert doctor`.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use chert_indexer::{OracleSetup, objection};
use chert_sources::{Fault, InfoAnswer, NodeSource, OracleClient, OracleSource};
use chert_store::Store;

use crate::cli::SourceArgs;
use crate::config::Config;
use crate::services::sources;

/// What the checks found.
#[derive(Default)]
struct Findings {
    problems: u32,
}

impl Findings {
    fn good(&self, what: &str) {
        println!("ok       {what}");
    }

    fn bad(&mut self, what: &str, remedy: &str) {
        self.problems += 1;
        println!("PROBLEM  {what}\n         {remedy}");
    }
}

/// Checks everything that can be checked from outside; exit code 0 when nothing is wrong.
pub async fn run(mut config: Config, args: SourceArgs) -> anyhow::Result<ExitCode> {
    config.apply_sources(&args)?;
    let mut findings = Findings::default();
    findings.good(&format!("chert {}", env!("CARGO_PKG_VERSION")));
    check_database(&config, &mut findings).await;
    check_nodes(&config, &mut findings).await?;
    check_oracles(&config, &mut findings).await?;
    for (name, port, flag) in [
        ("REST", config.server.port, "--http or server.port"),
        ("gRPC", config.server.grpc_port, "--grpc or server.grpc_port"),
    ] {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => findings.good(&format!("port {port} is free for {name}")),
            Err(error) => findings.bad(
                &format!("port {port} for {name}: {error}"),
                &format!("stop what uses it, or choose another with {flag}"),
            ),
        }
    }
    Ok(if findings.problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_database(config: &Config, findings: &mut Findings) {
    if config.database.url.is_empty() {
        match chert_postgres::find_binaries() {
            Ok(path) => findings.good(&format!(
                "no database is configured; `chert up` will run its own from {}",
                path.display()
            )),
            Err(error) => findings.bad("no database is configured", &error.to_string()),
        }
        return;
    }
    let described = match config.direct_pool() {
        Ok(pool) => match Store::connect_lazy(&pool) {
            Ok(store) => store.describe().await,
            Err(error) => Err(error),
        },
        Err(error) => return findings.bad("database", &error.to_string()),
    };
    match described {
        Err(error) => findings.bad(
            &format!("the database does not answer: {error}"),
            "check database.url, that PostgreSQL runs, and that the user may log in",
        ),
        Ok(about) if about.version_number < 150_000 => findings.bad(
            &format!("PostgreSQL {}", about.version),
            "15 or newer is needed; upgrade the server",
        ),
        Ok(about) => {
            findings.good(&format!("PostgreSQL {}", about.version));
            match about.checkpoint {
                Some(checkpoint) => findings.good(&format!(
                    "the schema is there; indexed up to block {}",
                    checkpoint.height
                )),
                None => findings.bad("the schema is missing", "run `chert migrate`"),
            }
        }
    }
}

async fn check_nodes(config: &Config, findings: &mut Findings) -> anyhow::Result<()> {
    let urls = config.node_urls();
    if urls.is_empty() {
        findings.good("no node is configured; `chert up` will run a dev chain");
        return Ok(());
    }
    let set = sources(config, &urls)?;
    for index in 0..set.len() {
        let Some(source) = set.source(index) else { continue };
        check_node(source.as_ref(), findings).await;
    }
    Ok(())
}

async fn check_node(source: &dyn NodeSource, findings: &mut Findings) {
    let name = source.name();
    match source.tip().await {
        Ok(tip) => {
            let info = source.chain_info().await;
            let network = info.network.unwrap_or_else(|| "unnamed".into());
            findings.good(&format!("node {name}: block {}, network {network}", tip.height));
            if let Err(error) = source.blocks(tip.height, tip.height).await {
                findings.bad(
                    &format!("node {name} cannot serve its own tip: {error}"),
                    "ask its operator, or configure another node",
                );
            }
        }
        Err(error) => {
            let remedy = match error.fault {
                Fault::Unreachable => {
                    "check the address and that the node runs (port 8545 by default)"
                }
                Fault::RateLimited => "the node limits us; use another or ask for a higher limit",
                _ => "it answers, but not as a Chert node does; check chain.rpc_url",
            };
            findings.bad(&format!("node {name}: {error}"), remedy);
        }
    }
}

async fn check_oracles(config: &Config, findings: &mut Findings) -> anyhow::Result<()> {
    let setups = config.oracles.setups()?;
    if setups.is_empty() && config.node_urls().is_empty() {
        findings.good("no oracle is configured; `chert up` will run two with its dev chain");
    }
    for setup in setups {
        let client = OracleClient::new(setup.options.clone())?;
        check_oracle(&setup, &client, findings).await;
    }
    Ok(())
}

async fn check_oracle(setup: &OracleSetup, client: &OracleClient, findings: &mut Findings) {
    let name = client.name();
    match client.info().await {
        Ok(InfoAnswer::Feed(info)) => match objection(setup, &info) {
            Some(objection) => findings
                .bad(&format!("oracle {name} is not read: {}", objection.code), &objection.remedy),
            None => {
                let proof = match setup.options.public_keys.is_empty() {
                    true => "unsigned records are accepted",
                    false => "its key is pinned",
                };
                findings.good(&format!(
                    "oracle {name}: {}, {} items, {proof}",
                    info.oracle_id, info.head_seq
                ));
            }
        },
        Ok(InfoAnswer::NoFeed) if client.probe().await.reachable => {
            findings
                .good(&format!("oracle {name} answers; it has no work feed, it is only probed"));
        }
        Ok(InfoAnswer::NoFeed) => findings.bad(
            &format!("oracle {name}: what answers there is not an oracle"),
            "check its address (port 8765 by default)",
        ),
        Ok(InfoAnswer::Refused { status }) => findings.bad(
            &format!("oracle {name} refuses us: HTTP {status}"),
            "give its API key in an environment variable and name that in \
             oracles.oracle.api_key_env",
        ),
        Err(error) => findings.bad(
            &format!("oracle {name}: {error}"),
            "check its address and that it runs (port 8765 by default)",
        ),
    }
}
