//! The registry as the node gives it (contract §2.11): current records by the block that changed
//! them.
//!
//! Like profiles and wallets it shows every identity, hidden ones included: the registry is public,
//! what is hidden are figures. Earlier versions are not shown.

use sqlx::PgExecutor;

use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Records of a page at most.
pub const REGISTRY_ROWS_MAX: i64 = 1_024;

/// A current record of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryRow {
    /// 32 bytes.
    pub identity_id: Vec<u8>,
    /// Name.
    pub display_name: Option<String>,
    /// 32 bytes.
    pub avatar_hash: Option<Vec<u8>>,
    /// Text.
    pub bio: Option<String>,
    /// `public`, `friends_only`, `private`.
    pub stats_visibility: String,
    /// JSON text: `[{address, key, type, proof, created_at, verified_at, height}]`.
    pub links: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Block of the change.
    pub height: i64,
    /// Number of the version.
    pub profile_version: i64,
}

/// A page of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryRows {
    /// By block, then by id.
    pub rows: Vec<RegistryRow>,
    /// Everything up to this block is known.
    pub known_height: i64,
}

/// Current records changed in block `from` or later, at most `rows` of them.
/// Indexes: `identity_versions_height`, `identities_pkey` per version; versions that are not current
/// any more are passed over.
pub async fn list_registry(
    db: impl PgExecutor<'_>,
    from: i64,
    rows: i64,
) -> Result<(Checkpoint, RegistryRows), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk, f.height AS known_height,
                  r.identity_id AS "identity_id?", r.display_name, r.avatar_hash, r.bio,
                  r.stats_visibility AS "stats_visibility?", r.links::text AS links,
                  r.created_at AS "created_at?", r.updated_at AS "updated_at?",
                  r.height AS "height?", r.profile_version AS "profile_version?"
           FROM checkpoints c
           JOIN feeds f ON f.feed = 'identity'
           LEFT JOIN LATERAL (
               SELECT v.* FROM identity_versions v
               JOIN identities i ON i.identity_id = v.identity_id
                    AND i.last_synced_block = v.height AND i.profile_version = v.profile_version
               WHERE v.height >= $1 ORDER BY v.height, v.identity_id LIMIT $2
           ) r ON TRUE
           WHERE c.pipeline = 'chain'"#,
        from,
        rows.min(REGISTRY_ROWS_MAX + 1)
    );
    let found = timed!("list_registry", statement.fetch_all(db)).await?;
    let first = found.first().ok_or_else(no_checkpoint)?;
    let (checkpoint, known_height) = (checkpoint_of!(first), first.known_height);
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let Some(identity_id) = row.identity_id else { continue };
        rows.push(RegistryRow {
            identity_id,
            display_name: row.display_name,
            avatar_hash: row.avatar_hash,
            bio: row.bio,
            stats_visibility: present("identity_versions.visibility", row.stats_visibility)?,
            links: present("identity_versions.links", row.links)?,
            created_at: present("identity_versions.created_at", row.created_at)?,
            updated_at: present("identity_versions.updated_at", row.updated_at)?,
            height: present("identity_versions.height", row.height)?,
            profile_version: present("identity_versions.version", row.profile_version)?,
        });
    }
    Ok((checkpoint, RegistryRows { rows, known_height }))
}
