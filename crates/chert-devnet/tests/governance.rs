//! Governance and staking: tallies, outcomes, both dialects, levers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;

use chert_devnet::{Chain, Profile, ServerConfig};
use serde_json::{Value, json};
use support::{call, chain, serve};

fn units(value: &Value) -> u128 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        number => u128::from(number.as_u64().unwrap()),
    }
}

fn assert_tallies(chain: &Chain) {
    for proposal in chain.proposals() {
        let id = proposal["proposal_id"].as_u64().unwrap();
        let votes = chain.votes(id);
        let voters: BTreeSet<String> =
            votes.iter().map(|vote| vote["voter"].as_str().unwrap().to_lowercase()).collect();
        assert_eq!(voters.len(), votes.len(), "one vote per voter");
        for (support, name) in ["votes_against", "votes_for", "votes_abstain"].iter().enumerate() {
            let sum: u128 = votes
                .iter()
                .filter(|vote| vote["support"] == support)
                .map(|vote| units(&vote["weight"]))
                .sum();
            assert_eq!(units(&proposal[*name]), sum, "{name} of {id}");
        }
        for vote in &votes {
            let at = vote["voted_at"].as_u64();
            assert!(at >= proposal["vote_start"].as_u64() && at <= proposal["vote_end"].as_u64());
        }
    }
}

#[test]
fn tallies_are_sums_of_votes() {
    for profile in [Profile::small(), Profile::realistic()] {
        let chain = chain(2, 900, profile);
        assert_tallies(&chain);
        chain.reorg(30, 31);
        assert_tallies(&chain);
    }
}

#[test]
fn every_outcome_occurs() {
    let chain = chain(1, 1000, Profile::small());
    let states: BTreeSet<String> = chain
        .proposals()
        .iter()
        .map(|proposal| proposal["state"].as_str().unwrap().to_lowercase())
        .collect();
    let mut seen = states;
    // The states of proposals that have ended are for ever; the others are passed through.
    for _ in 0..60 {
        chain.mine(1);
        for proposal in chain.proposals() {
            seen.insert(proposal["state"].as_str().unwrap().to_lowercase());
        }
    }
    let all = [
        "active",
        "cancelled",
        "defeated",
        "executed",
        "expired",
        "pending",
        "queued",
        "succeeded",
        "vetoed",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
    let executed = |proposal: &Value| proposal["state"] == "executed";
    for proposal in chain.proposals() {
        assert_eq!(executed(&proposal), proposal.get("executed_at").is_some());
    }
}

#[test]
fn a_reorg_changes_votes() {
    let chain = chain(4, 100, Profile::small());
    let votes = |chain: &Chain| (1..=12).map(|id| chain.votes(id)).collect::<Vec<_>>();
    let before = votes(&chain);
    assert!(before.iter().flatten().any(|vote| vote["voter"].as_str().unwrap().starts_with("VAL")));
    chain.reorg(10, 11);
    let after = votes(&chain);
    assert_ne!(before, after);
    assert_eq!(before[..8], after[..8], "votes of older blocks stay");
}

#[test]
fn levers_change_what_was_said() {
    let chain = chain(4, 100, Profile::small());
    let before = chain.votes(3);
    chain.change_votes(3);
    assert_ne!(chain.votes(3), before);
    assert_tallies(&chain);
    let count = chain.proposals().len();
    chain.hide_proposal(3, true);
    assert_eq!((chain.proposals().len(), chain.votes(3).len()), (count - 1, 0));
    chain.hide_proposal(3, false);
    assert_eq!(chain.proposals().len(), count);
}

#[tokio::test]
async fn both_dialects_are_spoken() {
    let chain = chain(6, 400, Profile::small());
    let server = serve(&chain, ServerConfig::default()).await;
    let ask = async |method: &str, params: Value| call(&server, method, params).await.result();
    let all = chain.proposals();
    let mut listed = Vec::new();
    for offset in (0..all.len()).step_by(7) {
        let params = json!({ "offset": offset, "limit": 7 });
        let page = ask("governance_listProposals", params.clone()).await;
        assert_eq!(page, ask("get_proposals", params).await);
        listed.extend(page["proposals"].as_array().unwrap().clone());
    }
    assert_eq!(listed.len(), all.len());
    for (summary, detail) in listed.iter().rev().zip(&all) {
        for (name, value) in summary.as_object().unwrap() {
            assert_eq!(*value, detail[name]);
        }
        assert_eq!(summary["voteStart"], summary["vote_start"]);
    }
    let active = ask("governance_list_proposals", json!({ "state": "Active" })).await;
    assert!(active["proposals"].as_array().unwrap().iter().all(|p| p["state"] == "Active"));
    let explorer = ask("get_proposals", json!({ "limit": 20 })).await;
    assert_eq!(explorer.as_array().unwrap().len(), 20);
    assert!(explorer[0]["votes_for"].is_string() && explorer[0]["id"].is_string());
    assert!(ask("get_proposals", json!({})).await["proposals"].is_array());
    let one = ask("get_proposal", json!({ "proposalId": "5" })).await;
    assert_eq!(one["proposal"], all[4]);
    assert_eq!(one, ask("governance_get_proposal", json!([5])).await);
    assert!(ask("get_proposal", json!({ "proposal_id": 9999 })).await["proposal"].is_null());
    let votes =
        ask("get_proposal_votes", json!({ "proposalId": 5, "offset": 1, "limit": 3 })).await;
    assert_eq!(votes["votes"].as_array().unwrap(), &chain.votes(5)[1..4]);
}

#[tokio::test]
async fn power_is_balance_and_what_others_delegate() {
    let chain = chain(6, 400, Profile::realistic());
    let server = serve(&chain, ServerConfig::default()).await;
    let ask = async |method: &str, params: Value| call(&server, method, params).await.result();
    let mut delegated_in = 0;
    let mut rows = Vec::new();
    let addresses = chain.addresses();
    let validator = addresses.iter().find(|address| address.starts_with("VAL")).unwrap();
    for address in addresses.iter().take(200) {
        let found = ask("governance_get_delegations", json!({ "address": address })).await;
        for row in found["delegations"].as_array().unwrap() {
            assert_eq!(
                (&row["delegator"], &row["validator"]),
                (&json!(address), &row["delegatee"])
            );
            if row["delegatee"] == *validator {
                delegated_in += units(&row["amount"]);
            }
            rows.push(row.clone());
        }
    }
    assert!(rows.len() > 40 && delegated_in > 0);
    let power = ask("governance_getVotingPower", json!([validator])).await;
    assert_eq!(power["votingPower"]["delegatedPower"], power["voting_power"]["delegated_power"]);
    let power = &power["voting_power"];
    assert_eq!(units(&power["delegated_power"]), delegated_in);
    assert_eq!(power["voting_power"].to_string(), chain.balance(validator).0);
    let list = ask("get_validators", Value::Null).await;
    let of_it = list["validators"].as_array().unwrap().iter().find(|v| v["address"] == *validator);
    assert_eq!(units(&of_it.unwrap()["totalDelegated"]), delegated_in);
    for method in
        ["get_governance_info", "get_treasury", "get_staking_info", "staking_get_validators"]
    {
        assert!(ask(method, json!({})).await.is_object(), "{method}");
    }
    for method in [
        "staking_get_rewards",
        "get_lockbox_records",
        "get_auto_stake_status",
        "getUserDelegations",
    ] {
        assert!(ask(method, json!({ "userAddress": validator })).await.is_object(), "{method}");
    }
    assert!(ask("get_staking_delegations", json!({ "limit": 5 })).await.is_array());
    let without = ServerConfig { governance: false, ..ServerConfig::default() };
    let answer = call(&serve(&chain, without).await, "get_validators", json!({})).await;
    assert_eq!(answer.json()["error"]["code"], -32601);
}
