//! `identity_registryUpdates` (§2.11), of a good node and of nodes that are not (§11 rows 35, 36).

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::Node;
use super::params::Params;
use super::rpc::RpcError;
use crate::registry::RegistryRequest;
use crate::rng::to_index;

const LIMIT_DEFAULT: u64 = 128;
const LIMIT_MAX: u64 = 1024;
/// Blocks below the cursor from which [`RegistryQuirks::repeat`] tells again.
const REPEAT_BLOCKS: u64 = 64;
/// How far below the cursor [`RegistryQuirks::backwards`] puts the checkpoint.
const BACKWARDS_BLOCKS: u64 = 3;

/// How the pages of a registry differ from those of a good node, which truncates pages on block
/// boundaries and names the last block that is wholly in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegistryQuirks {
    /// Pages are filled to the limit wherever in a block that is, and claim to cover that block.
    pub split_pages: bool,
    /// Pages begin with updates that were told before.
    pub repeat: bool,
    /// Every other page says that it covers less than what was asked for.
    pub backwards: bool,
    /// `from_block` itself is not part of the page.
    pub exclusive_from: bool,
}

pub(super) fn updates(node: &Node, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let asked = params.find_u64("from_block")?.or(params.find_u64("fromBlock")?).unwrap_or(0);
    let limit = params.find_u64("limit")?.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(RpcError::invalid_params("limit must be 1 to 1024"));
    }
    let quirks = node.config.registry;
    let limit = to_index(limit);
    let mut updates = Vec::new();
    if quirks.repeat {
        let from = asked.saturating_sub(REPEAT_BLOCKS);
        updates = node.chain.identity_updates(from, asked.saturating_sub(1));
        updates.truncate(limit / 2);
    }
    let request = RegistryRequest {
        from: if quirks.exclusive_from { asked.saturating_add(1) } else { asked },
        limit: limit - updates.len(),
        split: quirks.split_pages,
        lag,
    };
    let (mut latest, page) = node.chain.registry_page(&request);
    updates.extend(page);
    let pages = node.registry_pages.fetch_add(1, Ordering::Relaxed);
    if quirks.backwards && pages % 2 == 1 {
        latest = latest.min(asked.saturating_sub(BACKWARDS_BLOCKS));
    }
    let mut result = json!({ "latest_block": latest });
    // The field may be absent where there is nothing to say.
    if !updates.is_empty() || latest % 2 == 0 {
        result["updates"] = updates.into();
    }
    Ok(result)
}
