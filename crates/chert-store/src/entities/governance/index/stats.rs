//! Who votes and proposals belong to, and the figures of the identities that this changes.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::definition::stats_sql;
use super::power::queue_powers;
use crate::StoreError;
use crate::entities::event::NewEvent;
use crate::feeds::{Feed, lock_feed};

/// What a transaction changed, and therefore has to compute again before it commits.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Identities whose figures may be others now.
    pub identities: BTreeSet<Vec<u8>>,
    /// Proposals with other votes than before.
    pub proposals: BTreeSet<String>,
    /// Wallets that voted.
    pub voters: BTreeSet<Uuid>,
    /// Something is stored that was not.
    pub changed: bool,
    /// What the event log has to tell, in order.
    pub events: Vec<NewEvent>,
}

/// Moves the votes and proposals of these wallets to the identities that held them at the time,
/// has the powers of the linked ones read, and computes the figures of every identity touched.
///
/// Called in the transaction that changed link intervals, with the wallets whose intervals changed
/// and the identities that had or have them: after a reorganisation nothing else names those.
pub(crate) async fn reattribute(
    db: &mut PgConnection,
    wallets: &[Uuid],
    identities: &[Vec<u8>],
    now_s: i64,
) -> Result<(), StoreError> {
    // What a commit of the governance feed attributes meanwhile would be lost on both.
    lock_feed(db, Feed::Governance).await?;
    let mut touched: BTreeSet<Vec<u8>> = identities.iter().cloned().collect();
    touched.extend(move_votes(db, wallets).await?);
    touched.extend(move_proposals(db, wallets).await?);
    touched.extend(holders(db, wallets).await?);
    queue_powers(db, wallets, now_s).await?;
    refresh_stats(db, &touched, now_s).await
}

/// Gives the identities that votes left or came to. Index: `votes_voter_key`.
async fn move_votes(db: &mut PgConnection, wallets: &[Uuid]) -> Result<Vec<Vec<u8>>, StoreError> {
    let moved = sqlx::query_scalar!(
        r#"WITH held AS (
               SELECT proposal_id, voter_key, voter_identity AS before,
                      chert_identity_at(voter_key, cast_at) AS after
               FROM votes WHERE voter_key = ANY($1)),
           moved AS (
               UPDATE votes v SET voter_identity = h.after FROM held h
               WHERE v.proposal_id = h.proposal_id AND v.voter_key = h.voter_key
                 AND h.before IS DISTINCT FROM h.after
               RETURNING h.before, h.after)
           SELECT DISTINCT i.id AS "id!"
           FROM moved CROSS JOIN LATERAL (VALUES (before), (after)) i(id)
           WHERE i.id IS NOT NULL"#,
        wallets
    )
    .fetch_all(db)
    .await?;
    Ok(moved)
}

/// The same for proposals. Index: `proposals_proposer_key`.
async fn move_proposals(
    db: &mut PgConnection,
    wallets: &[Uuid],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let moved = sqlx::query_scalar!(
        r#"WITH held AS (
               SELECT proposal_id, proposer_identity AS before,
                      chert_identity_at(proposer_key, created_at) AS after
               FROM proposals WHERE proposer_key = ANY($1)),
           moved AS (
               UPDATE proposals p SET proposer_identity = h.after FROM held h
               WHERE p.proposal_id = h.proposal_id AND h.before IS DISTINCT FROM h.after
               RETURNING h.before, h.after)
           SELECT DISTINCT i.id AS "id!"
           FROM moved CROSS JOIN LATERAL (VALUES (before), (after)) i(id)
           WHERE i.id IS NOT NULL"#,
        wallets
    )
    .fetch_all(db)
    .await?;
    Ok(moved)
}

/// Identities that hold a wallet now. Index: `wallet_links_key`.
pub(super) async fn holders(
    db: &mut PgConnection,
    wallets: &[Uuid],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let identities = sqlx::query_scalar!(
        "SELECT DISTINCT identity_id FROM wallet_links WHERE wallet_key = ANY($1)",
        wallets
    )
    .fetch_all(db)
    .await?;
    Ok(identities)
}

/// Takes away the figures of identities that have none any more.
const CLEAR_STATS: &str = concat!(
    "DELETE FROM governance_stats s WHERE s.identity_id = ANY($1) AND NOT EXISTS (
         SELECT 1 FROM (",
    stats_sql!(" AND i.identity_id = ANY($1)"),
    ") f WHERE f.identity_id = s.identity_id)"
);

/// Writes the figures of identities; a row that says the same stays as it is.
const WRITE_STATS: &str = concat!(
    "INSERT INTO governance_stats AS s (identity_id, proposals_created, votes_cast,
         current_voting_power, delegation_received, delegated_out, last_vote_at,
         participation_rate, updated_at)
     SELECT f.*, CASE WHEN e.eligible > 0
                      THEN LEAST(1, round(f.votes_cast::numeric / e.eligible, 4)) END, $2
     FROM (",
    stats_sql!(" AND i.identity_id = ANY($1)"),
    ") f
     JOIN identities i ON i.identity_id = f.identity_id
     CROSS JOIN LATERAL (
         SELECT count(*) AS eligible FROM proposals p JOIN checkpoints c ON c.pipeline = 'chain'
         WHERE p.voting_starts_at BETWEEN i.created_at AND c.tip_time_ms / 1000) e
     ON CONFLICT (identity_id) DO UPDATE SET
         proposals_created = EXCLUDED.proposals_created, votes_cast = EXCLUDED.votes_cast,
         current_voting_power = EXCLUDED.current_voting_power,
         delegation_received = EXCLUDED.delegation_received,
         delegated_out = EXCLUDED.delegated_out, last_vote_at = EXCLUDED.last_vote_at,
         participation_rate = EXCLUDED.participation_rate, updated_at = EXCLUDED.updated_at
     WHERE (s.proposals_created, s.votes_cast, s.current_voting_power, s.delegation_received,
            s.delegated_out, s.last_vote_at)
         IS DISTINCT FROM (EXCLUDED.proposals_created, EXCLUDED.votes_cast,
            EXCLUDED.current_voting_power, EXCLUDED.delegation_received,
            EXCLUDED.delegated_out, EXCLUDED.last_vote_at)"
);

/// Computes the figures of identities anew.
pub(super) async fn refresh_stats(
    db: &mut PgConnection,
    identities: &BTreeSet<Vec<u8>>,
    now_s: i64,
) -> Result<(), StoreError> {
    if identities.is_empty() {
        return Ok(());
    }
    let ids: Vec<&[u8]> = identities.iter().map(Vec::as_slice).collect();
    sqlx::query(CLEAR_STATS).bind(&ids).execute(&mut *db).await?;
    sqlx::query(WRITE_STATS).bind(&ids).bind(now_s).execute(&mut *db).await?;
    Ok(())
}
