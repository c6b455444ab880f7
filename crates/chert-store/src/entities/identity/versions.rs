//! Versions of registry records as they are stored.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use serde::Serialize;
use silica_models::{Height, IdentityRecord, WalletLink};
use sqlx::PgConnection;
use uuid::Uuid;

use super::derive::{Interval, IntervalFold, LinkPart, VersionPart};
use crate::StoreError;

/// A link as it stands in `identity_versions.links`.
#[derive(Serialize)]
struct StoredLink<'a> {
    address: &'a str,
    key: String,
    #[serde(rename = "type")]
    link_type: &'a str,
    /// Hex.
    proof: String,
    created_at: i64,
    verified_at: Option<i64>,
    height: i64,
}

/// A block number of the node as `BIGINT`.
pub(super) fn height_i64(height: Height) -> i64 {
    i64::try_from(height).unwrap_or(i64::MAX)
}

/// The links as JSON text; a wallet that stands there twice counts once, as it stands first.
pub(super) fn links_json(links: &[WalletLink]) -> Result<String, StoreError> {
    let mut seen = BTreeSet::new();
    let stored: Vec<StoredLink<'_>> = links
        .iter()
        .filter(|link| seen.insert(link.address.key()))
        .map(|link| StoredLink {
            address: link.address.as_str(),
            key: link.address.key().to_uuid().to_string(),
            link_type: &link.link_type,
            proof: hex::encode(&link.proof_signature),
            created_at: link.created_at,
            verified_at: link.verified_at,
            height: height_i64(link.height),
        })
        .collect();
    serde_json::to_string(&stored).map_err(|e| StoreError::Corrupt(e.to_string()))
}

/// Stores versions and gives the identities for which something is new or different.
///
/// The same version twice leaves one row, as it came last.
pub(super) async fn put_versions(
    db: &mut PgConnection,
    records: &[&IdentityRecord],
) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let unique: BTreeMap<_, &IdentityRecord> =
        records.iter().map(|r| ((r.identity_id, r.height, r.profile_version), *r)).collect();
    let rows: Vec<&IdentityRecord> = unique.into_values().collect();
    let ids: Vec<&[u8]> = rows.iter().map(|r| r.identity_id.as_bytes()).collect();
    let heights: Vec<i64> = rows.iter().map(|r| height_i64(r.height)).collect();
    let versions: Vec<i64> = rows.iter().map(|r| i64::from(r.profile_version)).collect();
    let created: Vec<i64> = rows.iter().map(|r| r.created_at).collect();
    let updated: Vec<i64> = rows.iter().map(|r| r.updated_at).collect();
    let names: Vec<Option<&str>> = rows.iter().map(|r| r.display_name.as_deref()).collect();
    let avatars: Vec<Option<&[u8]>> =
        rows.iter().map(|r| r.avatar_hash.as_ref().map(|hash| &hash[..])).collect();
    let bios: Vec<Option<&str>> = rows.iter().map(|r| r.bio.as_deref()).collect();
    let visibilities: Vec<&str> = rows.iter().map(|r| r.visibility.as_str()).collect();
    let links: Vec<String> =
        rows.iter().map(|r| links_json(&r.links)).collect::<Result<_, StoreError>>()?;
    let changed = sqlx::query_scalar!(
        "INSERT INTO identity_versions AS v (identity_id, height, profile_version, created_at,
             updated_at, display_name, avatar_hash, bio, stats_visibility, links)
         SELECT id, height, version, created_at, updated_at, name, avatar, bio, visibility,
                links::jsonb
         FROM UNNEST($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                     $6::text[], $7::bytea[], $8::text[], $9::text[], $10::text[])
             AS t(id, height, version, created_at, updated_at, name, avatar, bio, visibility, links)
         ON CONFLICT (identity_id, height, profile_version) DO UPDATE SET
             created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at,
             display_name = EXCLUDED.display_name, avatar_hash = EXCLUDED.avatar_hash,
             bio = EXCLUDED.bio, stats_visibility = EXCLUDED.stats_visibility,
             links = EXCLUDED.links
         WHERE (v.created_at, v.updated_at, v.display_name, v.avatar_hash, v.bio,
                v.stats_visibility, v.links)
             IS DISTINCT FROM
               (EXCLUDED.created_at, EXCLUDED.updated_at, EXCLUDED.display_name,
                EXCLUDED.avatar_hash, EXCLUDED.bio, EXCLUDED.stats_visibility, EXCLUDED.links)
         RETURNING v.identity_id",
        &ids as &[&[u8]],
        &heights,
        &versions,
        &created,
        &updated,
        &names as &[Option<&str>],
        &avatars as &[Option<&[u8]>],
        &bios as &[Option<&str>],
        &visibilities as &[&str],
        &links
    )
    .fetch_all(db)
    .await?;
    Ok(changed.into_iter().collect())
}

/// Deletes the versions above `ancestor` and gives the identities that had some.
pub(super) async fn delete_versions_above(
    db: &mut PgConnection,
    ancestor: i64,
) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let gone = sqlx::query_scalar!(
        "DELETE FROM identity_versions WHERE height > $1 RETURNING identity_id",
        ancestor
    )
    .fetch_all(db)
    .await?;
    Ok(gone.into_iter().collect())
}

/// The intervals of these identities, derived from all their versions.
///
/// Versions are folded as they arrive and without their proofs, so memory holds intervals only.
/// Index: `identity_versions_pkey`.
pub(super) async fn derive_intervals(
    db: &mut PgConnection,
    ids: &[Vec<u8>],
) -> Result<BTreeMap<Vec<u8>, Vec<Interval>>, StoreError> {
    let mut folds: BTreeMap<Vec<u8>, IntervalFold> = BTreeMap::new();
    let mut rows = sqlx::query!(
        r#"SELECT v.identity_id, v.height, v.created_at, v.updated_at,
                  ARRAY(SELECT (l ->> 'key')::uuid FROM jsonb_array_elements(v.links)
                        WITH ORDINALITY AS e(l, n) ORDER BY n) AS "keys!: Vec<Uuid>",
                  ARRAY(SELECT l ->> 'address' FROM jsonb_array_elements(v.links)
                        WITH ORDINALITY AS e(l, n) ORDER BY n) AS "addresses!: Vec<String>",
                  ARRAY(SELECT (l ->> 'created_at')::bigint FROM jsonb_array_elements(v.links)
                        WITH ORDINALITY AS e(l, n) ORDER BY n) AS "times!: Vec<i64>"
           FROM identity_versions v WHERE v.identity_id = ANY($1)
           ORDER BY v.identity_id, v.height, v.profile_version"#,
        ids
    )
    .fetch(db);
    while let Some(row) = rows.try_next().await? {
        let links = row.keys.into_iter().zip(row.addresses).zip(row.times);
        let version = VersionPart {
            height: row.height,
            created_at: row.created_at,
            updated_at: row.updated_at,
            links: links
                .map(|((key, address), created_at)| LinkPart { key, address, created_at })
                .collect(),
        };
        folds.entry(row.identity_id).or_default().push(version);
    }
    Ok(folds.into_iter().map(|(id, fold)| (id, fold.finish())).collect())
}

/// The intervals of these identities as they are stored. Index: `wallet_link_intervals_pkey`.
pub(super) async fn load_intervals(
    db: &mut PgConnection,
    ids: &[Vec<u8>],
) -> Result<BTreeMap<Vec<u8>, Vec<Interval>>, StoreError> {
    let rows = sqlx::query!(
        "SELECT identity_id, wallet_key, from_height, from_time, to_height, to_time, wallet_address
         FROM wallet_link_intervals WHERE identity_id = ANY($1)
         ORDER BY identity_id, wallet_key, from_height",
        ids
    )
    .fetch_all(db)
    .await?;
    let mut stored: BTreeMap<Vec<u8>, Vec<Interval>> = BTreeMap::new();
    for row in rows {
        stored.entry(row.identity_id).or_default().push(Interval {
            wallet_key: row.wallet_key,
            from_height: row.from_height,
            from_time: row.from_time,
            end: row.to_height.zip(row.to_time),
            wallet_address: row.wallet_address,
        });
    }
    Ok(stored)
}
