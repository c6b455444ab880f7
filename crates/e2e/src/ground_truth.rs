//! What a store must be, whatever it went through.

use std::time::Duration;

use anyhow::ensure;
use chert_devnet::{Chain, Server, ServerConfig};
use chert_indexer::IndexerSettings;
use chert_store::{PoolSettings, Store};
use chert_testkit::{TestDatabase, dump};

use crate::{RunningIndexer, fast_settings, sources, wait_for_feeds, wait_for_tip};

/// Patience with a node while verifying.
const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// The store's chain tables are byte-equal to indexing the chain once, in one go.
pub async fn equals_clean_run(database_url: &str, chain: &Chain) -> anyhow::Result<()> {
    compare_with_clean_run(database_url, chain, false).await
}

/// The same, and what the registry and governance said, for a store that has read them at the tip.
pub async fn equals_clean_run_with_people(database_url: &str, chain: &Chain) -> anyhow::Result<()> {
    compare_with_clean_run(database_url, chain, true).await
}

async fn compare_with_clean_run(
    database_url: &str,
    chain: &Chain,
    people: bool,
) -> anyhow::Result<()> {
    let clean = TestDatabase::create().await;
    let server = Server::start(chain.clone(), ServerConfig::default()).await?;
    let settings = IndexerSettings { bulk_threshold_blocks: None, ..fast_settings() };
    let indexer = RunningIndexer::start(&clean.url, &[server.url()], settings);
    let store = Store::connect_lazy(&PoolSettings::new(&clean.url))?;
    wait_for_tip(&store, chain.tip()).await?;
    if people {
        wait_for_feeds(&clean.url).await?;
    }
    indexer.stop().await?;
    if people {
        same_rows(&dump::people(database_url).await?, &dump::people(&clean.url).await?)?;
    }
    same_rows(&dump::dump(database_url).await?, &dump::dump(&clean.url).await?)?;
    drop(store);
    clean.close().await
}

/// Both dumps have the same rows; names the first that differs.
pub fn same_rows(
    lived: &[(&'static str, Vec<String>)],
    clean: &[(&'static str, Vec<String>)],
) -> anyhow::Result<()> {
    ensure!(lived.len() == clean.len(), "{} tables, {}", lived.len(), clean.len());
    for ((table, lived), (_, clean)) in lived.iter().zip(clean) {
        for (a, b) in lived.iter().zip(clean) {
            ensure!(a == b, "{table} differs:\n lived {a}\n clean {b}");
        }
        ensure!(lived.len() == clean.len(), "{table}: {} rows, clean {}", lived.len(), clean.len());
    }
    Ok(())
}

/// `verify` finds nothing; with a node every stored block is compared with it.
pub async fn is_clean(database_url: &str, node: Option<&Server>) -> anyhow::Result<()> {
    let report = chert_indexer::verify(
        &PoolSettings::new(database_url),
        node.map(|node| sources(&[node.url()], NODE_TIMEOUT)),
        &IndexerSettings::default(),
        false,
        |_, _| {},
    )
    .await?;
    ensure!(report.is_clean(), "verify: {report:?}");
    let compared = i64::try_from(report.compared)?;
    ensure!(node.is_none() || compared == report.height + 1, "compared {report:?}");
    Ok(())
}

/// Every stored balance is the chain's; gives how many there are.
pub async fn balances_are_true(database_url: &str, chain: &Chain) -> anyhow::Result<usize> {
    let stored = dump::balances(database_url).await?;
    for (address, balance, nonce) in &stored {
        let (truth, truth_nonce) = chain.balance(address);
        ensure!(
            *balance == truth && nonce.parse::<u64>()? == truth_nonce,
            "{address}: {balance} {nonce}, the chain says {truth} {truth_nonce}"
        );
    }
    Ok(stored.len())
}
