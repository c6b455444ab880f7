//! The methods this node has (§2), under all their names (§1.5).

use serde_json::{Value, json};

use super::Node;
use super::network::{CHAIN_ID, chain_parameters, network_info};
use super::params::Params;
use super::rest;
use super::rpc::RpcError;
use super::state_methods::StateMethod;
use crate::block::{BlockParts, BlockSpec};
use crate::chain::PageRequest;
use crate::ids::TxId;
use crate::json;
use crate::transaction_json;

const BLOCKS_LIMIT_DEFAULT: u64 = 100;
/// A page ends early once its text is this long; its cursor says where to go on.
const PAGE_BYTES_SOFT_MAX: usize = 32 << 20;
/// Depth at which clients call a block final (§5.2).
const FINALITY_DEPTH: u64 = 12;

/// A method by its canonical name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    BlockNumber,
    Blocks,
    BlockByNumber,
    BlockByHash,
    Transaction,
    Balance,
    AccountNonce,
    Health,
    ChainId,
    NetworkId,
    NetworkInfo,
    ChainParameters,
    /// Identities, governance, staking.
    State(StateMethod),
}

impl Method {
    pub(super) fn find(name: &str) -> Option<Method> {
        Some(match name {
            "get_block_number" | "eth_blockNumber" | "getBlockNumber" => Method::BlockNumber,
            "get_blocks" | "getBlocks" => Method::Blocks,
            "eth_getBlockByNumber" | "get_block_by_number" => Method::BlockByNumber,
            "get_block_by_hash" | "eth_getBlockByHash" => Method::BlockByHash,
            "get_transaction" | "eth_getTransactionByHash" | "getTransaction" => {
                Method::Transaction
            }
            "get_balance" | "eth_getBalance" | "getBalance" => Method::Balance,
            "get_account_nonce" => Method::AccountNonce,
            "health" => Method::Health,
            "get_chain_id" | "eth_chainId" | "getChainId" => Method::ChainId,
            "get_network_id" | "net_version" | "getNetworkId" => Method::NetworkId,
            "get_network_info" => Method::NetworkInfo,
            "get_chain_parameters" => Method::ChainParameters,
            _ => return StateMethod::find(name).map(Method::State),
        })
    }

    /// The canonical name, which fault plans use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Method::BlockNumber => "get_block_number",
            Method::Blocks => "get_blocks",
            Method::BlockByNumber => "eth_getBlockByNumber",
            Method::BlockByHash => "get_block_by_hash",
            Method::Transaction => "get_transaction",
            Method::Balance => "get_balance",
            Method::AccountNonce => "get_account_nonce",
            Method::Health => "health",
            Method::ChainId => "get_chain_id",
            Method::NetworkId => "get_network_id",
            Method::NetworkInfo => "get_network_info",
            Method::ChainParameters => "get_chain_parameters",
            Method::State(method) => method.name(),
        }
    }

    fn parameter_names(self) -> &'static [&'static str] {
        match self {
            Method::Blocks => &["limit", "include_txs", "from_height"],
            Method::BlockByNumber => &["block_number", "include_txs"],
            Method::BlockByHash => &["block_hash", "include_txs"],
            Method::Transaction => &["tx_id"],
            // Ethereum's clients send a block tag as well; it is ignored.
            Method::Balance | Method::AccountNonce => &["address", "block"],
            Method::State(method) => method.parameter_names(),
            _ => &[],
        }
    }

    pub(super) fn returns_blocks(self) -> bool {
        matches!(self, Method::Blocks | Method::BlockByNumber | Method::BlockByHash)
    }

    pub(super) fn depends_on_tip(self) -> bool {
        !matches!(self, Method::ChainId | Method::NetworkId | Method::ChainParameters)
    }

    /// The text of the result, as seen `lag` blocks below the tip.
    pub(super) fn call(
        self,
        node: &Node,
        lag: u64,
        params: Option<Value>,
    ) -> Result<Vec<u8>, RpcError> {
        let params = Params::new(params, self.parameter_names())?;
        let chain = &node.chain;
        let value = match self {
            Method::Blocks => return get_blocks(node, lag, &params),
            Method::BlockByNumber => {
                let height = params.get_u64("block_number")?;
                return single_block(node, chain.spec_at(height, lag), &params);
            }
            Method::BlockByHash => {
                let hash = params.get_text("block_hash")?;
                return single_block(node, chain.spec_of_hash(hash, lag), &params);
            }
            Method::BlockNumber => json!({ "block_number": chain.visible_tip(lag) }),
            Method::Transaction => get_transaction(node, lag, params.get_text("tx_id")?)?,
            Method::Balance => {
                let address = params.get_text("address")?;
                let (balance, nonce) = chain.balance_at(address, lag);
                json!({ "address": address, "balance": balance.to_string(), "nonce": nonce })
            }
            Method::AccountNonce => {
                json!({ "nonce": chain.balance_at(params.get_text("address")?, lag).1 })
            }
            Method::Health => rest::health(node, lag),
            Method::ChainId => json!({ "chain_id": CHAIN_ID }),
            Method::NetworkId => json!({ "network_id": format!("chert-devnet-{}", chain.seed()) }),
            Method::NetworkInfo => network_info(node, lag),
            Method::ChainParameters => chain_parameters(node),
            Method::State(method) => method.call(node, lag, &params)?,
        };
        Ok(value.to_string().into_bytes())
    }
}

fn get_blocks(node: &Node, lag: u64, params: &Params) -> Result<Vec<u8>, RpcError> {
    if !node.config.get_blocks {
        return Err(RpcError::method_not_found());
    }
    let limit = params.find_u64("limit")?.unwrap_or(BLOCKS_LIMIT_DEFAULT);
    if limit == 0 {
        return Err(RpcError::invalid_params("limit must be at least 1"));
    }
    let exclusive = node.config.exclusive_cursor;
    let request = PageRequest {
        from_height: params.find_u64("from_height")?,
        exclusive,
        limit: limit.min(node.config.blocks_cap.max(1)),
        lag,
    };
    let parts = block_parts(node, params)?;
    let mut out = b"{\"blocks\":[".to_vec();
    let mut lowest = 0;
    for (index, spec) in node.chain.page(request).into_iter().enumerate() {
        // Stopping above height 1 would give a cursor of 0; genesis is small.
        if out.len() > PAGE_BYTES_SOFT_MAX && (exclusive || spec.place.height > 0) {
            break;
        }
        if index > 0 {
            out.push(b',');
        }
        node.chain.recipe().write(&mut out, spec, parts);
        lowest = spec.place.height;
    }
    out.push(b']');
    if lowest > 0 {
        json::text(&mut out, ",\"next_cursor\":");
        json::number(&mut out, if exclusive { lowest } else { lowest - 1 });
    }
    out.push(b'}');
    Ok(out)
}

fn single_block(
    node: &Node,
    spec: Option<BlockSpec>,
    params: &Params,
) -> Result<Vec<u8>, RpcError> {
    let parts = block_parts(node, params)?;
    let mut out = Vec::new();
    match spec {
        Some(spec) => node.chain.recipe().write(&mut out, spec, parts),
        None => json::text(&mut out, "null"),
    }
    Ok(out)
}

fn block_parts(node: &Node, params: &Params) -> Result<BlockParts, RpcError> {
    let transactions = params.bool_or("include_txs", true)?;
    Ok(BlockParts { transactions, transaction_count: node.config.declare_tx_count })
}

/// The explorer's shape (§2.5): fields that are `null` in the block are left out.
fn get_transaction(node: &Node, lag: u64, id: &str) -> Result<Value, RpcError> {
    let recipe = node.chain.recipe();
    let found = TxId::parse(id).and_then(|id| node.chain.find_transaction(&id, lag));
    let Some((spec, tx)) = found else {
        return Ok(
            json!({ "tx_id": id, "status": "not_found", "message": "Transaction not found" }),
        );
    };
    let mut text = Vec::new();
    transaction_json::write(&mut text, &tx, &recipe.book);
    let mut value: Value = serde_json::from_slice(&text).map_err(|_| RpcError::internal())?;
    let fields = value.as_object_mut().ok_or_else(RpcError::internal)?;
    fields.retain(|_, field| !field.is_null());
    let height = spec.place.height;
    let depth = node.chain.visible_tip(lag).saturating_sub(height);
    let status = if depth >= FINALITY_DEPTH { "finalized" } else { "confirmed" };
    fields.insert("status".to_owned(), status.into());
    fields.insert("block_number".to_owned(), height.into());
    fields.insert("block_hash".to_owned(), recipe.hash_text(spec.place).into());
    Ok(value)
}
