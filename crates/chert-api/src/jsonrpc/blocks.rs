//! Blocks in the node's shape (contract §2.1–2.4, §3.1, §8.3, §8.5, §8.6).

use chert_store::Checkpoint;
use chert_store::entities::block::node_query::{
    self, FullBlock, FullTransaction, find_full_block_by_hash, find_full_block_by_height,
};
use serde::Serialize;
use serde_json::value::RawValue;
use silica_models::{BlockHash, HEIGHT_MAX};

use super::dispatch::Rpc;
use super::transactions::{ORIGIN, Rest, parties, rest_of};
use super::{Outcome, names::Method};
use crate::answer::{Answer, Freshness};
use crate::error::Problem;
use crate::routes::text::{Count, Hex, TxIdText};
use crate::state::ApiState;

/// Blocks of a page, asked for or not.
const BLOCKS_MAX: u16 = 100;

/// A block as the node writes it. There is no status on the wire: clients count depth.
#[derive(Serialize)]
struct BlockJson<'a> {
    block_number: i64,
    block_hash: Hex<'a>,
    /// Empty for the first block.
    previous_block_hash: Hex<'a>,
    transactions: Vec<TransactionJson<'a>>,
    timestamp: &'a str,
    validator_address: &'a str,
    gas_used: Count<'a>,
    gas_limit: Count<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_root: Option<&'a [u8]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_leaf_count: Option<Count<'a>>,
    shard_commitments: Commitments<'a>,
    transaction_count: i32,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Commitments<'a> {
    Stored(&'a RawValue),
    None([u8; 0]),
}

#[derive(Serialize)]
struct TransactionJson<'a> {
    tx_id: TxIdText<'a>,
    sender: &'a str,
    recipient: &'a str,
    amount: Count<'a>,
    fee: Count<'a>,
    nonce: Count<'a>,
    timestamp: &'a str,
    transaction_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<&'a RawValue>,
    #[serde(flatten)]
    rest: Rest<'a>,
}

#[derive(Serialize)]
struct Page<'a> {
    blocks: Vec<BlockJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<i64>,
}

#[derive(Serialize)]
struct SdkBlock<'a> {
    height: i64,
    hash: Hex<'a>,
    previous_hash: Hex<'a>,
    timestamp: &'a str,
    proposer: &'a str,
    transaction_count: i32,
}

#[derive(Serialize)]
struct BlockNumber {
    block_number: i64,
}

impl<'a> BlockJson<'a> {
    fn new(block: &'a FullBlock) -> Self {
        let commitments = block.shard_commitments.as_deref().filter(|text| *text != "null");
        let commitments = commitments.and_then(|text| serde_json::from_str(text).ok());
        let transactions = block.transactions.iter().flatten();
        Self {
            block_number: block.height,
            block_hash: Hex(&block.hash),
            previous_block_hash: Hex(block.parent_hash.as_deref().unwrap_or_default()),
            transactions: transactions.map(TransactionJson::new).collect(),
            timestamp: &block.timestamp,
            validator_address: maker(block),
            gas_used: Count(&block.gas_used),
            gas_limit: Count(&block.gas_limit),
            state_root: block.state_root.as_deref(),
            state_leaf_count: block.state_leaf_count.as_deref().map(Count),
            shard_commitments: commitments.map_or(Commitments::None([]), Commitments::Stored),
            transaction_count: block.tx_count,
        }
    }
}

/// Who made a block; clients refuse a page in which that is missing.
fn maker(block: &FullBlock) -> &str {
    block.validator_address.as_deref().filter(|text| !text.is_empty()).unwrap_or(ORIGIN)
}

impl<'a> TransactionJson<'a> {
    fn new(full: &'a FullTransaction) -> Self {
        let row = &full.transaction;
        let (sender, recipient) = parties(row);
        Self {
            tx_id: TxIdText(&row.tx_id),
            sender,
            recipient,
            amount: Count(&row.amount),
            fee: Count(&row.fee),
            nonce: Count(row.nonce.as_deref().unwrap_or("0")),
            timestamp: &row.timestamp,
            transaction_type: &row.transaction_type,
            outputs: full.outputs.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            rest: rest_of(full.payload.as_deref()),
        }
    }
}

/// `get_block_number`.
pub(super) async fn block_number(api: &ApiState, rpc: &Rpc) -> Outcome {
    rpc.at_tip(api, "", async {
        let checkpoint = api.store().checkpoint().await?;
        let tip = BlockNumber { block_number: checkpoint.height.max(0) };
        Answer::json(&checkpoint, Freshness::Tip, &tip)
    })
    .await
}

/// `get_blocks`: from a height down, that height included; the cursor is the height of the next
/// page's first block and never 0 (contract §11 rows 8–10).
pub(super) async fn blocks(api: &ApiState, rpc: &Rpc) -> Outcome {
    let limit = rpc.params.limit(0, BLOCKS_MAX, BLOCKS_MAX)?;
    let with_transactions = rpc.params.flag(&["include_txs"], 1, true)?;
    let from = rpc.params.whole(&["from_height"], 2)?;
    let asked = format!("{limit} {with_transactions} {from:?}");
    rpc.at_tip(api, &asked, async {
        let db = api.store().readers();
        let rows = i64::from(limit) + 1;
        let read = node_query::list_full_blocks(db, from, rows, with_transactions);
        let (checkpoint, mut blocks) = read.await?;
        let next_cursor = cut(&mut blocks, usize::from(limit), with_transactions);
        let blocks = blocks.iter().map(BlockJson::new).collect();
        Answer::json(&checkpoint, Freshness::Tip, &Page { blocks, next_cursor })
    })
    .await
}

/// Leaves a page's blocks and tells where the next begins. The first block goes onto the page that
/// would end right before it, because a cursor of 0 means the end to clients.
fn cut(blocks: &mut Vec<FullBlock>, limit: usize, with_transactions: bool) -> Option<i64> {
    let whole = |block: &FullBlock| !with_transactions || block.transactions.is_some();
    let shown = blocks.iter().take(limit).take_while(|block| whole(block)).count();
    let next = blocks.get(shown)?.height;
    blocks.truncate(if next == 0 { shown + 1 } else { shown });
    (next > 0).then_some(next)
}

/// `eth_getBlockByNumber`: null where there is no such block.
pub(super) async fn by_number(api: &ApiState, rpc: &Rpc) -> Outcome {
    let names = ["block_number", "height", "number"];
    let with_transactions = rpc.params.flag(&["include_txs"], 1, true)?;
    let text = rpc.params.required(&names, 0)?;
    let height = match text.as_str() {
        "latest" => u64::try_from(api.store().checkpoint().await?.height).unwrap_or(u64::MAX),
        "earliest" => 0,
        _ => rpc.params.whole(&names, 0)?.unwrap_or(u64::MAX),
    };
    rpc.maybe_final(api, &format!("{height} {with_transactions}"), async {
        if height > HEIGHT_MAX {
            let checkpoint = api.store().checkpoint().await?;
            return Answer::json(&checkpoint, Freshness::Tip, &());
        }
        let db = api.store().readers();
        let found = find_full_block_by_height(db, height, with_transactions).await?;
        single(found)
    })
    .await
}

/// `get_block_by_hash`: `0x` and upper case accepted; null where no block of the chain has it.
pub(super) async fn by_hash(api: &ApiState, rpc: &Rpc) -> Outcome {
    let text = rpc.params.required(&["block_hash", "hash"], 0)?;
    let with_transactions = rpc.params.flag(&["include_txs"], 1, true)?;
    let hash = BlockHash::parse(&text).ok();
    rpc.maybe_final(api, &format!("{hash:?} {with_transactions}"), async {
        let Some(hash) = &hash else {
            let checkpoint = api.store().checkpoint().await?;
            return Answer::json(&checkpoint, Freshness::Tip, &());
        };
        let db = api.store().readers();
        let found = find_full_block_by_hash(db, hash, with_transactions).await?;
        if found.0.bulk {
            return Err(Problem::index_building(&found.0));
        }
        single(found)
    })
    .await
}

fn single((checkpoint, block): (Checkpoint, Option<FullBlock>)) -> Result<Answer, Problem> {
    let freshness = freshness(&checkpoint, block.as_ref());
    Answer::json(&checkpoint, freshness, &block.as_ref().map(BlockJson::new))
}

fn freshness(checkpoint: &Checkpoint, block: Option<&FullBlock>) -> Freshness {
    match block {
        Some(block) if checkpoint.status(block.height) == "finalized" => Freshness::Final,
        _ => Freshness::Tip,
    }
}

/// The SDKs' `getLatestBlock` and `getBlock`.
pub(super) async fn sdk_block(api: &ApiState, rpc: &Rpc) -> Outcome {
    let height = match rpc.method {
        Method::LatestBlock => None,
        _ => rpc.params.whole(&["height", "block_number"], 0)?,
    };
    rpc.at_tip(api, &format!("{height:?}"), async {
        let db = api.store().readers();
        let (checkpoint, blocks) = node_query::list_full_blocks(db, height, 1, false).await?;
        let block = blocks
            .first()
            .filter(|block| height.is_none_or(|height| u64::try_from(block.height) == Ok(height)));
        let block = block.ok_or_else(|| Problem::not_found("There is no such block."))?;
        let block = SdkBlock {
            height: block.height,
            hash: Hex(&block.hash),
            previous_hash: Hex(block.parent_hash.as_deref().unwrap_or_default()),
            timestamp: &block.timestamp,
            proposer: maker(block),
            transaction_count: block.tx_count,
        };
        Answer::json(&checkpoint, Freshness::Tip, &block)
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn block(height: i64, whole: bool) -> FullBlock {
        FullBlock {
            height,
            hash: vec![1],
            parent_hash: None,
            timestamp: String::new(),
            validator_address: None,
            tx_count: 0,
            gas_used: "0".to_owned(),
            gas_limit: "0".to_owned(),
            state_root: None,
            state_leaf_count: None,
            shard_commitments: None,
            transactions: whole.then(Vec::new),
        }
    }

    /// Heights shown and the cursor.
    fn page(heights: &[(i64, bool)], limit: usize) -> (Vec<i64>, Option<i64>) {
        let mut blocks = heights.iter().map(|(h, whole)| block(*h, *whole)).collect();
        let cursor = cut(&mut blocks, limit, true);
        (blocks.iter().map(|b| b.height).collect(), cursor)
    }

    #[test]
    fn a_page_ends_with_its_limit_its_weight_or_the_chain() {
        let all =
            |heights: &[i64]| -> Vec<(i64, bool)> { heights.iter().map(|h| (*h, true)).collect() };
        assert_eq!(page(&all(&[9, 8, 7]), 2), (vec![9, 8], Some(7)));
        assert_eq!(page(&all(&[2, 1, 0]), 2), (vec![2, 1, 0], None));
        assert_eq!(page(&all(&[1, 0]), 2), (vec![1, 0], None));
        assert_eq!(page(&[], 2), (vec![], None));
        assert_eq!(page(&[(9, true), (8, false), (7, false)], 2), (vec![9], Some(8)));
    }
}
