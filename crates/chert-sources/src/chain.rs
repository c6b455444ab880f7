//! What a node says about its chain, and the checks every block passes before it is used.

use silica_models::{Block, BlockHash, Height};

use crate::{Fault, SourceError};

/// Best block of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
}

/// How a node names its chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainInfo {
    /// Network id, e.g. `silica-testnet-1`.
    pub network: Option<String>,
    /// Chain id as text, e.g. `13371`.
    pub chain_id: Option<String>,
}

/// Checks of a block on its own: the count it states, and no transactions hidden behind gas.
///
/// Links between blocks are checked where blocks are put in order.
pub fn check_block(block: &Block) -> Result<(), SourceError> {
    let records = block.record_count() as u64;
    match block.declared_tx_count {
        Some(stated) if stated != records => Err(SourceError::new(
            Fault::BadBlocks,
            format!("block {} states {stated} transactions and has {records}", block.height),
        )),
        None if records == 0 && block.gas_used > 0 => Err(SourceError::new(
            Fault::BadBlocks,
            format!("block {} used gas without transactions", block.height),
        )),
        _ => check_parent_differs(block),
    }
}

fn check_parent_differs(block: &Block) -> Result<(), SourceError> {
    if block.parent_hash.as_ref() == Some(&block.hash) {
        let text = format!("block {} is its own parent", block.height);
        return Err(SourceError::new(Fault::BadBlocks, text));
    }
    if block.height > 0 && block.parent_hash.is_none() {
        let text = format!("block {} has no parent", block.height);
        return Err(SourceError::new(Fault::BadBlocks, text));
    }
    Ok(())
}

/// Checks that `blocks` are consecutive and linked, starting after `parent` where one is given.
pub(crate) fn check_links(parent: Option<&BlockHash>, blocks: &[Block]) -> Result<(), SourceError> {
    let mut previous: Option<(Height, &BlockHash)> = None;
    for block in blocks {
        let expected = previous.map(|(_, hash)| hash).or(parent);
        let consecutive = previous.is_none_or(|(height, _)| height + 1 == block.height);
        if !consecutive || expected.is_some_and(|hash| block.parent_hash.as_ref() != Some(hash)) {
            let text = format!("block {} does not link to its predecessor", block.height);
            return Err(SourceError::new(Fault::BadBlocks, text));
        }
        previous = Some((block.height, &block.hash));
    }
    Ok(())
}
