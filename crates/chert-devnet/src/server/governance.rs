//! Governance methods (§2.10, §8.11): parameters in, JSON out.

use serde_json::{Map, Value, json};

use super::params::Params;
use super::rpc::RpcError;
use crate::chain::Chain;
use crate::governance::{Delegation, Governance, Standing, amount, explorer_proposal, put_twice};
use crate::rng::to_index;

const PROPOSALS_LIMIT_DEFAULT: u64 = 100;
const VOTES_LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 1000;
const EXPLORER_LIMIT_MAX: u64 = 100;

struct Paging {
    offset: usize,
    limit: usize,
}

impl Paging {
    fn read(params: &Params, default: u64) -> Result<Paging, RpcError> {
        let limit = params.find_u64("limit")?.unwrap_or(default).min(LIMIT_MAX);
        let offset = params.find_u64("offset")?.unwrap_or(0);
        Ok(Paging { offset: to_index(offset), limit: to_index(limit) })
    }
}

/// Newest first, as wallets show them.
pub(super) fn list_proposals(chain: &Chain, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let paging = Paging::read(params, PROPOSALS_LIMIT_DEFAULT)?;
    let state = params.find_text(&["state"])?.map(|text| text.to_lowercase());
    let proposer = params.find_text(&["proposer"])?.map(|text| text.to_lowercase());
    let is_wanted = |standing: &Standing| {
        state.as_ref().is_none_or(|state| state == standing.state.word())
            && proposer.as_ref().is_none_or(|wanted| *wanted == standing.proposer.to_lowercase())
    };
    let proposals: Vec<Value> = chain.with_governance(lag, |governance| {
        newest_first(governance)
            .filter(is_wanted)
            .skip(paging.offset)
            .take(paging.limit)
            .map(|standing| standing.summary())
            .collect()
    });
    Ok(json!({ "proposals": proposals }))
}

fn newest_first<'a>(governance: &'a Governance<'a>) -> impl Iterator<Item = Standing> + 'a {
    governance.numbers().rev().filter_map(|number| governance.find(number))
}

/// The explorer asks for `limit` and nothing else, and wants a bare array (§11 row 27).
pub(super) fn proposals(chain: &Chain, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let is_wallet = ["state", "proposer", "offset"].iter().any(|name| params.has(name));
    if is_wallet || !params.has("limit") {
        return list_proposals(chain, lag, params);
    }
    let limit = params.find_u64("limit")?.unwrap_or(PROPOSALS_LIMIT_DEFAULT);
    let status = params.find_text(&["status"])?;
    let proposals: Vec<Value> = chain.with_governance(lag, |governance| {
        newest_first(governance)
            .filter(|standing| status.as_ref().is_none_or(|word| word == standing.state.status()))
            .take(to_index(limit.min(EXPLORER_LIMIT_MAX)))
            .map(|standing| explorer_proposal(&standing))
            .collect()
    });
    Ok(proposals.into())
}

fn proposal_id(params: &Params) -> Result<u64, RpcError> {
    let text = params.find_text(&["proposal_id", "proposalId"])?;
    let text = text.ok_or_else(|| RpcError::invalid_params("proposal_id is missing"))?;
    // Ids are numbers here; no other text names a proposal.
    Ok(text.parse().unwrap_or(0))
}

pub(super) fn proposal(chain: &Chain, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let id = proposal_id(params)?;
    let detail = chain
        .with_governance(lag, |governance| governance.find(id).map(|standing| standing.detail()));
    Ok(json!({ "proposal": detail }))
}

/// In the order in which they were cast; none for a proposal that does not exist.
pub(super) fn proposal_votes(chain: &Chain, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let id = proposal_id(params)?;
    let paging = Paging::read(params, VOTES_LIMIT_DEFAULT)?;
    let votes: Vec<Value> = chain.with_governance(lag, |governance| {
        let votes = governance.find(id).map(|standing| standing.votes).unwrap_or_default();
        let page = votes.iter().skip(paging.offset).take(paging.limit);
        page.map(|vote| vote.json(governance.view, id)).collect()
    });
    Ok(json!({ "votes": votes }))
}

pub(super) fn address(params: &Params) -> Result<String, RpcError> {
    let text = params.find_text(&["address", "userAddress", "user_address", "account"])?;
    text.ok_or_else(|| RpcError::invalid_params("address is missing"))
}

/// Own power is the balance; what others delegate comes on top.
pub(super) fn voting_power(chain: &Chain, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let address = address(params)?;
    let own = u128::from(chain.balance_at(&address, lag).0);
    let delegated: u128 = chain.with_governance(lag, |governance| {
        let account = governance.view.recipe.book.find(&address, governance.view.tip);
        let to_it = governance.delegations().filter(|row| Some(row.delegatee) == account);
        to_it.map(|row| u128::from(row.amount)).sum()
    });
    let fields = &mut Map::new();
    put_twice(fields, "address", address.into());
    put_twice(fields, "voting_power", amount(own));
    put_twice(fields, "delegated_power", amount(delegated));
    put_twice(fields, "total_power", amount(own + delegated));
    let power = Value::Object(std::mem::take(fields));
    Ok(json!({ "voting_power": power, "votingPower": power }))
}

pub(super) fn delegations(chain: &Chain, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let address = address(params)?;
    Ok(json!({ "delegations": delegations_of(chain, lag, &address) }))
}

/// What an address delegates to others, in the union of the shapes of all clients (§2.9).
pub(super) fn delegations_of(chain: &Chain, lag: u64, address: &str) -> Vec<Value> {
    chain.with_governance(lag, |governance| {
        let book = &governance.view.recipe.book;
        let account = book.find(address, governance.view.tip);
        let own = governance.delegations().filter(|row| Some(row.delegator) == account);
        own.map(|row: Delegation| {
            let fields = &mut Map::new();
            let delegatee = book.text(row.delegatee);
            put_twice(fields, "delegator", book.text(row.delegator).into());
            put_twice(fields, "delegatee", delegatee.as_str().into());
            put_twice(fields, "validator", delegatee.into());
            put_twice(fields, "amount", row.amount.into());
            put_twice(fields, "shares", row.amount.into());
            put_twice(fields, "delegated_at", row.delegated_at.into());
            put_twice(fields, "rewards_claimed", 0.into());
            Value::Object(std::mem::take(fields))
        })
        .collect()
    })
}

pub(super) fn info(chain: &Chain, lag: u64) -> Value {
    let (total, active) = chain.with_governance(lag, |governance| {
        newest_first(governance).take(to_index(LIMIT_MAX)).fold(
            (0, 0),
            |(all, active), standing| {
                (all + 1, active + u64::from(standing.state.status() == "active"))
            },
        )
    });
    json!({
        "active_proposals": active,
        "total_proposals": total,
        "dao_treasury": "1000000000000000",
        "voter_participation": 37.5,
    })
}

pub(super) fn treasury() -> Value {
    json!({
        "total_balance": "1000000000000000",
        "last_month_in": "25000000000",
        "last_month_out": "17500000000",
    })
}
