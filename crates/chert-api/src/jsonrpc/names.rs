//! The methods under all their names (contract §1.5). The one place that knows an alias.

use Method as M;

/// A read, by what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the method of its canonical name in `TABLE`")]
pub enum Method {
    BlockNumber,
    Blocks,
    BlockByNumber,
    BlockByHash,
    Transaction,
    TransactionStatus,
    History,
    Balance,
    Nonce,
    EstimateFee,
    Congestion,
    GasPrice,
    ChainId,
    NetworkId,
    Health,
    Validators,
    ValidatorInfo,
    UserDelegations,
    Rewards,
    Lockbox,
    AutoStake,
    StakingInfo,
    StakingDelegations,
    ListProposals,
    Proposals,
    Proposal,
    ProposalVotes,
    VotingPower,
    Delegations,
    GovernanceInfo,
    Treasury,
    Registry,
    Analytics,
    BlockAnalytics,
    ChainParameters,
    NetworkInfo,
    Nodes,
    NetworkStatus,
    LatestBlock,
    SdkBlock,
    SdkProposals,
    SdkVoterVotes,
    SdkProposalStatus,
    PrivacyInfo,
    PrivacyOperations,
    Tokens,
    Token,
    TokenHolders,
    TokenTransfers,
    ContractCode,
    ContractAbi,
    Events,
    BridgeHistory,
    BridgeStats,
    NullifierSpent,
    PrivateCommitments,
    BridgeTransaction,
    FaucetStatus,
}

/// Canonical name and aliases of every method.
pub const TABLE: [(Method, &str, &[&str]); 58] = [
    (M::BlockNumber, "get_block_number", &["eth_blockNumber", "getBlockNumber"]),
    (M::Blocks, "get_blocks", &["getBlocks"]),
    (M::BlockByNumber, "eth_getBlockByNumber", &["get_block_by_number"]),
    (M::BlockByHash, "get_block_by_hash", &["eth_getBlockByHash"]),
    (M::Transaction, "get_transaction", &["eth_getTransactionByHash", "getTransaction"]),
    (M::TransactionStatus, "get_transaction_status", &["getTransactionStatus"]),
    (
        M::History,
        "get_transaction_history",
        &["getTransactionHistory", "account_getTransactionHistory"],
    ),
    (M::Balance, "get_balance", &["eth_getBalance", "getBalance"]),
    (M::Nonce, "get_account_nonce", &["getAccountNonce"]),
    (M::EstimateFee, "estimate_fee", &["estimateFee"]),
    (M::Congestion, "get_network_congestion", &["getNetworkCongestion"]),
    (M::GasPrice, "get_gas_price", &["eth_gasPrice", "getGasPrice"]),
    (M::ChainId, "get_chain_id", &["eth_chainId", "getChainId"]),
    (M::NetworkId, "get_network_id", &["net_version", "getNetworkId"]),
    (M::Health, "health", &[]),
    (
        M::Validators,
        "staking_get_validators",
        &["staking_getValidators", "stakingGetValidators", "get_validators", "getValidators"],
    ),
    (
        M::ValidatorInfo,
        "get_validator_info",
        &["getValidatorInfo", "validator_info", "getValidator"],
    ),
    (
        M::UserDelegations,
        "staking_get_user_delegations",
        &[
            "staking_getUserDelegations",
            "stakingGetUserDelegations",
            "get_user_delegations",
            "getUserDelegations",
            "getDelegations",
        ],
    ),
    (
        M::Rewards,
        "staking_get_rewards",
        &["staking_getRewards", "stakingGetRewards", "get_staking_rewards", "getStakingRewards"],
    ),
    (
        M::Lockbox,
        "staking_get_lockbox_records",
        &["staking_getLockboxRecords", "stakingGetLockboxRecords", "get_lockbox_records"],
    ),
    (
        M::AutoStake,
        "staking_get_auto_stake_status",
        &["staking_getAutoStakeStatus", "stakingGetAutoStakeStatus", "get_auto_stake_status"],
    ),
    (M::StakingInfo, "get_staking_info", &[]),
    (M::StakingDelegations, "get_staking_delegations", &[]),
    (
        M::ListProposals,
        "governance_list_proposals",
        &["governance_listProposals", "governanceListProposals"],
    ),
    (M::Proposals, "get_proposals", &[]),
    (
        M::Proposal,
        "governance_get_proposal",
        &["governance_getProposal", "governanceGetProposal", "get_proposal"],
    ),
    (
        M::ProposalVotes,
        "governance_get_proposal_votes",
        &["governance_getProposalVotes", "governanceGetProposalVotes", "get_proposal_votes"],
    ),
    (
        M::VotingPower,
        "governance_get_voting_power",
        &["governance_getVotingPower", "governanceGetVotingPower", "get_voting_power"],
    ),
    (
        M::Delegations,
        "governance_get_delegations",
        &["governance_getDelegations", "governanceGetDelegations", "get_delegations"],
    ),
    (M::GovernanceInfo, "get_governance_info", &["governance_getStats"]),
    (M::Treasury, "get_treasury", &[]),
    (M::Registry, "identity_registryUpdates", &[]),
    (M::Analytics, "get_analytics", &[]),
    (M::BlockAnalytics, "get_block_analytics", &[]),
    (M::ChainParameters, "get_chain_parameters", &[]),
    (M::NetworkInfo, "get_network_info", &[]),
    (M::Nodes, "get_nodes", &[]),
    (M::NetworkStatus, "getNetworkStatus", &[]),
    (M::LatestBlock, "getLatestBlock", &[]),
    (M::SdkBlock, "getBlock", &[]),
    (M::SdkProposals, "governance_getProposals", &[]),
    (M::SdkVoterVotes, "governance_getVoterVotes", &[]),
    (M::SdkProposalStatus, "governance_getProposalStatus", &[]),
    (M::PrivacyInfo, "get_privacy_info", &[]),
    (M::PrivacyOperations, "get_privacy_operations", &[]),
    (M::Tokens, "get_tokens", &[]),
    (M::Token, "get_token", &[]),
    (M::TokenHolders, "get_token_holders", &[]),
    (M::TokenTransfers, "get_token_transfers", &[]),
    (M::ContractCode, "get_contract_code", &[]),
    (M::ContractAbi, "get_contract_abi", &[]),
    (M::Events, "get_events", &[]),
    (M::BridgeHistory, "get_bridge_history", &[]),
    (M::BridgeStats, "get_bridge_stats", &[]),
    (M::NullifierSpent, "privacy_is_nullifier_spent", &["privacyIsNullifierSpent"]),
    (M::PrivateCommitments, "privacy_get_private_commitments", &["privacyGetPrivateCommitments"]),
    (M::BridgeTransaction, "privacy_get_bridge_transaction", &["privacyGetBridgeTransaction"]),
    (M::FaucetStatus, "faucet_status", &[]),
];

/// Methods that change something or prepare a change: a node's business.
pub const NOT_HERE: [&str; 24] = [
    "send_transaction",
    "sendTransaction",
    "get_transaction_challenge",
    "getTransactionChallenge",
    "get_nuw_challenge",
    "delegate_tokens",
    "undelegate_tokens",
    "create_lockbox_stake",
    "toggle_auto_staking",
    "claim_staking_rewards",
    "staking_delegate_tokens",
    "staking_undelegate_tokens",
    "staking_create_lockbox_stake",
    "staking_toggle_auto_staking",
    "staking_claim_rewards",
    "governance_cast_vote",
    "governance_castVote",
    "governance_delegate_stake",
    "governance_delegateStake",
    "governance_delegate_voting_power",
    "privacy_submitStealthTransfer",
    "privacy_generateStealthAddress",
    "contracts_deploy",
    "faucet_drip",
];

/// Names that mean another shape to the SDKs, which send positional arrays (contract §11 row 31).
const SDK_SHAPES: [&str; 9] = [
    "getBalance",
    "getTransaction",
    "getValidators",
    "getValidator",
    "getDelegations",
    "getStakingRewards",
    "governance_getProposal",
    "governance_getProposalVotes",
    "governance_getProposals",
];

/// A method found by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    /// The method.
    pub method: Method,
    /// Its canonical name, which metrics and nodes are given.
    pub canonical: &'static str,
    /// In an array, parameters ask for the SDKs' shape.
    pub sdk: bool,
}

/// The method of a name; names compare exactly.
pub(super) fn find(name: &str) -> Option<Named> {
    let row = TABLE.iter().find(|(_, known, aliases)| *known == name || aliases.contains(&name));
    row.map(|(method, canonical, _)| Named {
        method: *method,
        canonical,
        sdk: SDK_SHAPES.contains(&name),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_is_given_twice_and_every_method_has_one() {
        let mut names = HashSet::new();
        let mut methods = HashSet::new();
        for (method, canonical, aliases) in TABLE {
            assert!(methods.insert(method), "{canonical}");
            for name in aliases.iter().chain([&canonical]) {
                assert!(names.insert(*name), "{name}");
                assert_eq!(find(name).unwrap().canonical, canonical);
            }
        }
        assert!(NOT_HERE.iter().all(|name| names.insert(name)));
        assert!(SDK_SHAPES.iter().all(|name| find(name).is_some()));
        assert!(find("GET_BLOCKS").is_none());
    }
}
