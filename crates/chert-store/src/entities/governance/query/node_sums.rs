//! Validators and sums of governance, as the node's clients ask for them (contract §2.9, §8.11,
//! §8.12, §8.16).

use silica_models::AddressKey;
use sqlx::PgExecutor;

use super::node::{PARTICIPATION_PROPOSALS_MAX, VALIDATORS_MAX};
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// A validator as the node lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorRow {
    /// Its address.
    pub address: String,
    /// Its key, as the node writes it.
    pub public_key: Option<String>,
    /// Its network key, as the node writes it.
    pub network_key: Option<String>,
    /// Base units, decimal text.
    pub stake: String,
    /// It takes part.
    pub is_active: bool,
    /// Per cent.
    pub commission_rate: Option<i32>,
    /// 0 to 100.
    pub reputation_score: Option<i32>,
    /// When it was seen last, as the node writes it.
    pub last_activity: Option<String>,
    /// Base units, decimal text.
    pub total_delegated: Option<String>,
    /// How many delegate to it.
    pub delegator_count: Option<i64>,
}

/// The node's validators, the greatest stake first; at most [`VALIDATORS_MAX`]. With `only`, that
/// one. Index: none needed (a node lists some hundreds); `validators_pkey` with `only`.
pub async fn list_validators(
    db: impl PgExecutor<'_>,
    only: Option<AddressKey>,
) -> Result<(Checkpoint, Vec<ValidatorRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk, v.address AS "address?",
                  v.public_key, v.network_key, v.stake::text AS stake,
                  v.is_active AS "is_active?", v.commission_rate, v.reputation_score,
                  v.last_activity, v.total_delegated::text AS total_delegated, v.delegator_count
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM validators WHERE $1::uuid IS NULL OR address_key = $1
               ORDER BY validators.stake DESC, validators.address LIMIT $2
           ) v ON TRUE
           WHERE c.pipeline = 'chain'"#,
        only.map(AddressKey::to_uuid),
        VALIDATORS_MAX
    );
    let rows = timed!("list_validators", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut validators = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(address) = row.address else { continue };
        validators.push(ValidatorRow {
            address,
            public_key: row.public_key,
            network_key: row.network_key,
            stake: present("validators.stake", row.stake)?,
            is_active: present("validators.is_active", row.is_active)?,
            commission_rate: row.commission_rate,
            reputation_score: row.reputation_score,
            last_activity: row.last_activity,
            total_delegated: row.total_delegated,
            delegator_count: row.delegator_count,
        });
    }
    Ok((checkpoint, validators))
}

/// Counts over all proposals, and the treasury.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GovernanceSums {
    /// Proposals.
    pub total: i64,
    /// Of these, those that can be voted on or soon can be.
    pub active: i64,
    /// Hundredths of a per cent: power that voted of all stake, averaged over the newest
    /// [`PARTICIPATION_PROPOSALS_MAX`] proposals; 0 where the stake is not known.
    pub participation_bps: i64,
    /// Balance of the treasury's account as last read, base units, decimal text.
    pub treasury: Option<String>,
}

/// Sums over governance; `treasury` is the account whose balance counts as the treasury.
/// Indexes: a scan of `proposals` (100 000 at most), `proposals_created`, `balances_pkey`.
pub async fn get_governance_sums(
    db: impl PgExecutor<'_>,
    treasury: AddressKey,
) -> Result<(Checkpoint, GovernanceSums), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  n.total AS "total!", n.active AS "active!",
                  LEAST(COALESCE(v.power * 10000 / NULLIF(s.stake, 0), 0), 10000)::bigint AS
                  "participation_bps!", b.balance::text AS treasury
           FROM checkpoints c
           CROSS JOIN LATERAL (
               SELECT count(*) AS total,
                      count(*) FILTER (WHERE status IN ('active', 'pending')) AS active
               FROM proposals
           ) n
           CROSS JOIN LATERAL (
               SELECT avg(votes_for + votes_against + votes_abstain) AS power
               FROM (SELECT * FROM proposals WHERE status <> 'pending'
                     ORDER BY created_at DESC, proposal_id DESC LIMIT $2) newest
           ) v
           CROSS JOIN LATERAL (SELECT sum(stake) AS stake FROM validators) s
           LEFT JOIN balances b ON b.address_key = $1
           WHERE c.pipeline = 'chain'"#,
        treasury.to_uuid(),
        PARTICIPATION_PROPOSALS_MAX
    );
    let row = timed!("get_governance_sums", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    let sums = GovernanceSums {
        total: row.total,
        active: row.active,
        participation_bps: row.participation_bps,
        treasury: row.treasury,
    };
    Ok((checkpoint, sums))
}

/// A vote of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterVote {
    /// The proposal.
    pub proposal_id: String,
    /// 0 against, 1 for, 2 abstain.
    pub choice: i16,
    /// Decimal text.
    pub power: String,
    /// Why.
    pub reason: Option<String>,
    /// Unix seconds.
    pub cast_at: i64,
}

/// Votes of an address from the latest down. Index: `votes_voter_key`.
pub async fn list_votes_of(
    db: impl PgExecutor<'_>,
    voter: AddressKey,
    rows: i64,
) -> Result<(Checkpoint, Vec<VoterVote>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  v.proposal_id AS "proposal_id?", v.vote_choice AS "choice?",
                  v.vote_power::text AS power, v.reason, v.cast_at AS "cast_at?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM votes WHERE voter_key = $1 ORDER BY cast_at DESC LIMIT $2
           ) v ON TRUE
           WHERE c.pipeline = 'chain'"#,
        voter.to_uuid(),
        rows
    );
    let found = timed!("list_votes_of", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(found.first().ok_or_else(no_checkpoint)?);
    let mut votes = Vec::with_capacity(found.len());
    for row in found {
        let Some(proposal_id) = row.proposal_id else { continue };
        votes.push(VoterVote {
            proposal_id,
            choice: present("votes.vote_choice", row.choice)?,
            power: present("votes.vote_power", row.power)?,
            reason: row.reason,
            cast_at: present("votes.cast_at", row.cast_at)?,
        });
    }
    Ok((checkpoint, votes))
}
