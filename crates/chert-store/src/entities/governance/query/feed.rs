//! What the governance feed has to know of the stored proposals.

use crate::{Store, StoreError};

/// A stored proposal, as far as it tells whether the node's is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownProposal {
    /// The node's id.
    pub proposal_id: String,
    /// Canonical state.
    pub state: String,
    /// The node's tally: for, against, abstain, base units.
    pub tally: [u128; 3],
    /// Unix seconds, where the node says.
    pub updated_at: Option<i64>,
    /// Highest block that its details may speak of; −1 where they are still to be read.
    pub height: i64,
    /// Votes stored.
    pub votes: i64,
}

impl Store {
    /// Stored proposals in the order of their ids, those after `after`; at most `rows_max`.
    /// Indexes: `proposals_pkey`, `proposal_tallies_pkey`.
    pub async fn list_known_proposals(
        &self,
        after: Option<&str>,
        rows_max: i64,
    ) -> Result<Vec<KnownProposal>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT p.proposal_id, p.state, p.votes_for::text AS "votes_for!",
                      p.votes_against::text AS "votes_against!",
                      p.votes_abstain::text AS "votes_abstain!", p.updated_at, p.height,
                      COALESCE((SELECT sum(t.voters) FROM proposal_tallies t
                                WHERE t.proposal_id = p.proposal_id), 0)::bigint AS "votes!"
               FROM proposals p WHERE p.proposal_id > $1 ORDER BY p.proposal_id LIMIT $2"#,
            after.unwrap_or_default(),
            rows_max
        )
        .fetch_all(&self.pool)
        .await?;
        let known = rows.into_iter().map(|row| {
            Ok(KnownProposal {
                tally: [
                    figure(&row.votes_for)?,
                    figure(&row.votes_against)?,
                    figure(&row.votes_abstain)?,
                ],
                proposal_id: row.proposal_id,
                state: row.state,
                updated_at: row.updated_at,
                height: row.height,
                votes: row.votes,
            })
        });
        known.collect()
    }
}

fn figure(text: &str) -> Result<u128, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("a tally is {text}")))
}
