//! Reads of identities and their wallets.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use silica_models::{AddressKey, IdentityId};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{link_row, row};
use crate::read::{checkpoint_in, checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, Store, StoreError};

/// An identity as the registry has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileRow {
    /// 32 bytes.
    pub identity_id: Vec<u8>,
    /// Up to 64 characters.
    pub display_name: Option<String>,
    /// 32 bytes.
    pub avatar_hash: Option<Vec<u8>>,
    /// Up to 280 characters.
    pub bio: Option<String>,
    /// `public`, `friends_only` or `private`.
    pub stats_visibility: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// The registry's count of versions.
    pub profile_version: i64,
    /// Block of the current version.
    pub last_synced_block: i64,
    /// Linked wallets.
    pub wallet_count: i32,
    /// Identities that follow it.
    pub followers_count: i64,
    /// Identities it follows.
    pub following_count: i64,
}

/// The current profile of an identity. Indexes: `identities_pkey`; the counts walk
/// `social_connections_following` and the primary key of `social_connections`.
pub async fn find_profile(
    db: impl PgExecutor<'_>,
    id: &IdentityId,
) -> Result<(Checkpoint, Option<ProfileRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  i.identity_id AS "identity_id?", i.display_name, i.avatar_hash, i.bio,
                  i.stats_visibility AS "stats_visibility?", i.created_at AS "created_at?",
                  i.updated_at AS "updated_at?", i.profile_version AS "profile_version?",
                  i.last_synced_block AS "last_synced_block?", i.wallet_count AS "wallet_count?",
                  (SELECT count(*) FROM social_connections s
                   WHERE s.following_id = i.identity_id) AS "followers_count!",
                  (SELECT count(*) FROM social_connections s
                   WHERE s.follower_id = i.identity_id) AS "following_count!"
           FROM checkpoints c LEFT JOIN identities i ON i.identity_id = $1
           WHERE c.pipeline = 'chain'"#,
        id.as_bytes()
    );
    let row = timed!("find_profile", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    let Some(identity_id) = row.identity_id else { return Ok((checkpoint, None)) };
    let profile = ProfileRow {
        identity_id,
        display_name: row.display_name,
        avatar_hash: row.avatar_hash,
        bio: row.bio,
        stats_visibility: present("identities.stats_visibility", row.stats_visibility)?,
        created_at: present("identities.created_at", row.created_at)?,
        updated_at: present("identities.updated_at", row.updated_at)?,
        profile_version: present("identities.profile_version", row.profile_version)?,
        last_synced_block: present("identities.last_synced_block", row.last_synced_block)?,
        wallet_count: present("identities.wallet_count", row.wallet_count)?,
        followers_count: row.followers_count,
        following_count: row.following_count,
    };
    Ok((checkpoint, Some(profile)))
}

/// Current links of an identity, newest first and then by key, after (`created_at`, key) where
/// given; `None` where there is no such identity.
///
/// Indexes: `identities_pkey`, `wallet_links_pkey`; an identity has 32 links at most.
pub async fn list_wallets(
    store: &Store,
    id: &IdentityId,
    after: Option<(i64, Uuid)>,
    offset: u32,
    rows: u64,
) -> Result<(Checkpoint, Option<Vec<link_row::Model>>), StoreError> {
    let mut query = link_row::Entity::find().filter(link_row::Column::IdentityId.eq(id.as_bytes()));
    if let Some((created_at, key)) = after {
        let same = Condition::all()
            .add(link_row::Column::CreatedAt.eq(created_at))
            .add(link_row::Column::WalletKey.lt(key));
        let older = link_row::Column::CreatedAt.lt(created_at);
        query = query.filter(Condition::any().add(older).add(same));
    }
    let query = query
        .order_by_desc(link_row::Column::CreatedAt)
        .order_by_desc(link_row::Column::WalletKey)
        .offset(u64::from(offset))
        .limit(rows);
    let db = store.snapshot().await?;
    let checkpoint = checkpoint_in(&db).await?;
    let identity = row::Entity::find_by_id(id.as_bytes().to_vec());
    let wallets = match timed!("find_identity", identity.one(&db)).await? {
        Some(_) => Some(timed!("list_wallets", query.all(&db)).await?),
        None => None,
    };
    db.commit().await?;
    Ok((checkpoint, wallets))
}

/// A wallet and whether an identity links it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// The registry's spelling.
    pub wallet_address: String,
    /// The proof as the registry holds it.
    pub proof_signature: Vec<u8>,
    /// When the node verified it, Unix seconds.
    pub verified_at: Option<i64>,
    /// Block of the link's last change.
    pub last_synced_block: i64,
}

/// An identity's link of one wallet; the outer option tells whether there is such an identity.
/// Indexes: `identities_pkey`, `wallet_links_key`.
pub async fn find_link(
    db: impl PgExecutor<'_>,
    id: &IdentityId,
    wallet: AddressKey,
) -> Result<(Checkpoint, Option<Option<LinkState>>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  i.identity_id IS NOT NULL AS "known!",
                  l.wallet_address AS "wallet_address?", l.proof_signature AS "proof_signature?",
                  l.verified_at, l.last_synced_block AS "last_synced_block?"
           FROM checkpoints c
           LEFT JOIN identities i ON i.identity_id = $1
           LEFT JOIN wallet_links l ON l.wallet_key = $2 AND l.identity_id = i.identity_id
           WHERE c.pipeline = 'chain'"#,
        id.as_bytes(),
        wallet.to_uuid()
    );
    let row = timed!("find_link", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    let link = match row.wallet_address {
        None => None,
        Some(wallet_address) => Some(LinkState {
            wallet_address,
            proof_signature: present("wallet_links.proof_signature", row.proof_signature)?,
            verified_at: row.verified_at,
            last_synced_block: present("wallet_links.last_synced_block", row.last_synced_block)?,
        }),
    };
    Ok((checkpoint, row.known.then_some(link)))
}
