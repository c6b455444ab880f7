//! Sums over the votes of a proposal.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::super::definition::{hourly_sql, tallies_sql};
use crate::StoreError;

const STATEMENTS: [&str; 4] = [
    "DELETE FROM proposal_tallies WHERE proposal_id = ANY($1)",
    concat!("INSERT INTO proposal_tallies ", tallies_sql!("WHERE proposal_id = ANY($1)")),
    "DELETE FROM proposal_tally_hourly WHERE proposal_id = ANY($1)",
    concat!("INSERT INTO proposal_tally_hourly ", hourly_sql!("WHERE proposal_id = ANY($1)")),
];

/// Sums the votes of proposals anew; of a proposal that is gone, nothing stays.
pub(super) async fn refresh_tallies(
    db: &mut PgConnection,
    proposals: &BTreeSet<String>,
) -> Result<(), StoreError> {
    if proposals.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = proposals.iter().map(String::as_str).collect();
    for statement in STATEMENTS {
        sqlx::query(statement).bind(&ids).execute(&mut *db).await?;
    }
    Ok(())
}
