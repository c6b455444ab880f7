//! Validators and delegations (contract §2.9, §8.12, §9).

use chert_store::entities::governance::query::node::{DelegationRow, list_top_delegations};
use chert_store::entities::governance::query::node_sums::{ValidatorRow, list_validators};
use serde::Serialize;

use super::Outcome;
use super::dispatch::Rpc;
use super::governance::recent_power;
use super::names::Method;
use crate::answer::{Answer, Freshness};
use crate::error::Problem;
use crate::routes::text::Count;
use crate::state::ApiState;

const DELEGATIONS_DEFAULT: u16 = 10;
const DELEGATIONS_MAX: u16 = 100;
const ADDRESS: [&str; 4] = ["address", "userAddress", "account", "user_address"];

/// A validator as the wallet reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidatorJson<'a> {
    address: &'a str,
    public_key: &'a str,
    network_key: &'a str,
    stake: Count<'a>,
    stake_amount: Count<'a>,
    is_active: bool,
    commission_rate: i32,
    /// 0 to 100.
    reputation_score: i32,
    last_activity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_delegated: Option<Count<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegator_count: Option<i64>,
}

/// A validator as the SDKs read it.
#[derive(Serialize)]
struct SdkValidator<'a> {
    address: &'a str,
    name: &'a str,
    voting_power: &'a str,
    commission: i32,
    status: &'static str,
    total_delegated: &'a str,
    delegator_count: i64,
}

#[derive(Serialize)]
struct ValidatorsJson<'a> {
    validators: Vec<ValidatorJson<'a>>,
}

/// A delegation in every spelling that a client reads.
#[derive(Serialize)]
struct DelegationJson<'a> {
    delegator: &'a str,
    delegatee: &'a str,
    validator: &'a str,
    amount: Count<'a>,
    shares: Count<'a>,
    #[serde(rename = "delegatedAt")]
    delegated_at_camel: i64,
    delegated_at: i64,
    #[serde(rename = "rewardsClaimed")]
    rewards_claimed_camel: u8,
    rewards_claimed: u8,
}

#[derive(Serialize)]
struct DelegationsJson<'a> {
    delegations: Vec<DelegationJson<'a>>,
}

#[derive(Serialize)]
struct SdkDelegation<'a> {
    validator_address: &'a str,
    amount: &'a str,
    rewards: &'static str,
    timestamp: i64,
}

/// A line of the explorer's list of delegations. Rewards are not indexed.
#[derive(Serialize)]
struct TopDelegation<'a> {
    validator_address: &'a str,
    delegator_address: &'a str,
    amount: &'a str,
    rewards: &'static str,
    last_claimed: &'static str,
}

#[derive(Serialize)]
struct InfoJson {
    total_staked: String,
    total_validators: usize,
    active_delegators: i64,
    /// Per cent; rewards are not indexed.
    avg_apy: f64,
    total_rewards: &'static str,
}

impl<'a> ValidatorJson<'a> {
    fn new(row: &'a ValidatorRow) -> Self {
        Self {
            address: &row.address,
            public_key: row.public_key.as_deref().unwrap_or_default(),
            network_key: row.network_key.as_deref().unwrap_or_default(),
            stake: Count(&row.stake),
            stake_amount: Count(&row.stake),
            is_active: row.is_active,
            commission_rate: row.commission_rate.unwrap_or(0),
            reputation_score: row.reputation_score.unwrap_or(0),
            last_activity: activity(row),
            total_delegated: row.total_delegated.as_deref().map(Count),
            delegator_count: row.delegator_count,
        }
    }
}

/// When a validator was seen last; clients parse it as RFC 3339.
pub(super) fn activity(row: &ValidatorRow) -> &str {
    row.last_activity.as_deref().unwrap_or("1970-01-01T00:00:00Z")
}

impl<'a> SdkValidator<'a> {
    fn new(row: &'a ValidatorRow) -> Self {
        Self {
            address: &row.address,
            name: &row.address,
            voting_power: &row.stake,
            commission: row.commission_rate.unwrap_or(0),
            status: if row.is_active { "active" } else { "inactive" },
            total_delegated: row.total_delegated.as_deref().unwrap_or("0"),
            delegator_count: row.delegator_count.unwrap_or(0),
        }
    }
}

impl<'a> DelegationJson<'a> {
    fn new(row: &'a DelegationRow) -> Self {
        Self {
            delegator: &row.delegator,
            delegatee: &row.delegatee,
            validator: &row.delegatee,
            amount: Count(&row.amount),
            shares: Count(&row.amount),
            delegated_at_camel: row.delegated_at,
            delegated_at: row.delegated_at,
            rewards_claimed_camel: 0,
            rewards_claimed: 0,
        }
    }
}

/// `staking_get_validators` and `get_validator_info`, which is null for no validator.
pub(super) async fn validators(api: &ApiState, rpc: &Rpc) -> Outcome {
    let only = match rpc.method {
        Method::ValidatorInfo => {
            Some(rpc.params.address(&["address", "validator", "validator_address"], 0)?)
        }
        _ => None,
    };
    let sdk = rpc.in_sdk_shape();
    let asked = format!("{sdk} {}", only.as_ref().map_or("", |address| address.as_str()));
    rpc.at_tip(api, &asked, async {
        let key = only.as_ref().map(|address| address.key());
        let (checkpoint, rows) = list_validators(api.store().readers(), key).await?;
        let tip = Freshness::Tip;
        match (&only, sdk) {
            (None, false) => {
                let validators = rows.iter().map(ValidatorJson::new).collect();
                Answer::json(&checkpoint, tip, &ValidatorsJson { validators })
            }
            (None, true) => {
                let rows: Vec<_> = rows.iter().map(SdkValidator::new).collect();
                Answer::json(&checkpoint, tip, &rows)
            }
            (Some(_), false) => {
                Answer::json(&checkpoint, tip, &rows.first().map(ValidatorJson::new))
            }
            (Some(_), true) => {
                let row = rows.first().map(SdkValidator::new);
                let row = row.ok_or_else(|| Problem::not_found("There is no such validator."))?;
                Answer::json(&checkpoint, tip, &row)
            }
        }
    })
    .await
}

/// What an address delegates: `staking_get_user_delegations`, `governance_get_delegations`.
pub(super) async fn delegations_of(api: &ApiState, rpc: &Rpc) -> Outcome {
    let address = rpc.params.address(&ADDRESS, 0)?;
    let sdk = rpc.in_sdk_shape();
    rpc.at_tip(api, &format!("{sdk} {}", address.as_str()), async {
        let (checkpoint, power, freshness) = recent_power(api, &address).await?;
        if sdk {
            let rows = power.delegations.iter().map(|row| SdkDelegation {
                validator_address: &row.delegatee,
                amount: &row.amount,
                rewards: "0",
                timestamp: row.delegated_at,
            });
            return Answer::json(&checkpoint, freshness, &rows.collect::<Vec<_>>());
        }
        let delegations = power.delegations.iter().map(DelegationJson::new).collect();
        Answer::json(&checkpoint, freshness, &DelegationsJson { delegations })
    })
    .await
}

/// `get_staking_delegations`: the greatest first, as a bare array.
pub(super) async fn top_delegations(api: &ApiState, rpc: &Rpc) -> Outcome {
    let limit = rpc.params.limit(0, DELEGATIONS_DEFAULT, DELEGATIONS_MAX)?;
    rpc.at_tip(api, &limit.to_string(), async {
        let rows = list_top_delegations(api.store().readers(), limit.into()).await?;
        let (checkpoint, rows) = rows;
        let lines = rows.iter().map(|row| TopDelegation {
            validator_address: &row.delegatee,
            delegator_address: &row.delegator,
            amount: &row.amount,
            rewards: "0",
            last_claimed: "Never",
        });
        Answer::json(&checkpoint, Freshness::Tip, &lines.collect::<Vec<_>>())
    })
    .await
}

/// `get_staking_info`: sums over the validators that the node lists.
pub(super) async fn info(api: &ApiState, rpc: &Rpc) -> Outcome {
    rpc.at_tip(api, "", async {
        let (checkpoint, rows) = list_validators(api.store().readers(), None).await?;
        let staked = rows.iter().filter_map(|row| row.stake.parse::<u128>().ok());
        let info = InfoJson {
            total_staked: staked.fold(0_u128, u128::saturating_add).to_string(),
            total_validators: rows.len(),
            active_delegators: rows.iter().filter_map(|row| row.delegator_count).sum(),
            avg_apy: 0.0,
            total_rewards: "0",
        };
        Answer::json(&checkpoint, Freshness::Tip, &info)
    })
    .await
}
