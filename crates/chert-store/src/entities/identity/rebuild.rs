//! Profiles and links as queries over the versions: the one definition, used to write them, to
//! compare (`chert verify`) and to repair.

use sqlx::PgConnection;

use super::versions::{derive_intervals, load_intervals};
use super::write::insert_intervals;
use crate::StoreError;

/// Identities that are derived at once when everything is.
const REBUILD_IDENTITIES: i64 = 1_000;

/// A derived table: how to write the rows of some identities, fill all, and count what differs.
pub(super) struct Definition {
    table: &'static str,
    /// `$1`: the ids.
    pub put: &'static str,
    clear: &'static str,
    fill: &'static str,
    differing: &'static str,
}

/// The newest version of each identity that the condition lets through.
macro_rules! newest_sql {
    ($condition:literal) => {
        concat!(
            "SELECT DISTINCT ON (identity_id) * FROM identity_versions ",
            $condition,
            " ORDER BY identity_id, height DESC, profile_version DESC"
        )
    };
}

/// Names are cut to 64 characters after folding (it may lengthen them), so that a place in a
/// search fits into a cursor.
macro_rules! profiles_sql {
    ($condition:literal) => {
        concat!(
            "SELECT n.identity_id, n.display_name, n.avatar_hash, n.bio, n.stats_visibility,
                    n.created_at, n.updated_at, n.profile_version, n.height AS last_synced_block,
                    jsonb_array_length(n.links) AS wallet_count,
                    left(chert_name_fold(n.display_name), 64) AS name_search
             FROM (",
            newest_sql!($condition),
            ") n"
        )
    };
}

macro_rules! links_sql {
    ($condition:literal) => {
        concat!(
            "SELECT n.identity_id, l.address AS wallet_address, l.key AS wallet_key,
                    l.type AS link_type, decode(l.proof, 'hex') AS proof_signature, l.created_at,
                    l.verified_at, l.height AS last_synced_block
             FROM (",
            newest_sql!($condition),
            ") n CROSS JOIN LATERAL jsonb_to_recordset(n.links)
                 AS l(address TEXT, key UUID, type TEXT, proof TEXT, created_at BIGINT,
                      verified_at BIGINT, height BIGINT)"
        )
    };
}

macro_rules! definition {
    ($table:literal, $columns:literal, $some:expr, $all:expr, $conflict:literal) => {
        Definition {
            table: $table,
            put: concat!("INSERT INTO ", $table, " (", $columns, ") ", $some, " ", $conflict),
            clear: concat!("DELETE FROM ", $table),
            fill: concat!("INSERT INTO ", $table, " (", $columns, ") ", $all, " ", $conflict),
            differing: concat!(
                "WITH fresh AS MATERIALIZED (",
                $all,
                "), kept AS MATERIALIZED (SELECT ",
                $columns,
                " FROM ",
                $table,
                ") SELECT count(*) FROM (
                     (SELECT * FROM fresh EXCEPT ALL SELECT * FROM kept)
                     UNION ALL
                     (SELECT * FROM kept EXCEPT ALL SELECT * FROM fresh)) d"
            ),
        }
    };
}

/// `identities`. Rows are changed in place: follows refer to them.
pub(super) const PROFILES: Definition = definition!(
    "identities",
    "identity_id, display_name, avatar_hash, bio, stats_visibility, created_at, updated_at,
     profile_version, last_synced_block, wallet_count, name_search",
    profiles_sql!("WHERE identity_id = ANY($1)"),
    profiles_sql!(""),
    "ON CONFLICT (identity_id) DO UPDATE SET
         display_name = EXCLUDED.display_name, avatar_hash = EXCLUDED.avatar_hash,
         bio = EXCLUDED.bio, stats_visibility = EXCLUDED.stats_visibility,
         created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at,
         profile_version = EXCLUDED.profile_version,
         last_synced_block = EXCLUDED.last_synced_block, wallet_count = EXCLUDED.wallet_count,
         name_search = EXCLUDED.name_search"
);

/// `wallet_links`.
pub(super) const LINKS: Definition = definition!(
    "wallet_links",
    "identity_id, wallet_address, wallet_key, link_type, proof_signature, created_at, verified_at,
     last_synced_block",
    links_sql!("WHERE identity_id = ANY($1)"),
    links_sql!(""),
    ""
);

const INTERVALS: &str = "wallet_link_intervals";

/// The next ids after `after` among the versions and the stored intervals. Indexes: both primary
/// keys.
async fn list_ids(db: &mut PgConnection, after: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT identity_id AS "id!" FROM (
               (SELECT DISTINCT identity_id FROM identity_versions WHERE identity_id > $1
                ORDER BY identity_id LIMIT $2)
               UNION
               (SELECT DISTINCT identity_id FROM wallet_link_intervals WHERE identity_id > $1
                ORDER BY identity_id LIMIT $2)) i
           ORDER BY identity_id LIMIT $2"#,
        after,
        REBUILD_IDENTITIES
    )
    .fetch_all(db)
    .await?;
    Ok(ids)
}

/// Fills profiles, links and intervals from the versions.
pub(crate) async fn rebuild_identities(db: &mut PgConnection) -> Result<(), StoreError> {
    // Not emptied: that would delete every follow.
    sqlx::query!(
        "DELETE FROM identities i WHERE NOT EXISTS
             (SELECT 1 FROM identity_versions v WHERE v.identity_id = i.identity_id)"
    )
    .execute(&mut *db)
    .await?;
    sqlx::query(PROFILES.fill).execute(&mut *db).await?;
    sqlx::query(LINKS.clear).execute(&mut *db).await?;
    sqlx::query(LINKS.fill).execute(&mut *db).await?;
    sqlx::query!("DELETE FROM wallet_link_intervals").execute(&mut *db).await?;
    let mut after = Vec::new();
    loop {
        let ids = list_ids(db, &after).await?;
        let Some(last) = ids.last() else { return Ok(()) };
        after.clone_from(last);
        let derived = derive_intervals(db, &ids).await?;
        let rows: Vec<_> = derived
            .iter()
            .flat_map(|(id, intervals)| intervals.iter().map(|i| (id.as_slice(), i.clone())))
            .collect();
        insert_intervals(db, &rows).await?;
    }
}

/// Rows of each derived table that differ from a rebuild, for the tables where some do.
pub(crate) async fn differing_identities(
    db: &mut PgConnection,
) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let mut found = Vec::new();
    for definition in [&PROFILES, &LINKS] {
        let rows: i64 = sqlx::query_scalar(definition.differing).fetch_one(&mut *db).await?;
        if rows > 0 {
            found.push((definition.table, rows));
        }
    }
    let rows = differing_intervals(db).await?;
    if rows > 0 {
        found.push((INTERVALS, rows));
    }
    Ok(found)
}

async fn differing_intervals(db: &mut PgConnection) -> Result<i64, StoreError> {
    let mut differing = 0_i64;
    let mut after = Vec::new();
    loop {
        let ids = list_ids(db, &after).await?;
        let Some(last) = ids.last() else { return Ok(differing) };
        after.clone_from(last);
        let stored = load_intervals(db, &ids).await?;
        let derived = derive_intervals(db, &ids).await?;
        for id in &ids {
            let old = stored.get(id).map_or(&[][..], Vec::as_slice);
            let new = derived.get(id).map_or(&[][..], Vec::as_slice);
            let one_sided = old.iter().filter(|i| !new.contains(i)).count()
                + new.iter().filter(|i| !old.contains(i)).count();
            differing += i64::try_from(one_sided).unwrap_or(i64::MAX);
        }
    }
}
