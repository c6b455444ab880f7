//! Reading a node's answers, tolerantly where the contract says so and not further.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use silica_models::{Block, Height, parse_height, parse_u64};

use crate::chain::check_block;
use crate::{Fault, SourceError, Tip};

/// The block in an answer to `eth_getBlockByNumber`: bare, `{block}` or `{blocks}` (contract §2.3).
pub(crate) fn single_of(height: Height, raw: &RawValue) -> Result<Block, SourceError> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow, default)]
        block: Option<&'a RawValue>,
        #[serde(borrow, default)]
        blocks: Option<Vec<&'a RawValue>>,
    }
    let missing = || SourceError::new(Fault::Missing, format!("block {height} is not there"));
    let wrapped = serde_json::from_str::<Option<Wrapped<'_>>>(raw.get())
        .map_err(|_| SourceError::new(Fault::Malformed, "a block must be an object"))?
        .ok_or_else(missing)?;
    let inner = match (wrapped.block, wrapped.blocks) {
        (Some(block), _) => block,
        (None, Some(blocks)) => blocks.first().copied().ok_or_else(missing)?,
        (None, None) => raw,
    };
    if matches!(inner.get().trim(), "null" | "{}") {
        return Err(missing());
    }
    let block =
        Block::parse(inner).map_err(|e| SourceError::new(Fault::BadBlocks, e.to_string()))?;
    if block.height != height {
        let text = format!("asked for block {height}, got {}", block.height);
        return Err(SourceError::new(Fault::BadBlocks, text));
    }
    Ok(block)
}

pub(crate) fn parse_block(raw: &RawValue) -> Result<Block, SourceError> {
    let block = Block::parse(raw).map_err(|e| SourceError::new(Fault::BadBlocks, e.to_string()))?;
    check_block(&block)?;
    Ok(block)
}

/// A block may come twice, but not in two versions.
pub(crate) fn insert_once(
    blocks: &mut BTreeMap<Height, Block>,
    block: Block,
) -> Result<(), SourceError> {
    let height = block.height;
    let before = blocks.get(&height).map(|b| b.hash.clone());
    if before.is_some_and(|hash| hash != block.hash) {
        let text = format!("two different blocks {height} in one answer");
        return Err(SourceError::new(Fault::BadBlocks, text));
    }
    blocks.insert(height, block);
    Ok(())
}

/// A height in every form of contract §11 row 7.
pub(crate) fn parse_tip(raw: &RawValue) -> Result<Tip, SourceError> {
    let value: Value = serde_json::from_str(raw.get())
        .map_err(|e| SourceError::new(Fault::Malformed, e.to_string()))?;
    let inner = ["block_number", "height"].iter().find_map(|k| value.get(*k)).unwrap_or(&value);
    parse_height(inner)
        .map(|height| Tip { height })
        .map_err(|e| SourceError::new(Fault::Malformed, e.to_string()))
}

pub(crate) fn parse_balance(raw: &RawValue) -> Result<(u64, u64), SourceError> {
    let value: Value = serde_json::from_str(raw.get())
        .map_err(|e| SourceError::new(Fault::Malformed, e.to_string()))?;
    let number = |key: &'static str| {
        parse_u64(key, value.get(key).unwrap_or(&Value::Null))
            .map_err(|e| SourceError::new(Fault::Malformed, e.to_string()))
    };
    Ok((number("balance")?, number("nonce").unwrap_or(0)))
}
