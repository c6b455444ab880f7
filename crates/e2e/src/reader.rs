//! A client that keeps asking the real server and believes nothing.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chert_api::{ApiSettings, ApiState};
use chert_store::{PoolSettings, Store};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_millis(15);

/// The process's recorder; simulations share one.
pub(crate) fn recorder() -> metrics_exporter_prometheus::PrometheusHandle {
    static HANDLE: OnceLock<metrics_exporter_prometheus::PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| chert_api::metrics::install().expect("installed once")).clone()
}

/// Reads until finished, checking each answer on its own and against its headers.
pub struct Reader {
    stop: CancellationToken,
    stop_server: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Reader {
    /// Starts a server over `database` and a client of it.
    pub async fn start(database: &str) -> anyhow::Result<Self> {
        // Only the first call of the process installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Store::connect_lazy(&PoolSettings {
            max_connections: 4,
            statement_timeout: Duration::from_secs(5),
            ..PoolSettings::new(database)
        })?;
        let settings = ApiSettings { anonymous_rpm: 0, ..ApiSettings::default() };
        let state = ApiState::new(store, settings, recorder());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let stop_server = CancellationToken::new();
        let signal = stop_server.clone().cancelled_owned();
        let server = tokio::spawn(chert_api::serve(listener, state, signal));
        let task = tokio::spawn(read_all(base, stop.clone()));
        Ok(Self { stop, stop_server, task, server })
    }

    /// Stops and says what was wrong, if anything was.
    pub async fn finish(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let outcome = self.task.await?;
        self.stop_server.cancel();
        self.server.await??;
        outcome
    }
}

async fn read_all(base: String, stop: CancellationToken) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let mut good = 0_u32;
    while !stop.is_cancelled() {
        if let Some(block) = check_list(&client, &base).await? {
            good += 1;
            check_block(&client, &base, &block).await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    ensure!(good > 0, "not one list was answered");
    Ok(())
}

struct Head {
    height: i64,
    hash: String,
    finalized: i64,
}

/// An answer with its consistency headers; `None` for an honest refusal (database gone, bulk).
async fn get(client: &reqwest::Client, url: &str) -> anyhow::Result<Option<(Head, Value)>> {
    let response = client.get(url).send().await?;
    let status = response.status();
    if status == 503 || status == 404 || status == 504 {
        return Ok(None);
    }
    ensure!(status == 200 || status == 500, "{url}: {status}");
    if status == 500 {
        bail!("{url}: {}", response.text().await?);
    }
    let number = |name: &str| -> anyhow::Result<i64> {
        let value = response.headers().get(name).with_context(|| format!("no {name}"))?;
        Ok(value.to_str()?.parse()?)
    };
    let head = Head {
        height: number("chert-indexed-height")?,
        finalized: number("chert-finalized-height")?,
        hash: response.headers().get("chert-indexed-hash").context("no hash")?.to_str()?.into(),
    };
    ensure!(number("chert-lag-ms")? >= 0, "negative lag");
    Ok(Some((head, response.json().await?)))
}

/// The newest blocks: no gap, one branch, and the first is the one the headers name.
async fn check_list(client: &reqwest::Client, base: &str) -> anyhow::Result<Option<Value>> {
    let url = format!("{base}/v1/explorer/blocks?limit=20");
    let Some((head, body)) = get(client, &url).await? else { return Ok(None) };
    let items = body["items"].as_array().context("items")?;
    let Some(first) = items.first() else {
        ensure!(head.hash.is_empty(), "headers name a block and the list is empty");
        return Ok(None);
    };
    ensure!(first["height"] == head.height && first["hash"] == head.hash.as_str(), "head {body}");
    for pair in items.windows(2) {
        let [above, below] = pair else { continue };
        ensure!(above["parent_hash"] == below["hash"], "mixed branch: {above} {below}");
        let (a, b) = (above["height"].as_i64(), below["height"].as_i64());
        ensure!(a == b.map(|b| b + 1), "gap: {above} {below}");
    }
    for item in items {
        let height = item["height"].as_i64().context("height")?;
        let expected = if height <= head.finalized { "finalized" } else { "confirmed" };
        ensure!(item["status"] == expected, "status of {item} with finalized {}", head.finalized);
    }
    Ok(items.get(items.len() / 2).cloned())
}

/// One block in full, by hash: as many transactions as it states, all its own.
async fn check_block(client: &reqwest::Client, base: &str, block: &Value) -> anyhow::Result<()> {
    let hash = block["hash"].as_str().context("hash")?;
    let url = format!("{base}/v1/explorer/block/{hash}");
    let Some((head, body)) = get(client, &url).await? else { return Ok(()) };
    if body["status"] == "orphaned" {
        return Ok(());
    }
    ensure!(body["height"].as_i64() <= Some(head.height), "{body} above its own headers");
    let transactions = body["transactions"].as_array().context("transactions")?;
    let stated = body["tx_count"].as_u64().context("tx_count")?;
    // Records that could not be understood are counted and quarantined, not listed.
    ensure!(transactions.len() as u64 <= stated, "too many transactions: {body}");
    for tx in transactions {
        ensure!(tx["block_hash"] == hash, "transaction of another block: {tx}");
    }
    Ok(())
}
