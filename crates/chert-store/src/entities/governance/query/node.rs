//! Governance and staking as the node's clients ask for them (contract §2.9, §2.10): by address,
//! by offset, in sums. Nothing here names an identity.

use silica_models::AddressKey;
use sqlx::PgExecutor;

use super::power::PowerFigures;
use super::proposal::ProposalRow;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Validators given at most.
pub const VALIDATORS_MAX: i64 = 1_000;
/// Delegations of one address given at most.
pub const DELEGATIONS_MAX: i64 = 500;
/// Proposals over which participation is averaged: the newest.
pub const PARTICIPATION_PROPOSALS_MAX: i64 = 20;

/// A proposal as the node's summaries show it: without identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeProposal {
    /// The node's id.
    pub proposal_id: String,
    /// Who made it.
    pub proposer: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its text.
    pub description: Option<String>,
    /// The node's state, canonical.
    pub state: String,
    /// `pending`, `active`, `passed`, `rejected` or `executed`.
    pub status: String,
    /// Unix seconds.
    pub voting_starts_at: Option<i64>,
    /// Unix seconds.
    pub voting_ends_at: Option<i64>,
    /// Decimal text.
    pub votes_for: String,
    /// Decimal text.
    pub votes_against: String,
    /// Decimal text.
    pub votes_abstain: String,
    /// Unix seconds.
    pub created_at: i64,
}

impl From<ProposalRow> for NodeProposal {
    fn from(row: ProposalRow) -> Self {
        Self {
            proposal_id: row.proposal_id,
            proposer: row.proposer,
            title: row.title,
            description: row.description,
            state: row.state,
            status: row.status,
            voting_starts_at: row.voting_starts_at,
            voting_ends_at: row.voting_ends_at,
            votes_for: row.votes_for,
            votes_against: row.votes_against,
            votes_abstain: row.votes_abstain,
            created_at: row.created_at,
        }
    }
}

/// Which proposals.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProposalFilter<'a> {
    /// Canonical state.
    pub state: Option<&'a str>,
    /// What clients are told.
    pub status: Option<&'a str>,
    /// Who made them.
    pub proposer: Option<AddressKey>,
}

/// Proposals from the newest down that pass a filter, after skipping `offset`.
///
/// Index: `proposals_created`; proposals that do not pass are read past (the feed takes in 100 000
/// at most).
pub async fn list_node_proposals(
    db: impl PgExecutor<'_>,
    filter: ProposalFilter<'_>,
    offset: u32,
    rows: i64,
) -> Result<(Checkpoint, Vec<NodeProposal>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  p.proposal_id AS "proposal_id?", p.proposer, p.title, p.description,
                  p.state AS "state?", p.status AS "status?", p.voting_starts_at,
                  p.voting_ends_at, p.votes_for::text AS votes_for,
                  p.votes_against::text AS votes_against, p.votes_abstain::text AS votes_abstain,
                  p.created_at AS "created_at?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM proposals
               WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR status = $2)
                 AND ($3::uuid IS NULL OR proposer_key = $3)
               ORDER BY created_at DESC, proposal_id DESC OFFSET $4 LIMIT $5
           ) p ON TRUE
           WHERE c.pipeline = 'chain'"#,
        filter.state,
        filter.status,
        filter.proposer.map(AddressKey::to_uuid),
        i64::from(offset),
        rows
    );
    let found = timed!("list_node_proposals", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(found.first().ok_or_else(no_checkpoint)?);
    let mut proposals = Vec::with_capacity(found.len());
    for row in found {
        let Some(proposal_id) = row.proposal_id else { continue };
        proposals.push(NodeProposal {
            proposal_id,
            proposer: row.proposer,
            title: row.title,
            description: row.description,
            state: present("proposals.state", row.state)?,
            status: present("proposals.status", row.status)?,
            voting_starts_at: row.voting_starts_at,
            voting_ends_at: row.voting_ends_at,
            votes_for: present("proposals.votes_for", row.votes_for)?,
            votes_against: present("proposals.votes_against", row.votes_against)?,
            votes_abstain: present("proposals.votes_abstain", row.votes_abstain)?,
            created_at: present("proposals.created_at", row.created_at)?,
        });
    }
    Ok((checkpoint, proposals))
}

/// What is known of an address's power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPower {
    /// The node's figures; absent until they were read.
    pub figures: Option<PowerFigures>,
    /// When they were read, Unix seconds.
    pub read_at: Option<i64>,
    /// The address took part in something: its figures are worth asking for.
    pub seen: bool,
    /// What it delegated, greatest first; at most [`DELEGATIONS_MAX`].
    pub delegations: Vec<DelegationRow>,
}

impl AddressPower {
    /// Whether figures of a known address are absent or were read before `before_s`.
    pub fn stale(&self, before_s: i64) -> bool {
        self.seen && self.read_at.is_none_or(|read_at| read_at < before_s)
    }
}

/// What one address gave to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationRow {
    /// Who gave.
    pub delegator: String,
    /// Who has it.
    pub delegatee: String,
    /// Base units, decimal text.
    pub amount: String,
    /// Unix seconds.
    pub delegated_at: i64,
}

macro_rules! delegation_row {
    ($row:expr) => {
        DelegationRow {
            delegator: present("delegations.delegator", $row.delegator)?,
            delegatee: present("delegations.delegatee", $row.delegatee)?,
            amount: present("delegations.amount", $row.amount)?,
            delegated_at: present("delegations.delegated_at", $row.delegated_at)?,
        }
    };
}

/// Power and delegations of an address.
/// Indexes: primary keys of `voting_power`, `addresses` and `delegations`.
pub async fn get_address_power(
    db: impl PgExecutor<'_>,
    key: AddressKey,
) -> Result<(Checkpoint, AddressPower), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  p.own::text AS own, p.delegated_in::text AS delegated_in,
                  p.delegated_out::text AS delegated_out, p.total::text AS total,
                  p.read_at AS "read_at?",
                  (NOT c.bulk AND EXISTS (SELECT 1 FROM addresses WHERE address_key = $1)) AS
                  "seen!", d.delegator AS "delegator?", d.delegatee AS "delegatee?",
                  d.amount::text AS amount, d.delegated_at AS "delegated_at?"
           FROM checkpoints c
           LEFT JOIN voting_power p ON p.address_key = $1
           LEFT JOIN LATERAL (
               SELECT * FROM delegations WHERE delegator_key = $1
               ORDER BY amount DESC, delegatee_key LIMIT $2
           ) d ON TRUE
           WHERE c.pipeline = 'chain'"#,
        key.to_uuid(),
        DELEGATIONS_MAX
    );
    let rows = timed!("get_address_power", statement.fetch_all(db)).await?;
    let first = rows.first().ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(first);
    let figures = match &first.own {
        None => None,
        Some(own) => Some(PowerFigures {
            own: own.clone(),
            delegated_in: present("voting_power.delegated_in", first.delegated_in.clone())?,
            delegated_out: present("voting_power.delegated_out", first.delegated_out.clone())?,
            total: present("voting_power.total", first.total.clone())?,
        }),
    };
    let (read_at, seen) = (first.read_at, first.seen);
    let mut delegations = Vec::with_capacity(rows.len());
    for row in rows {
        if row.delegator.is_some() {
            delegations.push(delegation_row!(row));
        }
    }
    Ok((checkpoint, AddressPower { figures, read_at, seen, delegations }))
}

/// The greatest delegations that are known. Index: `delegations_amount`.
pub async fn list_top_delegations(
    db: impl PgExecutor<'_>,
    rows: i64,
) -> Result<(Checkpoint, Vec<DelegationRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  d.delegator AS "delegator?", d.delegatee AS "delegatee?",
                  d.amount::text AS amount, d.delegated_at AS "delegated_at?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM delegations ORDER BY amount DESC, delegator_key, delegatee_key LIMIT $1
           ) d ON TRUE
           WHERE c.pipeline = 'chain'"#,
        rows
    );
    let found = timed!("list_top_delegations", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(found.first().ok_or_else(no_checkpoint)?);
    let mut delegations = Vec::with_capacity(found.len());
    for row in found {
        if row.delegator.is_some() {
            delegations.push(delegation_row!(row));
        }
    }
    Ok((checkpoint, delegations))
}
