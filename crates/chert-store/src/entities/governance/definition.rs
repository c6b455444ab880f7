//! What governance's derived tables are, as queries over its base tables: the definition that
//! commits must equal. Used to write a part, to compare everything, and to rebuild.

use sqlx::PgConnection;

use crate::StoreError;

/// Figures of the identities that have any, but for `participation_rate` and `updated_at`, which
/// say when they were computed. A wallet counts once, in however many spellings it is linked.
///
/// The argument narrows the identities `i`. Indexes: `proposals_proposer_identity`,
/// `votes_identity`, primary keys of `wallet_links` and `voting_power`.
macro_rules! stats_sql {
    ($narrowed:literal) => {
        concat!(
            "SELECT i.identity_id, p.proposals AS proposals_created, v.votes AS votes_cast,
                    COALESCE(w.total, 0) AS current_voting_power,
                    COALESCE(w.delegated_in, 0) AS delegation_received,
                    COALESCE(w.delegated_out, 0) AS delegated_out, v.last AS last_vote_at
             FROM identities i
             CROSS JOIN LATERAL (SELECT count(*) AS proposals FROM proposals
                                 WHERE proposer_identity = i.identity_id) p
             CROSS JOIN LATERAL (SELECT count(*) AS votes, max(cast_at) AS last FROM votes
                                 WHERE voter_identity = i.identity_id) v
             CROSS JOIN LATERAL (
                 SELECT count(*) AS readings, sum(r.total) AS total,
                        sum(r.delegated_in) AS delegated_in, sum(r.delegated_out) AS delegated_out
                 FROM (SELECT DISTINCT wallet_key FROM wallet_links
                       WHERE identity_id = i.identity_id) l
                 JOIN voting_power r ON r.address_key = l.wallet_key) w
             WHERE p.proposals + v.votes + w.readings > 0",
            $narrowed
        )
    };
}
pub(super) use stats_sql;

/// Sums of the votes of a proposal by choice.
macro_rules! tallies_sql {
    ($narrowed:literal) => {
        concat!(
            "SELECT proposal_id, vote_choice, count(*) AS voters, sum(vote_power) AS power
             FROM votes ",
            $narrowed,
            " GROUP BY proposal_id, vote_choice"
        )
    };
}
pub(super) use tallies_sql;

/// What each UTC hour of votes added.
macro_rules! hourly_sql {
    ($narrowed:literal) => {
        concat!(
            "SELECT proposal_id, cast_at / 3600 AS hour,
                    COALESCE(sum(vote_power) FILTER (WHERE vote_choice = 1), 0) AS power_for,
                    COALESCE(sum(vote_power) FILTER (WHERE vote_choice = 0), 0) AS power_against,
                    COALESCE(sum(vote_power) FILTER (WHERE vote_choice = 2), 0) AS power_abstain
             FROM votes ",
            $narrowed,
            " GROUP BY proposal_id, cast_at / 3600"
        )
    };
}
pub(super) use hourly_sql;

/// Counts the rows in which a query over a derived table and its definition differ.
macro_rules! differing {
    ($stored:expr, $fresh:expr) => {
        concat!(
            "WITH stored AS MATERIALIZED (",
            $stored,
            "), fresh AS MATERIALIZED (",
            $fresh,
            ") SELECT count(*) FROM (
                 (SELECT * FROM fresh EXCEPT ALL SELECT * FROM stored)
                 UNION ALL
                 (SELECT * FROM stored EXCEPT ALL SELECT * FROM fresh)) d"
        )
    };
}

/// A derived table, or column, and the query that counts its differing rows.
const DIFFERING: [(&str, &str); 5] = [
    (
        "proposals.proposer_identity",
        "SELECT count(*) FROM proposals
         WHERE proposer_identity IS DISTINCT FROM chert_identity_at(proposer_key, created_at)",
    ),
    (
        "votes.voter_identity",
        "SELECT count(*) FROM votes
         WHERE voter_identity IS DISTINCT FROM chert_identity_at(voter_key, cast_at)",
    ),
    ("proposal_tallies", differing!("SELECT * FROM proposal_tallies", tallies_sql!(""))),
    ("proposal_tally_hourly", differing!("SELECT * FROM proposal_tally_hourly", hourly_sql!(""))),
    (
        "governance_stats",
        differing!(
            "SELECT identity_id, proposals_created, votes_cast, current_voting_power,
                    delegation_received, delegated_out, last_vote_at FROM governance_stats",
            stats_sql!("")
        ),
    ),
];

/// What a rebuild runs, in the order in which one depends on another.
const REBUILD: [&str; 8] = [
    "UPDATE proposals SET proposer_identity = chert_identity_at(proposer_key, created_at)
     WHERE proposer_identity IS DISTINCT FROM chert_identity_at(proposer_key, created_at)",
    "UPDATE votes SET voter_identity = chert_identity_at(voter_key, cast_at)
     WHERE voter_identity IS DISTINCT FROM chert_identity_at(voter_key, cast_at)",
    "DELETE FROM proposal_tallies",
    concat!("INSERT INTO proposal_tallies ", tallies_sql!("")),
    "DELETE FROM proposal_tally_hourly",
    concat!("INSERT INTO proposal_tally_hourly ", hourly_sql!("")),
    "DELETE FROM governance_stats",
    concat!(
        "INSERT INTO governance_stats (identity_id, proposals_created, votes_cast,
             current_voting_power, delegation_received, delegated_out, last_vote_at, updated_at)
         SELECT f.*, c.tip_time_ms / 1000 FROM checkpoints c CROSS JOIN (",
        stats_sql!(""),
        ") f WHERE c.pipeline = 'chain'"
    ),
];

/// Fills every derived table and column of governance from its base tables. Identities and their
/// links must be in order already.
pub(crate) async fn rebuild(db: &mut PgConnection) -> Result<(), StoreError> {
    for statement in REBUILD {
        sqlx::query(statement).execute(&mut *db).await?;
    }
    Ok(())
}

/// Rows of each derived table that differ from a rebuild, for the tables where some do.
pub(crate) async fn differing_rows(
    db: &mut PgConnection,
) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut found = Vec::new();
    for (table, differing) in DIFFERING {
        let rows: i64 = sqlx::query_scalar(differing).fetch_one(&mut *db).await?;
        if rows > 0 {
            found.push((table, rows));
        }
    }
    Ok(found)
}
