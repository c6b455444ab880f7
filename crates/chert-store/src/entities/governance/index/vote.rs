//! Votes: what the node lists now replaces what is stored.

use std::collections::BTreeMap;

use silica_models::{AddressKey, Vote};
use sqlx::PgConnection;
use uuid::Uuid;

use super::events::ChangedVote;
use super::stats::Touched;
use super::{clean, time_of};
use crate::StoreError;

/// Complete lists of votes, as one array per column.
#[derive(Debug, Default)]
pub(super) struct VoteColumns {
    listed: Vec<String>,
    proposals: Vec<String>,
    voters: Vec<String>,
    keys: Vec<Uuid>,
    powers: Vec<String>,
    choices: Vec<i16>,
    reasons: Vec<Option<String>>,
    times: Vec<i64>,
}

impl VoteColumns {
    /// Adds all votes of a proposal. Of several by one voter the latest counts.
    pub fn add(&mut self, proposal_id: &str, votes: &[Vote]) {
        let mut latest: BTreeMap<AddressKey, &Vote> = BTreeMap::new();
        for vote in votes {
            let kept = latest.entry(vote.voter.key()).or_insert(vote);
            if vote.cast_at >= kept.cast_at {
                *kept = vote;
            }
        }
        self.listed.push(proposal_id.to_owned());
        for (key, vote) in latest {
            self.proposals.push(proposal_id.to_owned());
            self.voters.push(vote.voter.as_str().to_owned());
            self.keys.push(key.to_uuid());
            self.powers.push(vote.power.to_string());
            self.choices.push(vote.choice.as_i16());
            self.reasons.push(vote.reason.as_deref().map(clean));
            self.times.push(time_of(vote.cast_at));
        }
    }

    /// Makes the stored votes of the proposals added those that were listed.
    pub async fn write(
        &self,
        db: &mut PgConnection,
        height: i64,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        if self.listed.is_empty() {
            return Ok(());
        }
        self.delete_absent(db, touched).await?;
        self.upsert(db, height, touched).await
    }

    async fn delete_absent(
        &self,
        db: &mut PgConnection,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let gone = sqlx::query_as!(
            ChangedVote,
            r#"DELETE FROM votes v
             WHERE v.proposal_id = ANY($1) AND NOT EXISTS (
                 SELECT 1 FROM UNNEST($2::text[], $3::uuid[]) AS n(proposal_id, voter_key)
                 WHERE n.proposal_id = v.proposal_id AND n.voter_key = v.voter_key)
             RETURNING v.proposal_id, v.voter, v.voter_key, v.voter_identity,
                       NULL::bytea AS before, v.vote_power::text AS "power!",
                       v.vote_choice AS choice, v.cast_at, TRUE AS "existed!""#,
            &self.listed,
            &self.proposals,
            &self.keys
        )
        .fetch_all(db)
        .await?;
        note_gone(gone, touched);
        Ok(())
    }

    async fn upsert(
        &self,
        db: &mut PgConnection,
        height: i64,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let changed = sqlx::query_as!(
            ChangedVote,
            r#"WITH new AS (
                   SELECT n.proposal_id, n.voter, n.voter_key, n.power::numeric AS power, n.choice,
                          n.reason, n.cast_at, v.voter_identity AS before,
                          v.proposal_id IS NOT NULL AS existed
                   FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::text[], $5::smallint[],
                               $6::text[], $7::bigint[])
                       AS n(proposal_id, voter, voter_key, power, choice, reason, cast_at)
                   LEFT JOIN votes v
                     ON v.proposal_id = n.proposal_id AND v.voter_key = n.voter_key
                   WHERE v.proposal_id IS NULL
                      OR (v.voter, v.vote_power, v.vote_choice, v.reason, v.cast_at)
                         IS DISTINCT FROM
                         (n.voter, n.power::numeric, n.choice, n.reason, n.cast_at)),
               written AS (
                   INSERT INTO votes AS v (proposal_id, voter, voter_key, voter_identity,
                                           vote_power, vote_choice, reason, cast_at, first_height,
                                           height)
                   SELECT proposal_id, voter, voter_key, chert_identity_at(voter_key, cast_at),
                          power, choice, reason, cast_at, $8, $8 FROM new
                   ON CONFLICT (proposal_id, voter_key) DO UPDATE SET
                       voter = EXCLUDED.voter, voter_identity = EXCLUDED.voter_identity,
                       vote_power = EXCLUDED.vote_power, vote_choice = EXCLUDED.vote_choice,
                       reason = EXCLUDED.reason, cast_at = EXCLUDED.cast_at,
                       height = EXCLUDED.height
                   RETURNING v.proposal_id, v.voter, v.voter_key, v.voter_identity,
                             v.vote_power::text AS power, v.vote_choice AS choice, v.cast_at)
               SELECT w.proposal_id, w.voter, w.voter_key, w.voter_identity, n.before,
                      w.power AS "power!", w.choice, w.cast_at, n.existed AS "existed!"
               FROM written w JOIN new n USING (proposal_id, voter_key)
               ORDER BY w.cast_at, w.proposal_id, w.voter_key"#,
            &self.proposals,
            &self.voters,
            &self.keys,
            &self.powers,
            &self.choices,
            &self.reasons as &[Option<String>],
            &self.times,
            height
        )
        .fetch_all(db)
        .await?;
        touched.voters.extend(changed.iter().map(|vote| vote.voter_key));
        touched.events.extend(changed.iter().map(ChangedVote::cast));
        note(changed, touched);
        Ok(())
    }
}

fn note(votes: Vec<ChangedVote>, touched: &mut Touched) {
    touched.changed |= !votes.is_empty();
    for vote in votes {
        touched.identities.extend(vote.voter_identity);
        touched.identities.extend(vote.before);
        touched.proposals.insert(vote.proposal_id);
    }
}

/// Notes votes that are not there any more.
fn note_gone(votes: Vec<ChangedVote>, touched: &mut Touched) {
    touched.events.extend(votes.iter().map(ChangedVote::retracted));
    note(votes, touched);
}

/// Deletes all votes of proposals that are about to go themselves.
pub(super) async fn delete_votes_of(
    db: &mut PgConnection,
    proposals: &[String],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let gone = sqlx::query_as!(
        ChangedVote,
        r#"DELETE FROM votes v WHERE v.proposal_id = ANY($1)
           RETURNING v.proposal_id, v.voter, v.voter_key, v.voter_identity,
                     NULL::bytea AS before, v.vote_power::text AS "power!",
                     v.vote_choice AS choice, v.cast_at, TRUE AS "existed!""#,
        proposals
    )
    .fetch_all(db)
    .await?;
    note_gone(gone, touched);
    Ok(())
}

/// Takes back votes first seen above the ancestor, on whatever proposal.
pub(super) async fn unwind_votes(
    db: &mut PgConnection,
    ancestor: i64,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let gone = sqlx::query_as!(
        ChangedVote,
        r#"DELETE FROM votes v WHERE v.first_height > $1 OR v.proposal_id IN (
               SELECT p.proposal_id FROM proposals p WHERE p.first_height > $1)
           RETURNING v.proposal_id, v.voter, v.voter_key, v.voter_identity,
                     NULL::bytea AS before, v.vote_power::text AS "power!",
                     v.vote_choice AS choice, v.cast_at, TRUE AS "existed!""#,
        ancestor
    )
    .fetch_all(&mut *db)
    .await?;
    note_gone(gone, touched);
    sqlx::query!("UPDATE votes SET height = $1 WHERE height > $1", ancestor).execute(db).await?;
    Ok(())
}
