//! Shapes of the node's own interface: every JSON example of the contract, the explorer's rules for
//! blocks (§8.3) and the wallet's strict types (§9.2).
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "support/jsonrpc_examples.rs"]
mod examples;
#[path = "support/jsonrpc.rs"]
mod rpc;
mod support;

use rpc::{VALIDATOR, VOTER, assert_shape, code, result, stage};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::WHALE;

#[tokio::test]
async fn every_example_of_the_contract() {
    let server = stage().await;
    let all = [examples::chain(), examples::people(), examples::fields()].concat();
    assert!(all.len() > 45);
    for (method, params, example) in all {
        let example: Value = serde_json::from_str(example).unwrap();
        let answer = result(&server, method, params).await;
        assert_shape(&example, &answer, method, examples::EMPTY);
    }
    let example = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let block = result(&server, "eth_getBlockByNumber", json!([25])).await;
    let hash = &block["block_hash"];
    let block = result(&server, "get_block_by_hash", json!({ "block_hash": hash })).await;
    assert_shape(&example(examples::BLOCK), &block, "block", &[]);
    let params = json!({"tx_id": block["transactions"][0]["tx_id"]});
    let tx = result(&server, "get_transaction", params).await;
    assert_shape(&example(examples::TRANSACTION), &tx, "transaction", &[]);
    assert_shape(&example(examples::HEALTH), &server.ok("/health").await, "health", &[]);
    let alerts = server.ok("/alerts").await;
    assert_shape(&example(examples::ALERTS), &alerts, "alerts", examples::EMPTY);
    assert_eq!((&alerts["alert_count"], &alerts["active_alerts"]), (&0.into(), &json!([])));
}

#[tokio::test]
async fn what_is_wrong_becomes_an_alert() {
    let server = support::TestServer::start(3, 1).await;
    support::run_sql(
        &server.pool,
        "INSERT INTO sources VALUES ('http://n', 'node', 'failing', 1, 2, 1, 1, 'timeout');
         NOTIFY chert_tip",
    )
    .await;
    let mut alerts = Value::Null;
    for _ in 0..300 {
        alerts = server.ok("/alerts").await;
        if alerts["alert_count"] == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut example: Value = serde_json::from_str(examples::ALERTS).unwrap();
    // Which details there are depends on the alert.
    example["active_alerts"][0]["details"] = json!({});
    assert_shape(&json!({"active_alerts": example["active_alerts"]}), &alerts, "", &[]);
    let codes: Vec<&str> = alerts["active_alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["node_unreachable", "indexer_stalled", "source_unhealthy"]);
}

#[tokio::test]
async fn lists_are_bare_where_the_explorer_wants_them_bare() {
    let server = stage().await;
    for (method, params) in [
        ("get_proposals", json!({"limit": 20})),
        ("get_staking_delegations", json!({"limit": 10})),
        ("get_tokens", json!({"limit": 100})),
        ("get_token_holders", json!({"address": "a", "limit": 20})),
        ("get_token_transfers", json!({"address": "a", "limit": 20})),
        ("get_events", json!({"limit": "25"})),
        ("get_bridge_history", json!({"limit": 50})),
        ("get_privacy_operations", json!({"limit": 20})),
    ] {
        assert!(result(&server, method, params).await.is_array(), "{method}");
    }
    assert_eq!(code(&server, "get_events", json!({"limit": "many"})).await, -32_602);
}

/// What the unmodified explorer does with a block (§8.3): anything else fails its whole refresh.
#[track_caller]
fn explorer_takes(block: &Value) {
    assert!(block["block_number"].is_u64(), "{block}");
    assert!(chrono_like(&block["timestamp"]), "{block}");
    let name = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    assert!(name(&block["validator_address"]), "{block}");
    assert!(block["transaction_count"].is_u64());
    for tx in block["transactions"].as_array().unwrap() {
        assert!(name(&tx["tx_id"]) && name(&tx["sender"]) && name(&tx["recipient"]), "{tx}");
        assert!(
            tx["amount"].is_u64() && tx["fee"].is_u64() && chrono_like(&tx["timestamp"]),
            "{tx}"
        );
        for output in tx["outputs"].as_array().into_iter().flatten() {
            assert!(name(&output["recipient"]) && output["amount"].is_u64(), "{output}");
        }
    }
}

fn chrono_like(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() >= 20 && text.ends_with('Z') && text.contains('T'))
}

#[tokio::test]
async fn the_explorer_takes_every_block() {
    let server = stage().await;
    let page = result(&server, "get_blocks", json!({"limit": 100, "include_txs": true})).await;
    let blocks = page["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 30);
    blocks.iter().for_each(explorer_takes);
    let newest = &blocks[0]["transactions"];
    assert_eq!(
        newest[0]["outputs"],
        json!([{"recipient": "out-a", "amount": 400}, {"recipient": "out-b", "amount": 600}])
    );
    assert_eq!((&newest[0]["recipient"], &newest[0]["amount"]), (&"out-a".into(), &1000.into()));
    assert_eq!(newest[1]["sender"], "0x0000000000000000000000000000000000000002");
    assert_eq!(newest[2]["recipient"], newest[2]["sender"]);
    assert_eq!(newest[0]["memo"], "m0");
    assert_eq!(blocks[1]["validator_address"], "0x0000000000000000000000000000000000000002");
    assert_eq!(blocks[29]["previous_block_hash"], "");
    let heads = result(&server, "get_blocks", json!({"limit": 2, "include_txs": false})).await;
    assert_eq!(heads["blocks"][0]["transactions"], json!([]));
    assert_eq!(heads["blocks"][0]["transaction_count"], 3);
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the wallet's types: that they can be read is what is tested")]
struct WalletTransaction {
    transaction_id: String,
    from_address: String,
    to_address: String,
    amount: String,
    fee: String,
    status: String,
    timestamp: String,
    block_height: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WalletHistory {
    transactions: Vec<WalletTransaction>,
    total_count: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "as above")]
struct WalletValidator {
    address: String,
    public_key: String,
    network_key: String,
    stake: u64,
    stake_amount: u64,
    is_active: bool,
    commission_rate: u32,
    reputation_score: u32,
    last_activity: String,
    total_delegated: Option<u64>,
    delegator_count: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "as above")]
struct WalletDelegation {
    delegator: String,
    delegatee: String,
    amount: i64,
    delegated_at: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "as above")]
struct WalletProposal {
    proposal_id: i64,
    proposer: String,
    description: String,
    vote_start: i64,
    vote_end: i64,
    votes_for: i64,
    votes_against: i64,
    votes_abstain: i64,
    state: String,
    created_at: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "as above")]
struct WalletProposalDetail {
    #[serde(flatten)]
    summary: WalletProposal,
    targets: Vec<String>,
    values: Vec<String>,
    calldatas: Vec<String>,
    executed_at: Option<i64>,
    updated_at: i64,
    has_voted: Option<bool>,
    user_vote: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "as above")]
struct WalletVote {
    proposal_id: i64,
    voter: String,
    support: u8,
    weight: i64,
    reason: Option<String>,
    voted_at: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "as above")]
struct WalletPower {
    address: String,
    voting_power: i64,
    delegated_power: i64,
    total_power: i64,
}

#[track_caller]
fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"))
}

#[tokio::test]
async fn the_wallet_reads_every_answer() {
    let server = stage().await;
    let history = json!({"address": WHALE, "limit": null, "offset": null});
    let history = result(&server, "get_transaction_history", history).await;
    let history: WalletHistory = read(history);
    assert_eq!((history.transactions.len(), history.total_count), (20, 90));
    let validators = result(&server, "staking_get_validators", Value::Null).await;
    let validators: Vec<WalletValidator> = read(validators["validators"].clone());
    assert_eq!(validators[0].address, VALIDATOR);
    let address = json!({"address": VOTER});
    for method in ["staking_get_user_delegations", "governance_get_delegations"] {
        let delegations = result(&server, method, address.clone()).await;
        let delegations: Vec<WalletDelegation> = read(delegations["delegations"].clone());
        assert_eq!((delegations[0].amount, delegations.len()), (5_000_000, 1));
    }
    let power = result(&server, "governance_get_voting_power", address).await;
    let power: WalletPower = read(power["votingPower"].clone());
    assert_eq!((power.voting_power, power.total_power), (10_000, 10_000));
    let nobody = json!({"address": "nobody"});
    let nothing = result(&server, "governance_get_voting_power", nobody).await;
    assert_eq!(nothing["voting_power"]["total_power"], 0);
    let proposals = result(&server, "governance_list_proposals", json!({"offset": 1})).await;
    let proposals: Vec<WalletProposal> = read(proposals["proposals"].clone());
    assert_eq!(proposals.iter().map(|p| p.proposal_id).collect::<Vec<_>>(), [7, 6, 5]);
    assert_eq!((proposals[0].state.as_str(), proposals[1].state.as_str()), ("Active", "defeated"));
    let detail = result(&server, "governance_get_proposal", json!({"proposal_id": 7})).await;
    let detail: WalletProposalDetail = read(detail["proposal"].clone());
    assert_eq!(detail.summary.votes_for, 150_000);
    let unknown = result(&server, "governance_get_proposal", json!({"proposal_id": 99})).await;
    assert_eq!(unknown, json!({ "proposal": null }));
    let votes = json!({"proposal_id": 7, "limit": null, "offset": null});
    let votes: Vec<WalletVote> =
        read(result(&server, "governance_get_proposal_votes", votes).await["votes"].clone());
    assert_eq!(votes.iter().map(|vote| vote.support).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn one_name_two_shapes_are_told_apart() {
    let server = stage().await;
    let explorer = result(&server, "get_proposals", json!({"limit": 20})).await;
    let statuses: Vec<&str> =
        explorer.as_array().unwrap().iter().map(|p| p["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["active", "active", "rejected", "passed"]);
    assert_eq!(explorer[1]["end_time"], "2026-07-15 10:00 UTC");
    let passed = json!({"limit": 20, "status": "passed"});
    assert_eq!(result(&server, "get_proposals", passed).await[0]["id"], "5");
    for wallet in
        [json!({}), json!(null), json!({"limit": 2, "offset": 0}), json!({"state": "active"})]
    {
        assert!(result(&server, "get_proposals", wallet).await["proposals"].is_array());
    }
    let mine = json!({"proposer": VOTER.to_uppercase().replace("0X", "0x"), "limit": 1});
    assert_eq!(result(&server, "get_proposals", mine).await["proposals"][0]["proposal_id"], "x-8");
    let tx = result(&server, "eth_getBlockByNumber", json!([3])).await["transactions"][0].clone();
    let id = tx["tx_id"].as_str().unwrap();
    let explorer = result(&server, "getTransaction", json!({ "tx_id": id })).await;
    assert_eq!(explorer["amount"], tx["amount"]);
    let sdk = result(&server, "getTransaction", json!([id])).await;
    assert_eq!((&sdk["hash"], &sdk["memo"]), (&id.into(), &"m0".into()));
    assert_eq!(sdk["amount"], tx["amount"].to_string());
    let snake = result(&server, "eth_getTransactionByHash", json!([id])).await;
    assert_eq!(snake, explorer);
    assert_eq!(code(&server, "getTransaction", json!(["nothing"])).await, -32_004);
    assert_eq!(result(&server, "governance_getProposal", json!(["7"])).await["id"], "7");
    let wallet = result(&server, "governance_getProposal", json!({"proposal_id": 7})).await;
    assert_eq!(wallet["proposal"]["proposalId"], 7);
}
