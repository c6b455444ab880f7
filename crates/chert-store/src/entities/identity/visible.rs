//! Who shows its figures, where nothing else is read of an identity.

use silica_models::IdentityId;
use sqlx::PgExecutor;

use crate::StoreError;
use crate::privacy::Guarded;
use crate::read::timed;

/// Those of `ids` that show their figures to everybody. Index: `identities_pkey`.
pub async fn list_public(
    db: impl PgExecutor<'_>,
    ids: &[IdentityId],
) -> Result<Vec<IdentityId>, StoreError> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes()).collect();
    let statement = sqlx::query_scalar!(
        r#"SELECT identity_id AS "id!" FROM public_identities WHERE identity_id = ANY($1)"#,
        &ids as &[&[u8]]
    );
    let found = timed!("list_public", statement.fetch_all(db)).await?;
    found.iter().map(|id| Ok(IdentityId::from_slice(id)?)).collect()
}

/// What is to be opened before anything that concerns one identity is read. Index:
/// `identities_pkey`.
pub async fn guard_identity(
    db: impl PgExecutor<'_>,
    id: &IdentityId,
) -> Result<Guarded<()>, StoreError> {
    let statement = sqlx::query_scalar!(
        "SELECT stats_visibility FROM identities WHERE identity_id = $1",
        id.as_bytes()
    );
    let visibility = timed!("guard_identity", statement.fetch_optional(db)).await?;
    Ok(Guarded::new(id, visibility.as_deref(), ()))
}
