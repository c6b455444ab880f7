//! The methods about identities, governance and staking (§2.9 to §2.11), under all their names
//! (§1.5).

use serde_json::Value;

use super::Node;
use super::params::Params;
use super::rpc::RpcError;
use super::{governance, registry, staking};

/// A method by its canonical name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateMethod {
    RegistryUpdates,
    ListProposals,
    /// Answers the explorer or the wallet, by its parameters.
    Proposals,
    Proposal,
    ProposalVotes,
    VotingPower,
    Delegations,
    GovernanceInfo,
    Treasury,
    Validators,
    UserDelegations,
    Rewards,
    LockboxRecords,
    AutoStakeStatus,
    StakingInfo,
    StakingDelegations,
}

use StateMethod as M;

/// Names, the canonical one first, and the order of positional parameters.
const METHODS: [(StateMethod, &[&str], &[&str]); 16] = [
    (M::RegistryUpdates, &["identity_registryUpdates"], &["from_block", "limit"]),
    (
        M::ListProposals,
        &["governance_list_proposals", "governance_listProposals", "governanceListProposals"],
        &["state", "proposer", "limit", "offset"],
    ),
    (M::Proposals, &["get_proposals"], &["state", "proposer", "limit", "offset"]),
    (
        M::Proposal,
        &[
            "governance_get_proposal",
            "governance_getProposal",
            "governanceGetProposal",
            "get_proposal",
        ],
        &["proposal_id"],
    ),
    (
        M::ProposalVotes,
        &[
            "governance_get_proposal_votes",
            "governance_getProposalVotes",
            "governanceGetProposalVotes",
            "get_proposal_votes",
        ],
        &["proposal_id", "limit", "offset"],
    ),
    (
        M::VotingPower,
        &[
            "governance_get_voting_power",
            "governance_getVotingPower",
            "governanceGetVotingPower",
            "get_voting_power",
        ],
        &["address"],
    ),
    (
        M::Delegations,
        &[
            "governance_get_delegations",
            "governance_getDelegations",
            "governanceGetDelegations",
            "get_delegations",
        ],
        &["address"],
    ),
    (M::GovernanceInfo, &["get_governance_info"], &[]),
    (M::Treasury, &["get_treasury"], &[]),
    (
        M::Validators,
        &[
            "staking_get_validators",
            "staking_getValidators",
            "stakingGetValidators",
            "get_validators",
        ],
        &[],
    ),
    (
        M::UserDelegations,
        &[
            "staking_get_user_delegations",
            "staking_getUserDelegations",
            "stakingGetUserDelegations",
            "get_user_delegations",
            "getUserDelegations",
        ],
        &["address"],
    ),
    (
        M::Rewards,
        &[
            "staking_get_rewards",
            "staking_getRewards",
            "stakingGetRewards",
            "get_staking_rewards",
            "getStakingRewards",
        ],
        &["address"],
    ),
    (
        M::LockboxRecords,
        &[
            "staking_get_lockbox_records",
            "staking_getLockboxRecords",
            "stakingGetLockboxRecords",
            "get_lockbox_records",
        ],
        &["account"],
    ),
    (
        M::AutoStakeStatus,
        &[
            "staking_get_auto_stake_status",
            "staking_getAutoStakeStatus",
            "stakingGetAutoStakeStatus",
            "get_auto_stake_status",
        ],
        &["account"],
    ),
    (M::StakingInfo, &["get_staking_info"], &[]),
    (M::StakingDelegations, &["get_staking_delegations"], &["limit"]),
];

impl StateMethod {
    pub(super) fn find(name: &str) -> Option<StateMethod> {
        METHODS.iter().find(|(_, names, _)| names.contains(&name)).map(|(method, _, _)| *method)
    }

    fn entry(self) -> (&'static [&'static str], &'static [&'static str]) {
        METHODS
            .iter()
            .find(|(method, _, _)| *method == self)
            .map_or((&[], &[]), |(_, names, parameters)| (*names, *parameters))
    }

    pub(super) fn name(self) -> &'static str {
        self.entry().0.first().copied().unwrap_or_default()
    }

    pub(super) fn parameter_names(self) -> &'static [&'static str] {
        self.entry().1
    }

    /// The result, as seen `lag` blocks below the tip.
    pub(super) fn call(self, node: &Node, lag: u64, params: &Params) -> Result<Value, RpcError> {
        let exists = match self {
            M::RegistryUpdates => node.config.identities,
            _ => node.config.governance,
        };
        if !exists {
            return Err(RpcError::method_not_found());
        }
        let chain = &node.chain;
        match self {
            M::RegistryUpdates => registry::updates(node, lag, params),
            M::ListProposals => governance::list_proposals(chain, lag, params),
            M::Proposals => governance::proposals(chain, lag, params),
            M::Proposal => governance::proposal(chain, lag, params),
            M::ProposalVotes => governance::proposal_votes(chain, lag, params),
            M::VotingPower => governance::voting_power(chain, lag, params),
            M::Delegations => governance::delegations(chain, lag, params),
            M::GovernanceInfo => Ok(governance::info(chain, lag)),
            M::Treasury => Ok(governance::treasury()),
            M::Validators => Ok(staking::validators(chain, lag)),
            M::UserDelegations => staking::user_delegations(chain, lag, params),
            M::Rewards => staking::rewards(params),
            M::LockboxRecords => staking::lockbox_records(params),
            M::AutoStakeStatus => staking::auto_stake_status(params),
            M::StakingInfo => Ok(staking::info(chain, lag)),
            M::StakingDelegations => staking::delegations(chain, lag, params),
        }
    }
}
