//! Whose wallet an address is now.

use silica_models::{AddressKey, IdentityId};
use sqlx::PgExecutor;

use crate::StoreError;
use crate::read::timed;

/// The identity that links a wallet, where exactly one does. Anybody may link anybody's address;
/// two that do so exclude each other.
///
/// Index: `wallet_links_key`, read at both ends, so that an address which very many identities link
/// costs no more than another.
///
/// # Errors
/// [`StoreError`] where the database did not answer.
pub async fn find_holder(
    db: impl PgExecutor<'_>,
    wallet: AddressKey,
) -> Result<Option<IdentityId>, StoreError> {
    let statement = sqlx::query_scalar!(
        r#"(SELECT identity_id AS "identity_id!" FROM wallet_links
            WHERE wallet_key = $1 ORDER BY identity_id LIMIT 1)
           UNION
           (SELECT identity_id FROM wallet_links
            WHERE wallet_key = $1 ORDER BY identity_id DESC LIMIT 1)"#,
        wallet.to_uuid()
    );
    let holders = timed!("find_holder", statement.fetch_all(db)).await?;
    match holders.as_slice() {
        [only] => Ok(Some(IdentityId::from_slice(only)?)),
        _ => Ok(None),
    }
}
