//! Reads of proposals. Identities appear only where they are public.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use sqlx::PgExecutor;

use super::super::row::{proposal, public_identity, transition};
use crate::read::{checkpoint_in, checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, Store, StoreError};

/// Points of a proposal's timeline at most: the newest.
pub const TIMELINE_POINTS_MAX: i64 = 1_000;
/// Transitions of a proposal shown at most: the newest.
pub const TRANSITIONS_MAX: u64 = 100;

/// A proposal as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalRow {
    /// The node's id.
    pub proposal_id: String,
    /// Who made it.
    pub proposer: Option<String>,
    /// The identity that held the proposer's wallet then, if it is public now.
    pub proposer_identity: Option<Vec<u8>>,
    /// Its kind.
    pub proposal_type: Option<String>,
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
    /// The node's tally, decimal text.
    pub votes_for: String,
    /// The node's tally, decimal text.
    pub votes_against: String,
    /// The node's tally, decimal text.
    pub votes_abstain: String,
    /// Unix seconds.
    pub created_at: i64,
}

/// Sums of the votes for one choice.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct TallyRow {
    /// 0 against, 1 for, 2 abstain.
    pub vote_choice: i16,
    /// Who chose it.
    pub voters: i64,
    /// Their power, decimal text.
    pub power: String,
    /// Ten-thousandths of the power of all votes, rounded down.
    pub share_bps: i64,
}

/// The votes cast by the end of an hour.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct TimelineRow {
    /// Unix seconds / 3600.
    pub hour: i64,
    /// Decimal text.
    pub votes_for: String,
    /// Decimal text.
    pub votes_against: String,
    /// Decimal text.
    pub votes_abstain: String,
}

pub use super::super::row::transition::Model as TransitionRow;

/// A proposal by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalDetail {
    /// As in lists.
    pub proposal: ProposalRow,
    /// Unix seconds.
    pub executed_at: Option<i64>,
    /// Unix seconds.
    pub updated_at: Option<i64>,
    /// Whom it calls: a list of texts.
    pub targets: serde_json::Value,
    /// With how much.
    pub values: serde_json::Value,
    /// With which data.
    pub calldatas: serde_json::Value,
    /// Sums of its votes by choice, for the choices that were made.
    pub tallies: Vec<TallyRow>,
    /// Its votes by hour, oldest first; the newest [`TIMELINE_POINTS_MAX`] hours with votes.
    pub timeline: Vec<TimelineRow>,
    /// What we saw it do, oldest first; the newest [`TRANSITIONS_MAX`].
    pub transitions: Vec<TransitionRow>,
}

macro_rules! proposal_rows {
    ($rows:expr) => {{
        let rows = $rows;
        let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
        let mut proposals = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(proposal_id) = row.proposal_id else { continue };
            proposals.push(ProposalRow {
                proposal_id,
                proposer: row.proposer,
                proposer_identity: row.proposer_identity,
                proposal_type: row.proposal_type,
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
    }};
}

/// Proposals from the newest down, of one status where given, after (created_at, id) where given.
///
/// Indexes: `proposals_created`, with a status `proposals_status_created`; then the primary key of
/// `identities` per row.
pub async fn list_proposals(
    db: impl PgExecutor<'_>,
    status: Option<&str>,
    after: Option<(i64, &str)>,
    rows: i64,
) -> Result<(Checkpoint, Vec<ProposalRow>), StoreError> {
    let (created_at, id) = after.unwrap_or((i64::MAX, ""));
    match status {
        Some(status) => list_of_status(db, status, created_at, id, rows).await,
        None => list_all(db, created_at, id, rows).await,
    }
}

async fn list_all(
    db: impl PgExecutor<'_>,
    created_at: i64,
    id: &str,
    rows: i64,
) -> Result<(Checkpoint, Vec<ProposalRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  p.proposal_id AS "proposal_id?", p.proposer, p.public_proposer AS
                  "proposer_identity?", p.proposal_type, p.title, p.description,
                  p.state AS "state?", p.status AS "status?", p.voting_starts_at,
                  p.voting_ends_at, p.votes_for::text AS votes_for,
                  p.votes_against::text AS votes_against, p.votes_abstain::text AS votes_abstain,
                  p.created_at AS "created_at?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT page.*, (SELECT i.identity_id FROM public_identities i
                               WHERE i.identity_id = page.proposer_identity) AS public_proposer
               FROM (
                   SELECT * FROM proposals WHERE (created_at, proposal_id) < ($1, $2)
                   ORDER BY created_at DESC, proposal_id DESC LIMIT 101
               ) page
               ORDER BY page.created_at DESC, page.proposal_id DESC LIMIT $3
           ) p ON TRUE
           WHERE c.pipeline = 'chain'"#,
        created_at,
        id,
        rows
    );
    proposal_rows!(timed!("list_proposals", statement.fetch_all(db)).await?)
}

/// Compares the status by order rather than by equality: with equality a generic plan may take
/// `proposals_created` and read past any number of proposals of another status.
async fn list_of_status(
    db: impl PgExecutor<'_>,
    status: &str,
    created_at: i64,
    id: &str,
    rows: i64,
) -> Result<(Checkpoint, Vec<ProposalRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  p.proposal_id AS "proposal_id?", p.proposer, p.public_proposer AS
                  "proposer_identity?", p.proposal_type, p.title, p.description,
                  p.state AS "state?", p.status AS "status?", p.voting_starts_at,
                  p.voting_ends_at, p.votes_for::text AS votes_for,
                  p.votes_against::text AS votes_against, p.votes_abstain::text AS votes_abstain,
                  p.created_at AS "created_at?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT page.*, (SELECT i.identity_id FROM public_identities i
                               WHERE i.identity_id = page.proposer_identity) AS public_proposer
               FROM (
                   SELECT * FROM proposals
                   WHERE status >= $1 AND (status, created_at, proposal_id) < ($1, $2, $3)
                   ORDER BY status DESC, created_at DESC, proposal_id DESC LIMIT 101
               ) page
               ORDER BY page.status DESC, page.created_at DESC, page.proposal_id DESC LIMIT $4
           ) p ON TRUE
           WHERE c.pipeline = 'chain'"#,
        status,
        created_at,
        id,
        rows
    );
    proposal_rows!(timed!("list_proposals_of_status", statement.fetch_all(db)).await?)
}

/// Place (created_at, id) of the proposal that `offset` others come before, newest first.
/// Indexes as for [`list_proposals`], at most as many entries as the offset's cap.
pub async fn find_proposal_position(
    db: impl PgExecutor<'_>,
    status: Option<&str>,
    offset: u32,
) -> Result<Option<(i64, String)>, StoreError> {
    let offset = i64::from(offset);
    let Some(status) = status else {
        let statement = sqlx::query!(
            "SELECT created_at, proposal_id FROM proposals
             ORDER BY created_at DESC, proposal_id DESC OFFSET $1 LIMIT 1",
            offset
        );
        let row = timed!("find_proposal_position", statement.fetch_optional(db)).await?;
        return Ok(row.map(|row| (row.created_at, row.proposal_id)));
    };
    let statement = sqlx::query!(
        "SELECT created_at, proposal_id FROM proposals WHERE status BETWEEN $1 AND $1
         ORDER BY status DESC, created_at DESC, proposal_id DESC OFFSET $2 LIMIT 1",
        status,
        offset
    );
    let row = timed!("find_proposal_position", statement.fetch_optional(db)).await?;
    Ok(row.map(|row| (row.created_at, row.proposal_id)))
}

const TALLIES: &str = "
    SELECT vote_choice, voters, power::text AS power,
           COALESCE(floor(power * 10000 / NULLIF(sum(power) OVER (), 0)), 0)::bigint AS share_bps
    FROM proposal_tallies WHERE proposal_id = $1";

const TIMELINE: &str = "
    SELECT hour, (sum(power_for) OVER passed)::text AS votes_for,
           (sum(power_against) OVER passed)::text AS votes_against,
           (sum(power_abstain) OVER passed)::text AS votes_abstain
    FROM proposal_tally_hourly WHERE proposal_id = $1
    WINDOW passed AS (ORDER BY hour) ORDER BY hour DESC LIMIT $2";

/// A proposal with its tallies, its timeline and its transitions, from one snapshot.
/// Indexes: the primary keys of the four tables.
pub async fn find_proposal(
    store: &Store,
    id: &str,
) -> Result<(Checkpoint, Option<ProposalDetail>), StoreError> {
    let db = store.snapshot().await?;
    let checkpoint = checkpoint_in(&db).await?;
    let found = proposal::Entity::find_by_id(id).find_also_related(public_identity::Entity);
    let found = timed!("find_proposal", found.one(&db)).await?;
    let detail = match found {
        Some((proposal, proposer)) => Some(detail_of(&db, proposal, proposer).await?),
        None => None,
    };
    db.commit().await?;
    Ok((checkpoint, detail))
}

async fn detail_of(
    db: &impl ConnectionTrait,
    row: proposal::Model,
    proposer: Option<public_identity::Model>,
) -> Result<ProposalDetail, StoreError> {
    let id = row.proposal_id.as_str();
    let tallies = Statement::from_sql_and_values(DbBackend::Postgres, TALLIES, [id.into()]);
    let tallies = TallyRow::find_by_statement(tallies);
    let tallies = timed!("list_tallies", tallies.all(db)).await?;
    let values = [id.into(), TIMELINE_POINTS_MAX.into()];
    let timeline = Statement::from_sql_and_values(DbBackend::Postgres, TIMELINE, values);
    let timeline = TimelineRow::find_by_statement(timeline);
    let mut timeline = timed!("list_timeline", timeline.all(db)).await?;
    timeline.reverse();
    let transitions = transition::Entity::find()
        .filter(transition::Column::ProposalId.eq(id))
        .order_by_desc(transition::Column::Height)
        .order_by_desc(transition::Column::State)
        .limit(TRANSITIONS_MAX);
    let mut transitions = timed!("list_transitions", transitions.all(db)).await?;
    transitions.reverse();
    Ok(ProposalDetail {
        executed_at: row.executed_at,
        updated_at: row.updated_at,
        tallies,
        timeline,
        transitions,
        targets: row.targets,
        values: row.values,
        calldatas: row.calldatas,
        proposal: ProposalRow {
            proposal_id: row.proposal_id,
            proposer: row.proposer,
            proposer_identity: proposer.map(|identity| identity.identity_id),
            proposal_type: row.proposal_type,
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
        },
    })
}
