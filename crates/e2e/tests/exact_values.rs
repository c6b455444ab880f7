//! What the node wrote comes back through REST to the byte: amounts up to `u64::MAX`, text with
//! NUL in it, and every other field of a transaction.

use anyhow::{Context, ensure};
use chert_devnet::{Chain, ChainConfig, Profile};
use chert_indexer::IndexerSettings;
use e2e::api::Api;
use e2e::fast_settings;
use e2e::stage::Stage;
use serde_json::Value;

const HISTORY: u64 = 150;

/// A chain with everything in it that a node may write.
fn rich_chain() -> Chain {
    let profile = Profile::realistic();
    Chain::new(ChainConfig { seed: 5, history: HISTORY, profile, ..ChainConfig::default() })
}

/// Fields that have a place of their own in the answer; all others are the payload.
const OWN_FIELDS: [&str; 13] = [
    "tx_id",
    "transaction_type",
    "sender",
    "recipient",
    "amount",
    "outputs",
    "total_amount",
    "fee",
    "nonce",
    "timestamp",
    "stealth_outputs",
    "signature",
    "memo",
];

/// Compares an answer with the node's record, as far as the record has a field.
fn check(record: &Value, answer: &Value) -> anyhow::Result<()> {
    for field in ["amount", "fee"] {
        let Some(amount) = record[field].as_u64() else { continue };
        let exact = amount.to_string();
        ensure!(answer[field].as_str() == Some(exact.as_str()), "{field}: {record} {answer}");
    }
    if let Some(nonce) = record["nonce"].as_u64() {
        ensure!(answer["nonce"] == nonce, "nonce: {record} {answer}");
    }
    for (name, value) in record.as_object().context("an object")? {
        if !OWN_FIELDS.contains(&name.as_str()) || name == "memo" {
            ensure!(answer["payload"][name] == *value, "{name}: {record} {answer}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_back_exactly() -> anyhow::Result<()> {
    let settings = IndexerSettings { batch_blocks: 20, ..fast_settings() };
    let stage = Stage::indexed(rich_chain(), settings).await?;
    let api = Api::start(&stage.database.url).await?;
    let (mut with_nul, mut with_max, mut compared) = (0, 0, 0);
    for height in 0..=HISTORY {
        let block = stage.chain.block(height).context("a block")?;
        for record in block["transactions"].as_array().context("transactions")? {
            let Some(id) = record["tx_id"].as_str() else { continue };
            let nul = record.to_string().contains("\\u0000");
            let max = record["amount"] == u64::MAX;
            // Every tenth block is enough for the ordinary ones.
            if !(nul || max || height % 10 == 0) {
                continue;
            }
            let (status, answer) = api.ask(&format!("/v1/explorer/tx/{id}")).await?;
            if status == 404 {
                // One that was quarantined.
                let odd =
                    record["amount"].as_i64().is_some_and(|a| a < 0) || record["amount"].is_f64();
                ensure!(odd, "{record}");
                continue;
            }
            ensure!(status == 200, "{status} {answer}");
            check(record, &answer)?;
            ensure!(answer["block_height"] == height, "{answer}");
            with_nul += usize::from(nul);
            with_max += usize::from(max);
            compared += 1;
        }
    }
    println!("{compared} compared, {with_nul} with NUL, {with_max} of u64::MAX");
    assert!(with_nul > 0, "the chain must have text with NUL");
    assert!(with_max > 0, "the chain must have amounts of u64::MAX");
    api.finish().await
}
