//! A client of the event log: reads frames of the stream as the standard says, and folds what it
//! reads into a chain.

use anyhow::{Context, bail, ensure};
use chert_devnet::Chain;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use silica_models::TxId;

use crate::api::Api;

/// An open stream.
pub struct EventStream {
    chunks: BoxStream<'static, Result<Vec<u8>, reqwest::Error>>,
    buffer: Vec<u8>,
    /// What a browser would send as `Last-Event-ID`.
    pub last_id: i64,
}

/// A frame that a browser would hand to its page.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The type, or `cut`.
    pub event: String,
    /// What it says.
    pub data: Value,
}

impl EventStream {
    /// Opens `/v1/events/stream` with a query, as a client that has seen everything up to
    /// `last_id`. Returns when the first lines are here.
    pub async fn open(api: &Api, query: &str, last_id: Option<i64>) -> anyhow::Result<Self> {
        let url = format!("{}/v1/events/stream{query}", api.base());
        let mut request = reqwest::Client::new().get(url);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id.to_string());
        }
        let response = request.send().await?;
        let status = response.status();
        ensure!(status == 200, "{status}: {}", response.text().await?);
        let kind = response.headers().get("content-type").context("a content type")?;
        ensure!(kind == "text/event-stream", "{kind:?}");
        let chunks = response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed();
        let mut stream = Self { chunks, buffer: Vec::new(), last_id: -1 };
        let opening = stream.block().await?.context("the stream ended at once")?;
        ensure!(opening.starts_with("retry: "), "the first frame is {opening:?}");
        ensure!(stream.take(&opening)?.is_none(), "an event in the first frame");
        ensure!(stream.last_id >= 0, "no position in the first frame");
        Ok(stream)
    }

    /// The next frame with an event; `None` when the stream ended.
    pub async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        while let Some(block) = self.block().await? {
            if let Some(frame) = self.take(&block)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// The next event of the log.
    pub async fn event(&mut self) -> anyhow::Result<Value> {
        let frame = self.next().await?.context("the stream ended")?;
        ensure!(frame.event == frame.data["type"], "{frame:?}");
        Ok(frame.data)
    }

    /// Text up to the next empty line.
    async fn block(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(Some(String::from_utf8(block)?));
            }
            match self.chunks.next().await {
                Some(chunk) => self.buffer.extend(chunk?),
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self, block: &str) -> anyhow::Result<Option<Frame>> {
        let (mut event, mut data) = (String::new(), Vec::new());
        for line in block.lines().filter(|line| !line.is_empty()) {
            match line.split_once(": ") {
                Some(("id", id)) => self.last_id = id.parse()?,
                Some(("event", name)) => name.clone_into(&mut event),
                Some(("data", text)) => data.push(text.to_owned()),
                Some(("retry", ms)) => drop(ms.parse::<u32>()?),
                _ if line.starts_with(':') => {}
                _ => bail!("a line that the standard does not know: {line:?}"),
            }
        }
        if data.is_empty() {
            return Ok(None);
        }
        let data: Value = serde_json::from_str(&data.join("\n"))?;
        Ok(Some(Frame { event, data }))
    }
}

/// Every event after `after` that the pages of a query give; `query` begins with `&` or is empty.
pub async fn pages(api: &Api, after: i64, query: &str, limit: u32) -> anyhow::Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut place = format!("after={after}");
    loop {
        let page = api.get(&format!("/v1/events?{place}&limit={limit}{query}")).await?;
        items.extend(page["items"].as_array().context("items")?.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => place = format!("cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

/// Numbers of events.
pub fn numbers(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["seq"].as_i64().expect("a number")).collect()
}

/// What a client knows that believes the stream alone.
#[derive(Debug, Default)]
pub struct Fold {
    /// Hash and transactions of each block, by height, from `first` on.
    blocks: Vec<(String, Vec<String>)>,
    first: Option<i64>,
    /// Blocks that were taken back.
    pub retracted: usize,
}

impl Fold {
    /// Takes the next event; fails where it does not follow from what went before.
    pub fn apply(&mut self, event: &Value) -> anyhow::Result<()> {
        let height = event["height"].as_i64();
        let hash = || event["block_hash"].as_str().context("block_hash").map(str::to_owned);
        let tx = || event["data"]["tx_id"].as_str().context("tx_id").map(str::to_owned);
        let newest = self.blocks.last_mut();
        match event["type"].as_str().context("type")? {
            "block.applied" => {
                let first = *self.first.get_or_insert(height.context("height")?);
                let next = first + i64::try_from(self.blocks.len())?;
                ensure!(height == Some(next), "{event} after {next} blocks");
                self.blocks.push((hash()?, Vec::new()));
            }
            "transaction.confirmed" => {
                let (block, txs) = newest.context("a transaction without a block")?;
                ensure!(*block == hash()?, "{event} in another block");
                txs.push(tx()?);
            }
            "transaction.retracted" => {
                let (block, txs) = newest.context("a transaction without a block")?;
                ensure!(*block == hash()? && txs.pop() == Some(tx()?), "{event} is not the newest");
            }
            "block.retracted" => {
                let (block, txs) = self.blocks.pop().context("a block too many")?;
                ensure!(block == hash()? && txs.is_empty(), "{event} leaves {txs:?}");
                self.retracted += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// Height of the newest block.
    pub fn tip(&self) -> Option<i64> {
        let blocks = i64::try_from(self.blocks.len()).ok()?;
        Some(self.first? + blocks - 1).filter(|_| blocks > 0)
    }

    /// Compares everything with the chain itself, on which every record can be understood.
    pub fn equals(&self, chain: &Chain) -> anyhow::Result<()> {
        let first = u64::try_from(self.first.context("no block")?)?;
        for (height, (hash, txs)) in (first..).zip(&self.blocks) {
            let block = chain.block(height).with_context(|| format!("no block {height}"))?;
            ensure!(block["block_hash"] == hash.as_str(), "another block at {height}");
            let records = block["transactions"].as_array().context("transactions")?;
            let ids: Vec<String> = records
                .iter()
                .map(|tx| Ok(TxId::parse(tx["tx_id"].as_str().context("tx_id")?)?.to_string()))
                .collect::<anyhow::Result<_>>()?;
            ensure!(ids == *txs, "block {height} has {ids:?}, the events {txs:?}");
        }
        Ok(())
    }
}
