//! One node behind the `NodeSource` trait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use silica_models::{Address, Block, BlockHash, Height};
use url::Url;

use crate::answers::{insert_once, parse_balance, parse_block, parse_tip, single_of};
use crate::chain::{check_block, check_links};
use crate::{ChainInfo, Fault, RpcClient, SourceError, StateSource, Tip};

/// Most blocks asked for in one request.
pub const PAGE_BLOCKS_MAX: u64 = 500;
/// Single-block requests under way at once where a node has no usable pages.
const SINGLES_AT_ONCE: usize = 8;
/// A cap once seen is tried again after this many pages: it may have been a passing fault.
const CAP_FORGOTTEN_AFTER_PAGES: u64 = 256;
/// Calls in one JSON-RPC batch.
const BATCH_CALLS_MAX: usize = 100;

/// How to talk to a node.
#[derive(Debug, Clone, Copy)]
pub struct NodeOptions {
    /// Bound of one request, from connect to the last byte.
    pub request_timeout: Duration,
}

/// Balances as one node gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceAnswer {
    /// The node's height before the reading; the figures are at least this new.
    pub node_height: Height,
    /// The node's tip was the expected block before and after the reading.
    pub settled: bool,
    /// Balance in base units and nonce, in the order asked.
    pub figures: Vec<(u64, u64)>,
}

/// What the indexer needs of a node. Every answer is checked; every failure is a [`SourceError`]
/// that may be retried.
#[async_trait]
pub trait NodeSource: StateSource {
    /// URL without credentials.
    fn name(&self) -> String;
    /// The node's best height.
    async fn tip(&self) -> Result<Tip, SourceError>;
    /// Blocks `first..=last` in ascending order: all of them, linked to each other, with as many
    /// transactions as they state.
    async fn blocks(&self, first: Height, last: Height) -> Result<Vec<Block>, SourceError>;
    /// Hash of the block at `height`, without its transactions.
    async fn hash_at(&self, height: Height) -> Result<BlockHash, SourceError>;
    /// Balance and nonce of each address (at most 100), read around block `tip`.
    async fn balances(
        &self,
        addresses: &[Address],
        tip: (Height, &BlockHash),
    ) -> Result<BalanceAnswer, SourceError>;
    /// How the node names its chain; what it does not tell is absent.
    async fn chain_info(&self) -> ChainInfo;
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// The HTTP client of a node, which learns how this node behaves.
#[derive(Debug)]
pub struct NodeClient {
    rpc: RpcClient,
    /// Whether batches are answered; probed once.
    batches: AtomicU8,
    /// `get_blocks` leaves out `from_height` itself (contract §11 row 9).
    exclusive: AtomicBool,
    /// `get_blocks` is not there; blocks are asked for one by one.
    singles_only: AtomicBool,
    /// Most blocks this node puts on a page.
    page_cap: AtomicU64,
    /// Pages read.
    pages: AtomicU64,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    blocks: Vec<&'a RawValue>,
}

/// What a page tells of the node's way of paging.
struct PageFacts {
    /// It was asked for as one pages from an exclusive `from_height`.
    exclusive: bool,
    /// Blocks asked for.
    limit: u64,
    /// Blocks returned, wanted or not.
    returned: u64,
    /// The block below the lowest wanted one was there.
    below: bool,
    /// The block above the highest wanted one was there.
    above: bool,
    /// The highest wanted block was there.
    has_last: bool,
    /// No wanted block was there.
    empty: bool,
}

impl NodeClient {
    /// A client for the node at `url`.
    pub fn new(url: Url, options: NodeOptions) -> Result<Self, SourceError> {
        Ok(Self {
            rpc: RpcClient::new(url, options.request_timeout)?,
            batches: AtomicU8::new(UNKNOWN),
            exclusive: AtomicBool::new(false),
            singles_only: AtomicBool::new(false),
            page_cap: AtomicU64::new(PAGE_BLOCKS_MAX),
            pages: AtomicU64::new(0),
        })
    }

    /// The transport, for the reads beside the chain.
    pub(crate) fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// A page of the node, reduced to the heights asked for; it may lack some.
    async fn page(
        &self,
        first: Height,
        last: Height,
    ) -> Result<BTreeMap<Height, Block>, SourceError> {
        let exclusive = self.exclusive.load(Ordering::Relaxed);
        let from = if exclusive { last + 1 } else { last };
        let limit = last - first + 1;
        let params = json!({"from_height": from, "limit": limit, "include_txs": true});
        let raw = self.rpc.call("get_blocks", params).await?;
        let page: Page<'_> = serde_json::from_str(raw.get())
            .map_err(|e| SourceError::new(Fault::Malformed, e.to_string()))?;
        let returned = page.blocks.len() as u64;
        let mut blocks = BTreeMap::new();
        let (mut below, mut above) = (false, false);
        for raw in page.blocks {
            let block = parse_block(raw)?;
            below |= block.height + 1 == first;
            above |= block.height == last + 1;
            if (first..=last).contains(&block.height) {
                insert_once(&mut blocks, block)?;
            }
        }
        let (has_last, empty) = (blocks.contains_key(&last), blocks.is_empty());
        self.learn(&PageFacts { exclusive, limit, returned, below, above, has_last, empty });
        Ok(blocks)
    }

    /// Learns from a page how this node pages. What a faulty answer taught must be unlearned
    /// again, or a healthy node would be asked wrongly for ever.
    fn learn(&self, page: &PageFacts) {
        let shifted = if page.exclusive { page.above } else { page.below && !page.has_last };
        if shifted {
            self.exclusive.store(!page.exclusive, Ordering::Relaxed);
        } else if page.empty {
            self.exclusive.store(false, Ordering::Relaxed);
            self.page_cap.store(PAGE_BLOCKS_MAX, Ordering::Relaxed);
        }
        // A short page that ends at the top is a server's own cap, to be asked for from now on.
        if page.returned > 0 && page.returned < page.limit && page.has_last {
            self.page_cap.fetch_min(page.returned, Ordering::Relaxed);
        }
        if self.pages.fetch_add(1, Ordering::Relaxed).is_multiple_of(CAP_FORGOTTEN_AFTER_PAGES) {
            self.page_cap.store(PAGE_BLOCKS_MAX, Ordering::Relaxed);
        }
    }

    async fn single(&self, height: Height) -> Result<Block, SourceError> {
        let params = json!({"block_number": height, "include_txs": true});
        let block = single_of(height, &self.rpc.call("eth_getBlockByNumber", params).await?)?;
        check_block(&block)?;
        Ok(block)
    }

    async fn add_singles(
        &self,
        heights: Vec<Height>,
        blocks: &mut BTreeMap<Height, Block>,
    ) -> Result<(), SourceError> {
        use futures::{StreamExt, TryStreamExt};
        let fetched: Vec<Block> = futures::stream::iter(heights)
            .map(|height| self.single(height))
            .buffer_unordered(SINGLES_AT_ONCE)
            .try_collect()
            .await?;
        for block in fetched {
            insert_once(blocks, block)?;
        }
        Ok(())
    }

    /// All of `first..=last`, from as many pages as the node's cap makes of it.
    async fn collect(
        &self,
        first: Height,
        last: Height,
    ) -> Result<BTreeMap<Height, Block>, SourceError> {
        let mut blocks = BTreeMap::new();
        let mut top = Some(last);
        // Each round places at least the top block, so it ends after last - first + 1 rounds.
        while let Some(last) = top.filter(|t| *t >= first) {
            if self.singles_only.load(Ordering::Relaxed) {
                let rest = (first..=last).filter(|h| !blocks.contains_key(h)).collect();
                self.add_singles(rest, &mut blocks).await?;
                break;
            }
            let cap = self.page_cap.load(Ordering::Relaxed).max(1);
            let low = first.max((last + 1).saturating_sub(cap));
            match self.page(low, last).await {
                Ok(page) if page.is_empty() => {
                    let text = format!("no blocks in {low}..={last}");
                    return Err(SourceError::new(Fault::Missing, text));
                }
                Ok(mut page) => {
                    let gaps = (low..=last).filter(|h| !page.contains_key(h)).collect();
                    self.add_singles(gaps, &mut page).await?;
                    blocks.append(&mut page);
                    top = low.checked_sub(1);
                }
                Err(error) if error.is_unknown_method() => {
                    self.singles_only.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(blocks)
    }

    /// Results of calls, all of them or the first error.
    async fn call_all(&self, calls: &[(&str, Value)]) -> Result<Vec<Box<RawValue>>, SourceError> {
        self.call_each(calls).await?.into_iter().collect()
    }

    /// Outcomes of calls, in one batch where the node answers batches, else one by one; an error
    /// where the request itself failed.
    pub(crate) async fn call_each(
        &self,
        calls: &[(&str, Value)],
    ) -> Result<Vec<Result<Box<RawValue>, SourceError>>, SourceError> {
        if self.batches.load(Ordering::Relaxed) != NO {
            match self.rpc.batch(calls).await {
                Ok(outcomes) => {
                    self.batches.store(YES, Ordering::Relaxed);
                    return Ok(outcomes);
                }
                Err(error)
                    if self.batches.load(Ordering::Relaxed) == UNKNOWN
                        && matches!(error.fault, Fault::Malformed | Fault::RpcError) =>
                {
                    self.batches.store(NO, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        let mut outcomes = Vec::with_capacity(calls.len());
        for (method, params) in calls {
            let outcome = self.rpc.call(method, params.clone()).await;
            match outcome {
                // A transport that fails will fail for the rest, too.
                Err(error) if error.fault != Fault::RpcError => return Err(error),
                other => outcomes.push(other),
            }
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl NodeSource for NodeClient {
    fn name(&self) -> String {
        self.rpc.name()
    }

    async fn tip(&self) -> Result<Tip, SourceError> {
        parse_tip(&self.rpc.call("get_block_number", json!({})).await?)
    }

    async fn blocks(&self, first: Height, last: Height) -> Result<Vec<Block>, SourceError> {
        let blocks: Vec<Block> = self.collect(first, last).await?.into_values().collect();
        let expected = last - first + 1;
        if blocks.len() as u64 != expected {
            let text = format!("{} of {expected} blocks from {first}", blocks.len());
            return Err(SourceError::new(Fault::Missing, text));
        }
        check_links(None, &blocks)?;
        Ok(blocks)
    }

    async fn hash_at(&self, height: Height) -> Result<BlockHash, SourceError> {
        let params = json!({"block_number": height, "include_txs": false});
        let raw = self.rpc.call("eth_getBlockByNumber", params).await?;
        Ok(single_of(height, &raw)?.hash)
    }

    async fn balances(
        &self,
        addresses: &[Address],
        tip: (Height, &BlockHash),
    ) -> Result<BalanceAnswer, SourceError> {
        let addresses = addresses.get(..addresses.len().min(BATCH_CALLS_MAX)).unwrap_or_default();
        // The node's position is asked for before and after, so that a figure is never taken for
        // newer than it is, nor for one of a branch it does not belong to.
        let header = json!({"block_number": tip.0, "include_txs": false});
        let position = [("get_block_number", json!({})), ("eth_getBlockByNumber", header)];
        let mut calls = position.to_vec();
        calls.extend(addresses.iter().map(|a| ("get_balance", json!({"address": a.as_str()}))));
        calls.extend(position);
        let answers = self.call_all(&calls).await?;
        let short = || SourceError::new(Fault::Malformed, "answers are missing");
        let [number_before, header_before, figures @ .., number_after, header_after] =
            answers.as_slice()
        else {
            return Err(short());
        };
        let before = parse_tip(number_before)?.height;
        let is_tip = |height: Height, header: &RawValue| {
            height == tip.0 && single_of(tip.0, header).is_ok_and(|b| b.hash == *tip.1)
        };
        let settled =
            is_tip(before, header_before) && is_tip(parse_tip(number_after)?.height, header_after);
        let figures =
            figures.iter().map(|raw| parse_balance(raw)).collect::<Result<Vec<_>, _>>()?;
        if figures.len() != addresses.len() {
            return Err(short());
        }
        Ok(BalanceAnswer { node_height: before, settled, figures })
    }

    async fn chain_info(&self) -> ChainInfo {
        let text = |raw: Result<Box<RawValue>, SourceError>, key: &str| {
            let value: Value = serde_json::from_str(raw.ok()?.get()).ok()?;
            match value.get(key).unwrap_or(&value) {
                Value::String(text) => Some(text.chars().take(64).collect()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        };
        ChainInfo {
            network: text(self.rpc.call("get_network_id", json!({})).await, "network_id"),
            chain_id: text(self.rpc.call("get_chain_id", json!({})).await, "chain_id"),
        }
    }
}
