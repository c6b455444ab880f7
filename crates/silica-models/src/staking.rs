//! Voting power, delegations and validators (contract §2.9, §2.10, §11 rows 29, 30, 32, 47).

use serde_json::Value;

use crate::fields::{Fields, json_of};
use crate::text::strip_nul;
use crate::{Address, FormatError};

/// Longest key or time text of a validator, in characters. An ML-DSA-87 key has 5184 hex digits.
const TEXT_CHARS_MAX: usize = 8_192;

/// The node's figures for an address, base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VotingPower {
    /// Its own.
    pub own: u128,
    /// What others delegated to it.
    pub delegated_in: u128,
    /// The node's total.
    pub total: u128,
}

impl VotingPower {
    /// Reads an answer of `governance_get_voting_power`: bare, `{voting_power}` or
    /// `{votingPower}`.
    pub fn parse(raw: &str) -> Result<Self, FormatError> {
        let value = json_of("voting power", raw)?;
        let outer = Fields::of("voting power", &value)?;
        let inner = outer.get(&["voting_power"]).filter(|v| v.is_object()).unwrap_or(&value);
        let fields = Fields::of("voting power", inner)?;
        let own = fields
            .u128("voting_power", &["voting_power", "own"])?
            .ok_or_else(|| FormatError::new("voting_power", "is missing"))?;
        let delegated_in =
            fields.u128("delegated_power", &["delegated_power", "delegated_in"])?.unwrap_or(0);
        let total = match fields.u128("total_power", &["total_power", "total"])? {
            Some(total) => total,
            None => own
                .checked_add(delegated_in)
                .ok_or_else(|| FormatError::new("total_power", "is above 2^128 − 1"))?,
        };
        Ok(Self { own, delegated_in, total })
    }
}

/// Stake or power that one address gave to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Who gave.
    pub delegator: Address,
    /// Who has it: a validator or another account.
    pub delegatee: Address,
    /// Base units.
    pub amount: u128,
    /// Unix seconds; 0 where the node does not say.
    pub delegated_at: i64,
}

impl Delegation {
    /// Reads one delegation; where it does not name its delegator, that is `asked`.
    pub fn parse(raw: &str, asked: &Address) -> Result<Self, FormatError> {
        let value = json_of("delegation", raw)?;
        let fields = Fields::of("delegation", &value)?;
        let delegator = fields.address("delegator", &["delegator", "delegator_address"])?;
        let delegatee =
            fields.address("delegatee", &["delegatee", "validator", "validator_address"])?;
        Ok(Self {
            delegator: delegator.unwrap_or_else(|| asked.clone()),
            delegatee: delegatee.ok_or_else(|| FormatError::new("delegatee", "is missing"))?,
            amount: fields
                .u128("amount", &["amount"])?
                .ok_or_else(|| FormatError::new("amount", "is missing"))?,
            delegated_at: fields
                .seconds("delegated_at", &["delegated_at", "timestamp"])?
                .unwrap_or(0),
        })
    }
}

/// A validator of the node's staking module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator {
    /// Its address.
    pub address: Address,
    /// Its key, as the node writes it.
    pub public_key: Option<String>,
    /// Its network key, as the node writes it.
    pub network_key: Option<String>,
    /// Its stake, base units.
    pub stake: u128,
    /// It takes part.
    pub is_active: bool,
    /// Per cent.
    pub commission_rate: Option<i32>,
    /// 0 to 100.
    pub reputation_score: Option<i32>,
    /// When it was seen last, as the node writes it.
    pub last_activity: Option<String>,
    /// What others delegated to it, base units.
    pub total_delegated: Option<u128>,
    /// How many did.
    pub delegator_count: Option<i64>,
}

impl Validator {
    /// Reads one element of `validators`; what is optional and odd is absent.
    pub fn parse(raw: &str) -> Result<Self, FormatError> {
        let mut value = json_of("validator", raw)?;
        strip_nul(&mut value);
        let fields = Fields::of("validator", &value)?;
        let text = |name: &str| fields.text("validator", &[name], TEXT_CHARS_MAX).unwrap_or(None);
        let stake = ["stake", "stake_amount", "voting_power"];
        Ok(Self {
            address: fields
                .address("address", &["address"])?
                .ok_or_else(|| FormatError::new("address", "is missing"))?,
            public_key: text("public_key"),
            network_key: text("network_key"),
            stake: fields
                .u128("stake", &stake)?
                .ok_or_else(|| FormatError::new("stake", "is missing"))?,
            is_active: match fields.get(&["is_active", "status"]) {
                Some(Value::Bool(active)) => *active,
                Some(Value::String(word)) => word.eq_ignore_ascii_case("active"),
                _ => true,
            },
            commission_rate: fields
                .get(&["commission_rate", "commission"])
                .and_then(|v| rounded(v, 1.0)),
            // The explorer's scale is 0 to 1 (contract §11 row 32).
            reputation_score: fields.get(&["reputation_score"]).and_then(|v| match v.as_f64() {
                Some(part) if v.is_f64() && part <= 1.0 => rounded(v, 100.0),
                _ => rounded(v, 1.0),
            }),
            last_activity: match fields.get(&["last_activity"]) {
                Some(Value::Number(number)) => Some(number.to_string()),
                _ => text("last_activity"),
            },
            total_delegated: fields.u128("total_delegated", &["total_delegated"]).unwrap_or(None),
            delegator_count: fields
                .integer("delegator_count", &["delegator_count"])
                .unwrap_or(None),
        })
    }
}

/// A percentage for display, to the next integer.
fn rounded(value: &Value, scale: f64) -> Option<i32> {
    let number = match value {
        Value::String(text) => text.parse().ok()?,
        other => other.as_f64()?,
    };
    format!("{:.0}", number * scale).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn power_in_every_wrapping() {
        let want = Ok(VotingPower { own: 10_000, delegated_in: 5, total: 10_005 });
        for answer in [
            json!({"voting_power": {"address": "a", "voting_power": 10_000, "delegated_power": 5,
                "total_power": 10_005}}),
            json!({"votingPower": {"votingPower": "10000", "delegatedPower": "5"}}),
            json!({"voting_power": 10_000, "delegated_power": 5}),
        ] {
            assert_eq!(VotingPower::parse(&answer.to_string()), want, "{answer}");
        }
        for bad in ["{}", "7", r#"{"voting_power":-1}"#, r#"{"voting_power":{}}"#] {
            assert!(VotingPower::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn delegations_and_validators_of_the_contract() {
        let asked = Address::parse("0xa9").expect("valid");
        let row = json!({"validator": "VALc5", "amount": "7", "delegatedAt": 1_782_900_000});
        let parsed = Delegation::parse(&row.to_string(), &asked).expect("valid");
        assert_eq!((parsed.delegator, parsed.amount), (asked, 7));
        assert_eq!(parsed.delegated_at, 1_782_900_000);
        let row = json!({"address": "VALc5", "publicKey": "00", "networkKey": "00",
            "stake": 100_000_000, "stakeAmount": 100_000_000, "isActive": true,
            "commissionRate": 5, "reputationScore": 0.98, "delegatorCount": 3,
            "lastActivity": "2026-07-03T10:15:30Z", "totalDelegated": 5_000_000});
        let parsed = Validator::parse(&row.to_string()).expect("valid");
        assert_eq!((parsed.stake, parsed.is_active), (100_000_000, true));
        assert_eq!((parsed.commission_rate, parsed.reputation_score), (Some(5), Some(98)));
        assert_eq!((parsed.total_delegated, parsed.delegator_count), (Some(5_000_000), Some(3)));
        assert!(Validator::parse(r#"{"address":"x"}"#).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(key in "[a-z_]{1,20}", text in "\\PC{0,80}", number in any::<f64>()) {
            let asked = Address::parse("a").expect("valid");
            for key in [key.as_str(), "address", "stake", "commission_rate", "voting_power"] {
                for value in [json!(text.clone()), json!(number), json!({key: number})] {
                    let raw = json!({"address": "a", "stake": 1, key: value}).to_string();
                    let _ = (Validator::parse(&raw), VotingPower::parse(&raw));
                    let _ = Delegation::parse(&raw, &asked);
                }
            }
        }
    }
}
