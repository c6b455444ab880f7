//! Proposals: the node's word, and what we saw them do.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::events::ToldProposal;
use super::stats::Touched;
use super::vote::delete_votes_of;
use super::{ProposalReading, clean, time_of};
use crate::StoreError;

/// Proposals written in one statement: descriptions are long.
const PROPOSALS_AT_ONCE: usize = 500;

/// A proposal as the statement takes it.
#[derive(Debug, Serialize)]
struct NewProposal {
    proposal_id: String,
    proposer: Option<String>,
    proposer_key: Option<Uuid>,
    proposal_type: Option<String>,
    title: Option<String>,
    description: Option<String>,
    state: String,
    status: &'static str,
    voting_starts_at: Option<i64>,
    voting_ends_at: Option<i64>,
    votes_for: String,
    votes_against: String,
    votes_abstain: String,
    created_at: i64,
    executed_at: Option<i64>,
    updated_at: Option<i64>,
    targets: Vec<String>,
    payments: Vec<String>,
    calldatas: Vec<String>,
    detailed: bool,
    voted: bool,
}

impl NewProposal {
    fn new(reading: &ProposalReading) -> Self {
        let proposal = &reading.proposal;
        let texts = |list: &[String]| list.iter().map(|text| clean(text)).collect();
        Self {
            proposal_id: proposal.proposal_id.clone(),
            proposer: proposal.proposer.as_ref().map(|a| a.as_str().to_owned()),
            proposer_key: proposal.proposer.as_ref().map(|a| a.key().to_uuid()),
            proposal_type: proposal.proposal_type.as_deref().map(clean),
            title: proposal.title.as_deref().map(clean),
            description: proposal.description.as_deref().map(clean),
            state: clean(proposal.state.as_str()),
            status: proposal.state.status(),
            voting_starts_at: proposal.voting_starts_at.map(time_of),
            voting_ends_at: proposal.voting_ends_at.map(time_of),
            votes_for: proposal.votes_for.to_string(),
            votes_against: proposal.votes_against.to_string(),
            votes_abstain: proposal.votes_abstain.to_string(),
            created_at: time_of(proposal.created_at),
            executed_at: proposal.executed_at.map(time_of),
            updated_at: proposal.updated_at.map(time_of),
            targets: texts(&proposal.targets),
            payments: texts(&proposal.values),
            calldatas: texts(&proposal.calldatas),
            detailed: reading.details,
            voted: reading.votes.is_some(),
        }
    }
}

/// Where readings stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Height under which they were read.
    pub(super) height: i64,
    /// Highest block that they may speak of.
    pub(super) spoken_to: i64,
    /// Time of the block at `height`, Unix seconds.
    pub(super) at_s: i64,
}

/// Writes proposals, and a transition for each whose state is another than before.
///
/// What only the details of a proposal hold stays where a reading is of its summary.
pub(super) async fn write_proposals(
    db: &mut PgConnection,
    readings: &[&ProposalReading],
    place: Place,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    for part in readings.chunks(PROPOSALS_AT_ONCE) {
        let rows: Vec<NewProposal> = part.iter().map(|r| NewProposal::new(r)).collect();
        let json = serde_json::to_string(&rows)
            .map_err(|error| StoreError::Batch(format!("proposals: {error}")))?;
        note_transitions(db, &json, place).await?;
        upsert(db, &json, place, touched).await?;
    }
    Ok(())
}

async fn note_transitions(
    db: &mut PgConnection,
    json: &str,
    place: Place,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO proposal_transitions (proposal_id, at, height, from_state, state)
         SELECT n.proposal_id, $3, $2, p.state, n.state
         FROM json_to_recordset($1::text::json) AS n(proposal_id text, state text)
         LEFT JOIN proposals p USING (proposal_id)
         WHERE p.state IS DISTINCT FROM n.state
         ON CONFLICT (proposal_id, height, state) DO NOTHING",
        json,
        place.height,
        place.at_s
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn upsert(
    db: &mut PgConnection,
    json: &str,
    place: Place,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let written = sqlx::query_file!(
        "src/entities/governance/index/upsert_proposals.sql",
        json,
        place.height,
        place.spoken_to
    )
    .fetch_all(db)
    .await?;
    touched.changed |= !written.is_empty();
    for row in written {
        touched.identities.extend(row.proposer_identity.clone());
        touched.identities.extend(row.before);
        if row.state_before.as_ref() == Some(&row.state) {
            continue;
        }
        let told = ToldProposal {
            proposal_id: row.proposal_id,
            title: row.title,
            proposer: row.proposer,
            proposer_key: row.proposer_key,
            proposer_identity: row.proposer_identity,
            from: row.state_before,
            to: Some(row.state),
        };
        touched.events.push(told.event(place.at_s));
    }
    Ok(())
}

/// Deletes the proposals that are not among those the node listed.
pub(super) async fn delete_unlisted(
    db: &mut PgConnection,
    listed: &BTreeSet<&str>,
    at_s: i64,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let listed: Vec<&str> = listed.iter().copied().collect();
    let gone = sqlx::query_scalar!(
        "SELECT p.proposal_id FROM proposals p
         WHERE NOT EXISTS (SELECT 1 FROM UNNEST($1::text[]) AS l(id) WHERE l.id = p.proposal_id)",
        &listed as &[&str]
    )
    .fetch_all(&mut *db)
    .await?;
    delete(db, &gone, at_s, touched).await
}

/// Takes back proposals first seen above the ancestor, a block of the time `at_s`.
pub(super) async fn unwind_proposals(
    db: &mut PgConnection,
    (ancestor, at_s): (i64, i64),
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let gone =
        sqlx::query_scalar!("SELECT proposal_id FROM proposals WHERE first_height > $1", ancestor)
            .fetch_all(&mut *db)
            .await?;
    delete(db, &gone, at_s, touched).await?;
    sqlx::query!("DELETE FROM proposal_transitions WHERE height > $1", ancestor)
        .execute(&mut *db)
        .await?;
    // Their details may be those of the branch that goes.
    sqlx::query!("UPDATE proposals SET height = -1 WHERE height > $1", ancestor)
        .execute(db)
        .await?;
    Ok(())
}

/// Deletes proposals with everything that belongs to them, and notes whose they were.
async fn delete(
    db: &mut PgConnection,
    proposals: &[String],
    at_s: i64,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    if proposals.is_empty() {
        return Ok(());
    }
    delete_votes_of(db, proposals, touched).await?;
    sqlx::query!("DELETE FROM proposal_transitions WHERE proposal_id = ANY($1)", proposals)
        .execute(&mut *db)
        .await?;
    let gone = sqlx::query!(
        "DELETE FROM proposals WHERE proposal_id = ANY($1)
         RETURNING proposal_id, title, proposer, proposer_key, proposer_identity, state",
        proposals
    )
    .fetch_all(db)
    .await?;
    for row in gone {
        touched.identities.extend(row.proposer_identity.clone());
        let told = ToldProposal {
            proposal_id: row.proposal_id.clone(),
            title: row.title,
            proposer: row.proposer,
            proposer_key: row.proposer_key,
            proposer_identity: row.proposer_identity,
            from: Some(row.state),
            to: None,
        };
        touched.events.push(told.event(at_s));
        touched.proposals.insert(row.proposal_id);
    }
    touched.changed = true;
    Ok(())
}
