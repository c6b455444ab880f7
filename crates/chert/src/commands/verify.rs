//! `chert verify`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use chert_indexer::verify;

use crate::cli::VerifyArgs;
use crate::config::Config;
use crate::services::sources;

const SAY_EVERY: Duration = Duration::from_secs(3);

/// Verifies, repairs if asked to; exit code 0 only for a clean store (or a repaired one).
pub async fn run(mut config: Config, args: VerifyArgs) -> anyhow::Result<ExitCode> {
    config.apply_sources(&args.sources)?;
    let urls = config.node_urls();
    let nodes = match args.no_node || urls.is_empty() {
        true => None,
        false => Some(sources(&config, &urls)?),
    };
    if nodes.is_none() {
        println!("no node to compare with: checking the store against itself");
    }
    println!("checking structure and derived tables");
    let mut said = Instant::now();
    let report = verify(
        &config.direct_pool()?,
        nodes,
        &config.indexer_settings(),
        args.repair,
        |height, tip| {
            if said.elapsed() >= SAY_EVERY {
                println!("compared up to block {height} of {tip}");
                said = Instant::now();
            }
        },
    )
    .await
    .context("the store could not be verified")?;
    println!(
        "checked up to block {}; compared {} blocks with the node",
        report.height, report.compared
    );
    if report.identities_compared > 0 {
        println!("compared {} identity records with the node", report.identities_compared);
    }
    for finding in &report.findings {
        println!("WRONG  {}: {} rows", finding.check, finding.rows);
    }
    for block in &report.differing {
        println!("WRONG  block {} differs from the node's: {}", block.height, block.part);
    }
    if report.differing_count > report.differing.len() as u64 {
        println!("WRONG  {} blocks differ in all", report.differing_count);
    }
    if report.identities_differing > 0 {
        println!("WRONG  {} identity records differ from the node's", report.identities_differing);
    }
    if report.identities_unknown > 0 {
        println!("WRONG  the node does not have {} identities", report.identities_unknown);
    }
    if let Some(error) = &report.node_error {
        println!("the comparison with the node ended early: {error}");
    }
    for finding in &report.remaining {
        println!("STILL WRONG  {}: {} rows", finding.check, finding.rows);
    }
    let good = report.is_clean() || report.is_repaired();
    match (report.is_clean(), report.repaired) {
        (true, _) => println!("clean"),
        (false, true) if good => println!("repaired"),
        (false, true) => println!("not everything could be repaired; give a node with --node-url"),
        (false, false) => println!("not clean; stop the indexer and run `chert verify --repair`"),
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
