//! Staking methods (§2.9, §8.12). Stakes follow from the height and from what is delegated.

use serde_json::{Map, Value, json};

use super::governance::{address, delegations_of};
use super::params::Params;
use super::rpc::RpcError;
use crate::account::Account;
use crate::chain::Chain;
use crate::governance::{Governance, amount, put_twice};
use crate::json::{self, Stamp};
use crate::rng::{Rng, to_index};

const STAKE_DOMAIN: u64 = 0x7374_616b;
/// Stakes change every so many blocks.
const STAKE_BLOCKS: u64 = 100;
const DELEGATIONS_LIMIT_DEFAULT: u64 = 10;
const DELEGATIONS_LIMIT_MAX: u64 = 100;

pub(super) fn validators(chain: &Chain, lag: u64) -> Value {
    let validators: Vec<Value> = chain.with_governance(lag, |governance| {
        let count = governance.view.recipe.book.validators;
        (0..count).map(|number| validator(governance, number)).collect()
    });
    json!({ "validators": validators })
}

/// Own stake of a validator.
fn stake(governance: &Governance<'_>, number: u64) -> u64 {
    let view = governance.view;
    let since = view.tip / STAKE_BLOCKS * STAKE_BLOCKS;
    let parts = [view.recipe.key, STAKE_DOMAIN, number, since, view.salt(since)];
    100_000_000 + Rng::new(&parts).below(50_000_000)
}

fn validator(governance: &Governance<'_>, number: u64) -> Value {
    let view = governance.view;
    let account = Account::Validator(number);
    let key = view.recipe.key;
    let rng = &mut Rng::new(&[key, STAKE_DOMAIN, number]);
    let mut public_key = [0; 32];
    rng.fill(&mut public_key);
    let (mut hex, mut at) = (Vec::new(), Vec::new());
    json::hex(&mut hex, &public_key);
    let time_ms = view.time_s(view.tip) * 1000;
    json::timestamp(&mut at, Stamp { time_ms, sub_ms_nanos: 0, digits: 3 });
    let hex = String::from_utf8_lossy(&hex).into_owned();
    let rows: Vec<u64> = governance
        .delegations()
        .filter(|row| row.delegatee == account)
        .map(|row| row.amount)
        .collect();
    let total: u128 = rows.iter().map(|amount| u128::from(*amount)).sum();
    let stake = stake(governance, number);
    let fields = &mut Map::new();
    put_twice(fields, "address", view.recipe.book.text(account).into());
    put_twice(fields, "public_key", hex.as_str().into());
    put_twice(fields, "network_key", hex.into());
    put_twice(fields, "stake", stake.into());
    put_twice(fields, "stake_amount", stake.into());
    put_twice(fields, "is_active", (number != 3).into());
    put_twice(fields, "commission_rate", (3 + rng.below(10)).into());
    put_twice(fields, "reputation_score", (80 + rng.below(21)).into());
    put_twice(fields, "last_activity", String::from_utf8_lossy(&at).trim_matches('"').into());
    put_twice(fields, "total_delegated", amount(total));
    put_twice(fields, "delegator_count", rows.len().into());
    Value::Object(std::mem::take(fields))
}

pub(super) fn user_delegations(
    chain: &Chain,
    lag: u64,
    params: &Params,
) -> Result<Value, RpcError> {
    let address = address(params)?;
    Ok(json!({ "delegations": delegations_of(chain, lag, &address) }))
}

pub(super) fn rewards(params: &Params) -> Result<Value, RpcError> {
    let seed = address(params)?.bytes().fold(0, |seed, byte| seed * 31 % 10_007 + u64::from(byte));
    Ok(json!({ "rewards": {
        "totalEarned": seed * 1000, "pendingRewards": seed, "currentApy": 8.5, "currentAPY": 8.5,
    } }))
}

pub(super) fn lockbox_records(params: &Params) -> Result<Value, RpcError> {
    address(params)?;
    Ok(json!({ "records": [] }))
}

pub(super) fn auto_stake_status(params: &Params) -> Result<Value, RpcError> {
    let account = address(params)?;
    Ok(json!({ "status": {
        "account": account, "balance": 0, "maturityTimestamp": 0, "isActive": false,
    } }))
}

pub(super) fn info(chain: &Chain, lag: u64) -> Value {
    chain.with_governance(lag, |governance| {
        let count = governance.view.recipe.book.validators;
        let own: u64 = (0..count).map(|number| stake(governance, number)).sum();
        json!({
            "total_staked": own.to_string(),
            "total_validators": count,
            "active_delegators": governance.delegations().count(),
            "avg_apy": 8.5,
            "total_rewards": "1250000",
        })
    })
}

/// The greatest first, as a bare array.
pub(super) fn delegations(chain: &Chain, lag: u64, params: &Params) -> Result<Value, RpcError> {
    let limit = params.find_u64("limit")?.unwrap_or(DELEGATIONS_LIMIT_DEFAULT);
    let limit = to_index(limit.min(DELEGATIONS_LIMIT_MAX));
    let rows: Vec<Value> = chain.with_governance(lag, |governance| {
        let book = &governance.view.recipe.book;
        let mut rows: Vec<_> = governance.delegations().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.amount));
        let top = rows.into_iter().take(limit).map(|row| {
            json!({
                "validator_address": book.text(row.delegatee),
                "delegator_address": book.text(row.delegator),
                "amount": row.amount.to_string(),
                "rewards": (row.amount / 1000).to_string(),
                "last_claimed": "Never",
            })
        });
        top.collect()
    });
    Ok(rows.into())
}
