//! The reads of a node beside its blocks, over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use chert_sources::{Fault, NodeClient, NodeOptions, NodeSource, SourceSet, StateSource};
use serde_json::{Value, json};
use silica_models::{Address, ProposalState, VotingPower};

use crate::server::{Seen, Server};

/// A node that answers each call, also inside a batch, with `result`.
async fn node(
    result: impl Fn(&str, &Value) -> Result<Value, (i64, &'static str)> + Clone + Send + Sync + 'static,
) -> (Server, NodeClient) {
    let server = Server::start(move |seen: &Seen| {
        let one = |call: &Value| {
            let id = &call["id"];
            match result(call["method"].as_str().unwrap_or_default(), &call["params"]) {
                Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result, "error": null}),
                Err((code, message)) => json!({"jsonrpc": "2.0", "id": id,
                    "error": {"code": code, "message": message}}),
            }
        };
        let request: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        Json(match &request {
            Value::Array(calls) => calls.iter().map(one).collect(),
            call => one(call),
        })
    })
    .await;
    let options = NodeOptions { request_timeout: Duration::from_secs(5) };
    let client = NodeClient::new(server.url.clone(), options).expect("a client");
    (server, client)
}

const UNKNOWN: (i64, &str) = (-32601, "Method not found");

#[tokio::test]
async fn the_registry_is_asked_by_position_and_read_record_by_record() {
    let id = "8f".repeat(32);
    let (_server, client) = node(move |method, params| match (method, params) {
        ("identity_registryUpdates", Value::Array(params)) if params == &[json!(7), json!(2)] => {
            Ok(json!({"latest_block": 9, "updates": [
                {"identity_id": id, "created_at": 1, "updated_at": 2, "updated_at_block": 8},
                {"identity_id": id, "updated_at_block": 9, "bio": 1}]}))
        }
        _ => Err(UNKNOWN),
    })
    .await;
    let page = client.registry_updates(7, 2).await.expect("a page");
    assert_eq!((page.latest_block, page.updates.len()), (9, 2));
    let rejected = page.updates[1].as_ref().expect_err("no times");
    assert_eq!((rejected.height, rejected.raw.is_empty()), (Some(9), false));
    assert!(client.registry_updates(8, 2).await.is_err_and(|e| e.is_unknown_method()));
}

#[tokio::test]
async fn more_updates_than_asked_for_are_refused() {
    let answer = json!({"latest_block": 9, "updates": [{}, {}, {}]});
    let (_server, client) = node(move |_, _| Ok(answer.clone())).await;
    let error = client.registry_updates(0, 2).await.expect_err("too many");
    assert_eq!(error.fault, Fault::Malformed);
}

#[tokio::test]
async fn governance_is_read_by_either_name() {
    let (server, client) = node(|method, params| match method {
        "get_proposals" if params["offset"] == 0 => {
            Ok(json!({"proposals": [{"proposalId": 7, "state": "Active"}, {"id": "x"}]}))
        }
        "governance_get_proposal" if params["proposal_id"] == 7 => {
            Ok(json!({"proposal": {"proposal_id": 7, "state": "Queued", "targets": ["0x1"]}}))
        }
        "governance_get_proposal" => Err((-32000, "proposal not found")),
        "get_proposal_votes" if params["proposalId"] == 7 => {
            Ok(json!({"votes": [{"voter": "VALc5", "support": 2, "weight": 5, "votedAt": 9},
                {"voter": "VALc6", "support": 9}]}))
        }
        "get_validators" => Ok(json!({"validators": [{"address": "VALc5", "stake": 1}, 7]})),
        _ => Err(UNKNOWN),
    })
    .await;
    let proposals = client.proposals(0, 10).await.expect("proposals");
    assert_eq!(proposals[0].as_ref().unwrap().proposal_id, "7");
    assert_eq!(proposals[1].as_ref().unwrap_err().key, "proposal:x");
    let detail = client.proposal("7").await.expect("an answer").expect("a proposal");
    assert_eq!((detail.state, detail.targets.len()), (ProposalState::Queued, 1));
    assert_eq!(client.proposal("8").await.expect("an answer"), None);
    let votes = client.votes("7", 0, 10).await.expect("votes");
    assert_eq!(votes[0].as_ref().unwrap().power, 5);
    assert_eq!(votes[1].as_ref().unwrap_err().key, "vote:7:VALc6");
    assert_eq!(client.validators().await.expect("validators").len(), 1);
    assert!(server.seen().iter().all(|s| s.target == "/jsonrpc"));
}

#[tokio::test]
async fn a_node_without_governance_says_so() {
    let (_server, client) = node(|_, _| Err(UNKNOWN)).await;
    assert!(client.proposals(0, 1).await.unwrap_err().is_unknown_method());
    assert!(client.proposal("1").await.unwrap_err().is_unknown_method());
    assert!(client.votes("1", 0, 1).await.unwrap_err().is_unknown_method());
    assert!(client.validators().await.unwrap_err().is_unknown_method());
    let address = [Address::parse("a").unwrap()];
    assert!(client.powers(&address).await.unwrap_err().is_unknown_method());
}

#[tokio::test]
async fn powers_come_in_batches_and_in_the_order_asked() {
    let (server, client) = node(|method, params| match (method, params["address"].as_str()) {
        ("governance_get_voting_power", Some("a7")) => Err((-32004, "address not found")),
        ("governance_get_voting_power", Some(address)) => {
            let own: u64 = address[1..].parse().unwrap();
            Ok(json!({"voting_power": {"voting_power": own, "delegated_power": 1}}))
        }
        ("governance_get_delegations", Some("a8")) => {
            Ok(json!({"delegations": [{"delegatee": "VALc5", "amount": 3, "delegatedAt": 9}]}))
        }
        _ => Err(UNKNOWN),
    })
    .await;
    let addresses: Vec<_> = (0..120).map(|n| Address::parse(&format!("a{n}")).unwrap()).collect();
    let powers = client.powers(&addresses).await.expect("powers");
    assert_eq!(powers.len(), 120);
    assert_eq!(powers[119].power, VotingPower { own: 119, delegated_in: 1, total: 120 });
    assert_eq!((powers[7].power, powers[7].delegations.len()), (VotingPower::default(), 0));
    assert_eq!(powers[8].delegations[0].delegator, addresses[8]);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn one_address_that_fails_for_now_fails_the_reading() {
    let (_server, client) = node(|method, params| {
        let odd = method == "governance_get_voting_power" && params["address"] == "b";
        if odd { Err((-32603, "busy")) } else { Ok(json!({"voting_power": 1, "delegations": []})) }
    })
    .await;
    let addresses = ["a", "b"].map(|a| Address::parse(a).unwrap());
    assert!(client.powers(&addresses[..1]).await.is_ok());
    let error = client.powers(&addresses).await.expect_err("busy");
    assert_eq!(error.fault, Fault::RpcError);
}

#[tokio::test]
async fn a_set_of_sources_gives_access() {
    let (_server, client) = node(|_, _| Ok(json!({"latest_block": 1}))).await;
    let set = SourceSet::new(vec![Arc::new(client) as Arc<dyn NodeSource>], || 0);
    let source = set.source(0).expect("a source");
    assert_eq!(source.registry_updates(0, 1).await.expect("a page").latest_block, 1);
}
