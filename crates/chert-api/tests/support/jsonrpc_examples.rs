//! The JSON examples of the contract `node-rpc.md`, by the call whose answer they are. (Those of
//! §2.17 and §7.5 are an oracle's, not a node's.)
#![allow(dead_code, missing_docs, reason = "tests")]

use serde_json::{Value, json};

use crate::rpc::{VALIDATOR, VOTER};

/// Method, parameters, example.
pub type Example = (&'static str, Value, &'static str);

/// Lists that are empty here, because what they hold is not indexed.
pub const EMPTY: &[&str] = &["get_tokens", "get_events", "peers", "alert_history", "active_alerts"];

pub fn chain() -> Vec<Example> {
    vec![
        ("get_block_number", json!(null), r#"{"block_number":18427}"#),
        (
            "get_blocks",
            json!({"limit": 5, "include_txs": true}),
            r#"{"blocks":[
  {"block_number":18427,
   "block_hash":"4be1c1c57e0e1b7b4c55a3a6bb7c9b5a4fd3a5c0d3f1d7f6a1a6c6a3b0f3e9d2",
   "previous_block_hash":"9a0f6f3f5f1c0f0e6b0b2a6f3b1f5f4f1f6b7e2d8c9a0b1c2d3e4f5061728394",
   "transactions":[
     {"tx_id":"7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11",
      "sender":"0xa9b36f133ee0c47100d08719689e1df65c12761a",
      "recipient":"0x406265294e75151376cb2baafb5937a9f74b148e",
      "amount":2500000000,"fee":1000,"nonce":41,
      "timestamp":"2026-07-03T10:15:29.812345678Z",
      "signature":"c0ffee"}],
   "timestamp":"2026-07-03T10:15:30.104220118Z",
   "validator_address":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d",
   "gas_used":21000,"gas_limit":10000000,
   "state_root":[17,34,51,68,85,102,119,136,153,170,187,204,221,238,255,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],
   "state_leaf_count":412,
   "shard_commitments":[]}],
 "next_cursor":18426}"#,
        ),
        (
            "eth_getBlockByNumber",
            json!({"block_number": 0, "include_txs": true}),
            r#"{"block_number":0,"block_hash":"00aa11bb22cc33dd44ee55ff66778899aabbccddeeff00112233445566778899","previous_block_hash":"","transactions":[],"timestamp":"2026-01-18T21:02:05.408028988Z","validator_address":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","gas_used":0,"gas_limit":10000000,"state_leaf_count":9}"#,
        ),
        (
            "get_transaction",
            json!({"tx_id": "f7a3d39e-e6d0-4d5b-8e4e-1e8f0a1e5a3b"}),
            r#"{"tx_id":"7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b12","status":"not_found","message":"Transaction not found"}"#,
        ),
        (
            "get_transaction_history",
            json!({"limit": 25, "address": "0x00000000000000000000000000000000000000aa"}),
            r#"{"address":"0xa9b36f133ee0c47100d08719689e1df65c12761a","transactions":[{"tx_id":"7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11","sender":"0xa9b36f133ee0c47100d08719689e1df65c12761a","recipient":"0x406265294e75151376cb2baafb5937a9f74b148e","amount":2500000000,"fee":1000,"nonce":41,"timestamp":"2026-07-03T10:15:29.812345678Z","status":"confirmed","direction":"outgoing","block_number":18427,"block_hash":"4be1c1c57e0e1b7b4c55a3a6bb7c9b5a4fd3a5c0d3f1d7f6a1a6c6a3b0f3e9d2","transaction_index":0}],"has_more":true,"next_cursor":"18427:0"}"#,
        ),
        (
            "get_transaction_history",
            json!({"limit": null, "offset": null, "address": "0x00000000000000000000000000000000000000aa"}),
            r#"{"transactions":[{"transactionId":"7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11","fromAddress":"0xa9b36f133ee0c47100d08719689e1df65c12761a","toAddress":"0x406265294e75151376cb2baafb5937a9f74b148e","amount":"2500000000","fee":"1000","timestamp":"2026-07-03T10:15:29.812Z","status":"confirmed","blockHeight":18427}],"totalCount":1}"#,
        ),
        (
            "get_balance",
            json!({"address": VOTER}),
            r#"{"address":"0xa9b36f133ee0c47100d08719689e1df65c12761a","balance":"9750000000","nonce":42}"#,
        ),
        (
            "get_block_analytics",
            json!({"range_ms": 3_600_000, "bucket_ms": 60_000, "requested_range_label": "1h"}),
            r#"{"range_ms":3600000,"bucket_ms":60000,"requested_range_label":"1h","sample_label":"Indexed · 1h","partial":true,"total_blocks":2,"total_transactions":1,"unique_validator_count":1,"non_empty_ratio":0.5,"avg_blocks_per_minute":2.0,"avg_transactions_per_minute":1.0,"avg_transactions_per_block":0.5,"latest_block_age_ms":1200,
 "buckets":[{"start_ms":1783073700000,"end_ms":1783073760000,"label":"10:15","short_label":"10:15","block_count":2,"tx_count":1,"non_empty_block_count":1,"finalized_block_count":0,"pending_block_count":2,"avg_tx_per_block":0.5,"avg_blocks_per_minute":2.0,"top_validators":[{"validator":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","block_count":2}],"blocks":[]}],
 "top_validators":[{"validator":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","block_count":2}],
 "notable_blocks":[{"block":{"height":18427,"hash":"4be1c1c57e0e1b7b4c55a3a6bb7c9b5a4fd3a5c0d3f1d7f6a1a6c6a3b0f3e9d2","parent_hash":"9a0f6f3f5f1c0f0e6b0b2a6f3b1f5f4f1f6b7e2d8c9a0b1c2d3e4f5061728394","timestamp":1783073730104,"transaction_count":1,"total_value":2500000000,"status":"pending","confirmation_score":0.0,"miner":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d"},"label":"Highest throughput","detail":"1 tx","tone":"cyan"}]}"#,
        ),
        (
            "get_analytics",
            json!({}),
            r#"{"tps_history":[{"timestamp":1783072800,"value":0.8}],"gas_usage":[{"timestamp":1783072800,"value":420000}],"tx_volume":[{"timestamp":1783072800,"value":2500000000}]}"#,
        ),
        (
            "get_chain_parameters",
            json!({}),
            r#"{"chain_id":13371,"block_time_ms":2000,"max_block_size":1048576,"max_tx_per_block":10000,"gas_price_min":"1","gas_price_max":"1000","validator_count":4,"committee_size":4,"epoch_duration_blocks":900,"min_stake":"1000000","reward_rate":"8.5"}"#,
        ),
        (
            "get_network_info",
            json!({}),
            r#"{"validators":[{"address":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","stake_amount":"100000000","is_active":true,"reputation_score":0.98,"commission_rate":5,"last_activity":"2026-07-03T10:15:30Z"}],"peers":[{"peer_id":"PEER4be1c1c57e0e1b7b4c55a3a6bb7c9b5a4fd3a5c0d3f1d7f6a1a6c6a3b0f3e9d2","is_connected":true,"status":"connected","heartbeat_age_ms":850,"commit_index":55120,"committee_registered":4,"committee_total":4,"blocker":null}],"network":{"current_height":18427,"epoch":20,"is_synced":true,"connected_peer_count":3,"average_latency_ms":42.5,"total_validators":4,"active_validators":4}}"#,
        ),
        (
            "get_tokens",
            json!({"limit": 100}),
            r#"[{"address":"0x16d8a7475e6c386c5783aed664293de8766a412d","name":"Wrapped Ore","symbol":"WORE","decimals":6,"total_supply":"1000000000000","holder_count":3,"transfer_count":17}]"#,
        ),
        (
            "get_events",
            json!({"limit": "25", "address": VOTER}),
            r#"[{"address":"0x16d8a7475e6c386c5783aed664293de8766a412d","topics":["VoteCast"],"data":"0x00","transactionHash":"7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11","blockNumber":18427,"logIndex":0,"timestamp":"2026-07-03T10:15:30Z"}]"#,
        ),
    ]
}

/// Block and transaction that have to be looked up first.
pub const BLOCK: &str = r#"{"block_number":18426,"block_hash":"9a0f6f3f5f1c0f0e6b0b2a6f3b1f5f4f1f6b7e2d8c9a0b1c2d3e4f5061728394","previous_block_hash":"1111111111111111111111111111111111111111111111111111111111111111","transactions":[],"timestamp":"2026-07-03T10:15:28.001Z","validator_address":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","gas_used":0,"gas_limit":10000000}"#;
pub const TRANSACTION: &str = r#"{"tx_id":"7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11","status":"finalized","sender":"0xa9b36f133ee0c47100d08719689e1df65c12761a","recipient":"0x406265294e75151376cb2baafb5937a9f74b148e","amount":2500000000,"fee":1000,"nonce":41,"timestamp":"2026-07-03T10:15:29.812345678Z","signature":"c0ffee","block_number":18427,"block_hash":"4be1c1c57e0e1b7b4c55a3a6bb7c9b5a4fd3a5c0d3f1d7f6a1a6c6a3b0f3e9d2"}"#;
pub const HEALTH: &str = r#"{"status":"healthy","version":"0.4.2","node_type":"validator","uptime_seconds":86400,"timestamp":1783073731,
 "consensus_status":{"is_synced":true,"current_height":18427,"dag_tip_commit_index":55122,"finalized_commit_index":55120,"dag_finality_gap":2,"tx_queue_size":0,"pending_finality_certs":0,"tephra_gossip_sync_rounds":991,"tephra_events_ingested":120345,"tephra_events_sent":119870,"tephra_event_store_size":4096,"validator_count":4,"committee_size":4,"epoch":20,"epoch_duration_ms":1800000,"epoch_elapsed_ms":600000,"time_to_next_epoch_ms":1200000,"startup_gate_active":false,"startup_ready_peers":3,"startup_expected_ready_peers":3,"startup_vrf_ready_peers":3,"startup_expected_vrf_ready_peers":3,"startup_wait_ms":0,"startup_peer_readiness":[]},
 "network_status":{"peer_count":3,"connected_peer_count":3,"total_peers":3,"connected_peers":["PEER4be1c1c57e0e1b7b4c55a3a6bb7c9b5a4fd3a5c0d3f1d7f6a1a6c6a3b0f3e9d2"],"bootstrap_peers":1,"message_success_rate":0.99,"average_latency_ms":42.5,"connection_quality":0.97}}"#;
pub const ALERTS: &str = r#"{"node_id":"PEER4be1c1c57e0e1b7b4c55a3a6bb7c9b5a4fd3a5c0d3f1d7f6a1a6c6a3b0f3e9d2","timestamp":1783073731,"alert_count":1,"active_alerts":[{"code":"finality_gap_high","severity":"warning","message":"Finality gap above 10","timestamp":1783073700,"resolved":false,"details":{"gap":12}}],"alert_history":[{"id":"a-1","alert_type":"AlertType::PeerLoss","severity":"Medium","message":"Lost 1 peer","timestamp":1783070000,"resolved_at":1783070300}]}"#;

pub fn people() -> Vec<Example> {
    vec![
        (
            "staking_get_validators",
            json!(null),
            r#"{"validators":[{"address":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","publicKey":"00","networkKey":"00","stake":100000000,"stakeAmount":100000000,"isActive":true,"commissionRate":5,"reputationScore":98,"lastActivity":"2026-07-03T10:15:30Z"}]}"#,
        ),
        (
            "get_validator_info",
            json!({"address": VALIDATOR}),
            r#"{"address":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","publicKey":"00","networkKey":"00","stake":100000000,"stakeAmount":100000000,"isActive":true,"commissionRate":5,"reputationScore":98,"lastActivity":"2026-07-03T10:15:30Z","totalDelegated":5000000,"delegatorCount":3}"#,
        ),
        (
            "get_user_delegations",
            json!({"userAddress": VOTER}),
            r#"{"delegations":[{"delegator":"0xa9b36f133ee0c47100d08719689e1df65c12761a","delegatee":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","validator":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","amount":5000000,"shares":5000000,"delegatedAt":1782900000,"rewardsClaimed":0}]}"#,
        ),
        (
            "get_staking_info",
            json!({}),
            r#"{"total_staked":"400000000","total_validators":4,"active_delegators":12,"avg_apy":8.5,"total_rewards":"1250000"}"#,
        ),
        (
            "get_staking_delegations",
            json!({"limit": 10}),
            r#"[{"validator_address":"VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d","delegator_address":"0xa9b36f133ee0c47100d08719689e1df65c12761a","amount":"5000000","rewards":"1200","last_claimed":"2026-07-01"}]"#,
        ),
        (
            "governance_list_proposals",
            json!({"state": "active", "proposer": null, "limit": 10, "offset": null}),
            r#"{"proposals":[{"proposal_id":7,"proposalId":7,"proposer":"0xa9b36f133ee0c47100d08719689e1df65c12761a","description":"Raise block gas limit","vote_start":1782900000,"voteStart":1782900000,"vote_end":1784109600,"voteEnd":1784109600,"votes_for":150000,"votesFor":150000,"votes_against":25000,"votesAgainst":25000,"votes_abstain":10000,"votesAbstain":10000,"state":"Active","created_at":1782800000,"createdAt":1782800000}]}"#,
        ),
        (
            "get_proposal_votes",
            json!({"proposalId": 7, "limit": 10, "offset": 0}),
            r#"{"votes":[{"proposal_id":7,"proposalId":7,"voter":"0xa9b36f133ee0c47100d08719689e1df65c12761a","support":1,"weight":1000,"reason":null,"voted_at":1782950000,"votedAt":1782950000}]}"#,
        ),
        (
            "governance_get_voting_power",
            json!({"address": VOTER}),
            r#"{"voting_power":{"address":"0xa9b36f133ee0c47100d08719689e1df65c12761a","voting_power":10000,"delegated_power":0,"total_power":10000},"votingPower":{"address":"0xa9b36f133ee0c47100d08719689e1df65c12761a","votingPower":10000,"delegatedPower":0,"totalPower":10000}}"#,
        ),
        (
            "get_proposals",
            json!({"limit": 20}),
            r#"[{"id":"7","title":"Raise block gas limit","description":"From 10M to 20M","status":"active","votes_for":"150000000000","votes_against":"25000000000","quorum":42,"end_time":"2026-07-15 10:00 UTC","proposer":"0xa9b36f133ee0c47100d08719689e1df65c12761a"}]"#,
        ),
        (
            "get_governance_info",
            json!({}),
            r#"{"active_proposals":1,"total_proposals":7,"dao_treasury":"1000000000000000","voter_participation":37.5}"#,
        ),
        (
            "identity_registryUpdates",
            json!([0, 128]),
            r#"{"latest_block":18427,"updates":[{"identity_id":"8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00","display_name":"quarry-42","avatar_hash":null,"bio":"Folding since 2025","stats_visibility":"public","wallet_links":[{"wallet_address":"0xa9b36f133ee0c47100d08719689e1df65c12761a","link_type":"main","proof_signature":"0xabcdef","created_at":1782800000,"verified_at":1782800060,"updated_at_block":18390}],"created_at":1782800000,"updated_at":1782800060,"updated_at_block":18390,"profile_version":2}]}"#,
        ),
    ]
}

/// Field lists of methods without an example (contract §2, §8, §9): a value of each type.
pub fn fields() -> Vec<Example> {
    vec![
        ("get_account_nonce", json!({"address": VOTER}), r#"{"nonce":1}"#),
        (
            "estimate_fee",
            json!({"from_address": "a", "to_address": "b", "amount": "1", "priority": "high"}),
            r#"{"estimated_fee":"1","priority_fees":{"low":"1","medium":"1","high":"1"},"network_congestion":"low","estimated_confirmation_time":2}"#,
        ),
        ("get_network_congestion", json!({}), r#"{"congestion":"low"}"#),
        (
            "get_transaction_status",
            json!({"transaction_id": "x"}),
            r#"{"transaction_id":"x","status":"pending"}"#,
        ),
        (
            "get_staking_rewards",
            json!({"userAddress": VOTER}),
            r#"{"rewards":{"totalEarned":0,"pendingRewards":0,"currentApy":0.0,"currentAPY":0.0}}"#,
        ),
        ("get_lockbox_records", json!({"userAddress": VOTER}), r#"{"records":[]}"#),
        (
            "staking_get_auto_stake_status",
            json!({"account": VOTER}),
            r#"{"status":{"account":"a","balance":0,"maturityTimestamp":"t","isActive":false}}"#,
        ),
        (
            "get_treasury",
            json!({}),
            r#"{"total_balance":"0","last_month_in":"0","last_month_out":"0"}"#,
        ),
        (
            "get_proposal",
            json!({"proposalId": 7}),
            r#"{"proposal":{"proposal_id":7,"targets":[],"values":[],"calldatas":[],"updated_at":1,"updatedAt":1,"state":"Active"}}"#,
        ),
        (
            "get_privacy_info",
            json!({}),
            r#"{"total_shielded":"0","total_unshielded":"0","active_shielded_accounts":0,"pending_operations":0,"homomorphic_accounts":0,"homomorphic_transfers":0,"stealth_transfers":0,"scanned_blocks":0,"latest_block":0}"#,
        ),
        (
            "get_bridge_stats",
            json!({}),
            r#"{"total_deposits":"0","total_withdraws":"0","active_transfers":0,"supported_chains":[]}"#,
        ),
        (
            "get_nodes",
            json!({}),
            r#"{"nodes":[{"node_id":"a","address":"a","status":"online","height":1,"latency_ms":1,"last_block_time":"t","version":"v","uptime_seconds":1}]}"#,
        ),
        ("get_chain_id", json!(null), r#"{"chain_id":13371}"#),
        ("get_network_id", json!(null), r#"{"network_id":"silica-testnet-1"}"#),
        ("health", json!({}), r#"{"status":"healthy"}"#),
        (
            "getNetworkStatus",
            json!([]),
            r#"{"block_height":1,"network_id":"n","consensus_version":"v","peer_count":1,"syncing":false,"latest_block_time":"t"}"#,
        ),
        (
            "getLatestBlock",
            json!([]),
            r#"{"height":1,"hash":"h","previous_hash":"p","timestamp":"t","proposer":"v","transaction_count":1}"#,
        ),
        ("getBalance", json!([VOTER]), r#"{"available":"1","pending":"1","total":"1"}"#),
        (
            "getValidators",
            json!([]),
            r#"[{"address":"a","name":"n","voting_power":"1","commission":1,"status":"active","total_delegated":"1","delegator_count":1}]"#,
        ),
        (
            "getDelegations",
            json!([VOTER]),
            r#"[{"validator_address":"v","amount":"1","rewards":"0","timestamp":1}]"#,
        ),
        ("getStakingRewards", json!([VOTER]), r#"{"total":"0","available":"0","pending":"0"}"#),
        (
            "governance_getProposals",
            json!([{"limit": 2}]),
            r#"[{"id":"1","title":"t","description":"d","proposer":"p","status":"voting","voting_start_time":"t","voting_end_time":"t","tally":{"yes":"1","no":"1","abstain":"1","no_with_veto":"0"}}]"#,
        ),
        (
            "governance_getProposalVotes",
            json!(["7"]),
            r#"{"yes":"1","no":"1","abstain":"1","no_with_veto":"0"}"#,
        ),
        ("governance_getProposalStatus", json!(["7"]), r#"{"status":"voting"}"#),
        (
            "governance_getVoterVotes",
            json!([VOTER]),
            r#"[{"proposal_id":"7","option":"yes","weight":"1"}]"#,
        ),
    ]
}
