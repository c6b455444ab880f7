//! The bulk backfill, frozen in the middle by killing the indexer: what can be answered is, what
//! cannot says why, and a restart finishes it.

use anyhow::Context;
use chert_devnet::Fault;
use chert_indexer::IndexerSettings;
use e2e::api::Api;
use e2e::stage::{Stage, always, small_chain};
use e2e::{fast_settings, wait_until};

const HISTORY: u64 = 300;

fn in_bulk() -> IndexerSettings {
    IndexerSettings { bulk_threshold_blocks: Some(60), ..fast_settings() }
}

/// A stage whose indexer was killed when the first blocks were stored in bulk.
async fn frozen() -> anyhow::Result<Stage> {
    let mut stage = Stage::new(small_chain(60, HISTORY)).await?;
    // Each page takes long, so that the first is met alone.
    stage.node.faults().set(always(Fault::Latency { ms: 250 }, Some(&["get_blocks"])));
    stage.start(in_bulk());
    let begun = async || {
        let checkpoint = stage.store.checkpoint().await?;
        Ok(checkpoint.bulk && checkpoint.height >= 0)
    };
    wait_until("the first blocks are stored in bulk", begun).await?;
    stage.kill().await;
    stage.node.faults().clear();
    let checkpoint = stage.store.checkpoint().await?;
    anyhow::ensure!(checkpoint.bulk, "the indexer was faster than its killer");
    Ok(stage)
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_say_that_the_index_is_being_built() -> anyhow::Result<()> {
    let mut stage = frozen().await?;
    let height = stage.tip().await?.0;
    let api = Api::start(&stage.database.url).await?;
    let block = stage.chain.block(height).context("a block")?;
    let hash = block["block_hash"].as_str().context("a hash")?.to_owned();
    let records = (0..=height).filter_map(|h| stage.chain.block(h));
    let id = records
        .flat_map(|b| b["transactions"].as_array().cloned().unwrap_or_default())
        .find_map(|tx| tx["tx_id"].as_str().map(str::to_owned))
        .context("a transaction")?;
    let address = stage.chain.addresses().first().cloned().context("an address")?;
    let look_ups = [
        format!("/v1/explorer/tx/{id}"),
        format!("/v1/explorer/block/{hash}"),
        format!("/v1/explorer/address/{address}/balance"),
        format!("/v1/explorer/address/{address}/history"),
    ];
    for path in &look_ups {
        let (status, problem) = api.ask(path).await?;
        assert_eq!(status, 503, "{path}: {problem}");
        assert_eq!(problem["type"], "urn:chert:problem:index-building", "{path}");
    }
    assert_eq!(api.get("/v1/status").await?["mode"], "bulk");
    let by_height = api.get(&format!("/v1/explorer/block/{height}")).await?;
    assert_eq!(by_height["hash"], hash.as_str());
    let expected = block["transactions"].as_array().map_or(0, Vec::len);
    assert_eq!(by_height["tx_count"], expected);

    stage.start(in_bulk());
    stage.caught_up().await?;
    for path in &look_ups {
        let ready = async || Ok(api.ask(path).await?.0 == 200);
        wait_until("the look-up is answered", ready).await?;
    }
    api.finish().await?;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_ends_like_a_run_without_it() -> anyhow::Result<()> {
    let mut stage = frozen().await?;
    e2e::ground_truth::is_clean(&stage.database.url, None).await?;
    // The chain reorganises what was stored in bulk, then the rest, then at the tip.
    stage.chain.reorg(HISTORY - 10, HISTORY);
    stage.start(in_bulk());
    let gone_on = async || Ok(!stage.store.checkpoint().await?.bulk);
    wait_until("the bulk backfill ends", gone_on).await?;
    stage.stop().await?;
    stage.start(IndexerSettings { allow_deep_reorg: true, ..in_bulk() });
    stage.caught_up().await?;
    stage.chain.reorg(5, 7);
    stage.caught_up().await?;
    stage.equals_clean_run().await
}
