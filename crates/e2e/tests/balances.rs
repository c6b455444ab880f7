//! Balances are the node's figures: read after each touch, again after a reorganisation, and on
//! demand for addresses that were not touched since the indexer is at the tip.

use std::time::Duration;

use anyhow::Context;
use chert_devnet::{Chain, ChainConfig, Profile};
use chert_indexer::IndexerSettings;
use e2e::api::Api;
use e2e::stage::{Stage, small_chain};
use e2e::{fast_settings, ground_truth, wait_for_balances};

#[tokio::test(flavor = "multi_thread")]
async fn touched_balances_are_the_nodes() -> anyhow::Result<()> {
    let stage = Stage::indexed(small_chain(50, 20), fast_settings()).await?;
    for (depth, new_len) in [(0, 12), (5, 6), (3, 3), (8, 20), (12, 12)] {
        stage.chain.reorg(depth, new_len);
        stage.caught_up().await?;
        wait_for_balances(&stage.database.url).await?;
        let read = ground_truth::balances_are_true(&stage.database.url, &stage.chain).await?;
        // Every address of a chain this small was touched while following it; those that only
        // removed blocks touched stay.
        let seen = stage.count("SELECT count(*) FROM addresses").await?;
        let both = "SELECT count(*) FROM addresses JOIN balances USING (address_key)";
        assert_eq!(stage.count(both).await?, seen);
        assert!(i64::try_from(read)? >= seen);
    }
    assert!(stage.count("SELECT count(*) FROM balances").await? > 10);
    Ok(())
}

/// Two transactions in each block among a thousand addresses: most are not touched near the tip.
fn wide_chain() -> Chain {
    Chain::new(ChainConfig {
        seed: 51,
        history: 300,
        block_time: Duration::from_secs(60),
        profile: Profile::fixed(3),
        ..ChainConfig::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn untouched_balance_is_read_when_somebody_asks() -> anyhow::Result<()> {
    let settings = IndexerSettings { batch_blocks: 10, ..fast_settings() };
    let stage = Stage::indexed(wide_chain(), settings).await?;
    wait_for_balances(&stage.database.url).await?;
    let api = Api::start(&stage.database.url).await?;
    let pool = stage.store.pool();
    let untouched: Vec<String> = sqlx::query_scalar(
        "SELECT address FROM addresses a WHERE NOT EXISTS
             (SELECT 1 FROM balances b WHERE b.address_key = a.address_key)
         ORDER BY address LIMIT 5",
    )
    .fetch_all(pool)
    .await?;
    assert_eq!(untouched.len(), 5, "the chain must have addresses that nobody touched lately");
    for address in &untouched {
        let answer = api.get(&format!("/v1/explorer/address/{address}/balance")).await?;
        let (balance, nonce) = stage.chain.balance(address);
        assert_eq!(answer["balance"], balance, "{answer}");
        assert_eq!(answer["nonce"], nonce, "{answer}");
        assert_eq!(answer["as_of_height"], 300, "{answer}");
        assert!(answer["tx_count"].as_i64().context("tx_count")? > 0);
    }
    // Known to the node, never seen in a transaction.
    let seen: Vec<String> =
        sqlx::query_scalar("SELECT lower(address) FROM addresses").fetch_all(pool).await?;
    let is_unseen = |address: &String| !seen.contains(&address.to_lowercase());
    let unseen = stage.chain.addresses().into_iter().find(is_unseen);
    let unseen = unseen.context("an address without transactions")?;
    let answer = api.get(&format!("/v1/explorer/address/{unseen}/balance")).await?;
    assert_eq!(answer["balance"], stage.chain.balance(&unseen).0, "{answer}");
    assert_eq!(answer["tx_count"], 0);
    let nobody = "0x00000000000000000000000000000000deadbeef";
    let answer = api.get(&format!("/v1/explorer/address/{nobody}/balance")).await?;
    assert_eq!((&answer["balance"], &answer["nonce"]), (&"0".into(), &0.into()), "{answer}");
    api.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_once_read_follows_later_blocks() -> anyhow::Result<()> {
    let mut stage = Stage::indexed(wide_chain(), fast_settings()).await?;
    let api = Api::start(&stage.database.url).await?;
    for address in stage.chain.addresses().iter().take(20) {
        api.get(&format!("/v1/explorer/address/{address}/balance")).await?;
    }
    // Blocks that arrive while the indexer is down are backfilled: figures held must follow too.
    stage.stop().await?;
    stage.chain.mine(80);
    stage.start(IndexerSettings { batch_blocks: 10, ..fast_settings() });
    stage.caught_up().await?;
    wait_for_balances(&stage.database.url).await?;
    assert!(ground_truth::balances_are_true(&stage.database.url, &stage.chain).await? >= 20);
    api.finish().await
}
