//! What an identity did in governance.

use silica_models::IdentityId;
use sqlx::PgExecutor;

use crate::privacy::Guarded;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Votes shown with the figures of an identity: the latest. Stands in the SQL as a constant.
pub const STATS_VOTES_MAX: i64 = 100;

/// Figures of an identity.
#[derive(Debug, Clone, PartialEq)]
pub struct GovernanceStats {
    /// Proposals made with a wallet it held then.
    pub proposals_created: i64,
    /// Votes cast with a wallet it held then.
    pub votes_cast: i64,
    /// Proposals whose voting started since the identity was made, up to the tip.
    pub eligible_proposals: i64,
    /// Votes cast of those, at most 1, four decimals; absent where there was nothing to vote on.
    pub participation_rate: Option<f64>,
    /// Power of its wallets, base units, decimal text.
    pub current_voting_power: String,
    /// What others delegated to its wallets, decimal text.
    pub delegation_received: String,
    /// What its wallets delegated, decimal text.
    pub delegated_out: String,
    /// Unix seconds.
    pub last_vote_at: Option<i64>,
    /// When a figure last changed, Unix seconds.
    pub updated_at: i64,
    /// The latest votes, at most [`STATS_VOTES_MAX`].
    pub votes: Vec<CastVote>,
}

/// A vote of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastVote {
    /// The proposal.
    pub proposal_id: String,
    /// The wallet that voted.
    pub voter: String,
    /// 0 against, 1 for, 2 abstain.
    pub choice: i16,
    /// Decimal text.
    pub power: String,
    /// Why.
    pub reason: Option<String>,
    /// Unix seconds.
    pub cast_at: i64,
}

/// Figures of an identity with its latest votes.
///
/// Indexes: primary keys of `identities` and `governance_stats`, `votes_identity`,
/// `proposals_starts` (one entry per proposal that started in the identity's time).
pub async fn get_stats(
    db: impl PgExecutor<'_>,
    identity_id: &IdentityId,
) -> Result<(Checkpoint, Guarded<GovernanceStats>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  i.stats_visibility AS "visibility?",
                  COALESCE(s.proposals_created, 0) AS "proposals_created!",
                  COALESCE(s.votes_cast, 0) AS "votes_cast!", e.eligible AS "eligible!",
                  CASE WHEN e.eligible > 0 THEN
                      round(LEAST(1, COALESCE(s.votes_cast, 0)::numeric / e.eligible), 4)::float8
                  END AS participation_rate,
                  COALESCE(s.current_voting_power, 0)::text AS "current_voting_power!",
                  COALESCE(s.delegation_received, 0)::text AS "delegation_received!",
                  COALESCE(s.delegated_out, 0)::text AS "delegated_out!", s.last_vote_at,
                  COALESCE(s.updated_at, i.updated_at, 0) AS "updated_at!",
                  v.proposal_id AS "proposal_id?", v.voter AS "voter?",
                  v.vote_choice AS "choice?", v.vote_power::text AS power, v.reason,
                  v.cast_at AS "cast_at?"
           FROM checkpoints c
           LEFT JOIN identities i ON i.identity_id = $1
           LEFT JOIN governance_stats s ON s.identity_id = i.identity_id
           CROSS JOIN LATERAL (
               SELECT count(*) AS eligible FROM proposals p
               WHERE p.voting_starts_at >= i.created_at
                 AND p.voting_starts_at <= c.tip_time_ms / 1000
           ) e
           LEFT JOIN LATERAL (
               SELECT * FROM votes WHERE voter_identity = i.identity_id
               ORDER BY cast_at DESC, proposal_id DESC LIMIT 100
           ) v ON TRUE
           WHERE c.pipeline = 'chain'"#,
        identity_id.as_bytes()
    );
    let rows = timed!("get_governance_stats", statement.fetch_all(db)).await?;
    let first = rows.first().ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(first);
    let visibility = first.visibility.clone();
    let mut stats = GovernanceStats {
        proposals_created: first.proposals_created,
        votes_cast: first.votes_cast,
        eligible_proposals: first.eligible,
        participation_rate: first.participation_rate,
        current_voting_power: first.current_voting_power.clone(),
        delegation_received: first.delegation_received.clone(),
        delegated_out: first.delegated_out.clone(),
        last_vote_at: first.last_vote_at,
        updated_at: first.updated_at,
        votes: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        let Some(proposal_id) = row.proposal_id else { continue };
        stats.votes.push(CastVote {
            proposal_id,
            voter: present("votes.voter", row.voter)?,
            choice: present("votes.vote_choice", row.choice)?,
            power: present("votes.vote_power", row.power)?,
            reason: row.reason,
            cast_at: present("votes.cast_at", row.cast_at)?,
        });
    }
    Ok((checkpoint, Guarded::new(identity_id, visibility.as_deref(), stats)))
}
