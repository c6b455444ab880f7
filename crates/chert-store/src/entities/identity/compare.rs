//! What is stored against what the node's registry says, for `chert verify`.

use serde::Serialize;
use serde_json::value::RawValue;
use silica_models::{Height, IdentityId, IdentityRecord};

use super::versions::{height_i64, links_json};
use crate::{Store, StoreError};

/// A record as the statement takes it.
#[derive(Serialize)]
struct Given<'a> {
    number: i64,
    id: String,
    height: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
    name: Option<&'a str>,
    avatar: Option<String>,
    bio: Option<&'a str>,
    visibility: &'a str,
    links: Box<RawValue>,
}

fn given(number: usize, record: &IdentityRecord) -> Result<Given<'_>, StoreError> {
    let links = RawValue::from_string(links_json(&record.links)?);
    Ok(Given {
        number: i64::try_from(number).unwrap_or(i64::MAX),
        id: hex::encode(record.identity_id.as_bytes()),
        height: height_i64(record.height),
        version: i64::from(record.profile_version),
        created_at: record.created_at,
        updated_at: record.updated_at,
        name: record.display_name.as_deref(),
        avatar: record.avatar_hash.map(hex::encode),
        bio: record.bio.as_deref(),
        visibility: record.visibility.as_str(),
        links: links.map_err(|e| StoreError::Corrupt(e.to_string()))?,
    })
}

impl Store {
    /// Positions in `records` of those that are not stored as they are. Index:
    /// `identity_versions_pkey`.
    pub async fn find_differing_records(
        &self,
        records: &[IdentityRecord],
    ) -> Result<Vec<usize>, StoreError> {
        let given: Vec<Given<'_>> = records
            .iter()
            .enumerate()
            .map(|(number, record)| given(number, record))
            .collect::<Result<_, _>>()?;
        let json = serde_json::to_string(&given).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let numbers = sqlx::query_scalar!(
            r#"SELECT g.number AS "number!"
               FROM json_to_recordset($1::text::json) AS g(
                   number bigint, id text, height bigint, version bigint, created_at bigint,
                   updated_at bigint, name text, avatar text, bio text, visibility text, links jsonb)
               LEFT JOIN identity_versions v ON v.identity_id = decode(g.id, 'hex')
                   AND v.height = g.height AND v.profile_version = g.version
               WHERE (v.created_at, v.updated_at, v.display_name, v.avatar_hash, v.bio,
                      v.stats_visibility, v.links)
                   IS DISTINCT FROM
                     (g.created_at, g.updated_at, g.name, decode(g.avatar, 'hex'), g.bio,
                      g.visibility, g.links)
               ORDER BY g.number"#,
            json
        )
        .fetch_all(self.pool())
        .await?;
        Ok(numbers.into_iter().filter_map(|number| usize::try_from(number).ok()).collect())
    }

    /// Ids of stored identities known up to block `height`, in order, those after `after`; at most
    /// `rows_max`. Index: `identities_pkey`.
    pub async fn list_identity_ids(
        &self,
        after: Option<&IdentityId>,
        height: Height,
        rows_max: i64,
    ) -> Result<Vec<IdentityId>, StoreError> {
        let after: &[u8] = after.map_or(&[], IdentityId::as_bytes);
        let rows = sqlx::query_scalar!(
            "SELECT identity_id FROM identities WHERE identity_id > $1 AND last_synced_block <= $2
             ORDER BY identity_id LIMIT $3",
            after,
            height_i64(height),
            rows_max
        )
        .fetch_all(self.pool())
        .await?;
        let ids = rows.iter().map(|bytes| {
            IdentityId::from_slice(bytes).map_err(|e| StoreError::Corrupt(e.to_string()))
        });
        ids.collect()
    }
}
