//! Everything an identity did, in one snapshot.

use silica_models::IdentityId;

use crate::entities::governance::query::{GovernanceStats, get_stats as get_governance_stats};
use crate::entities::pouw_query::stats::{PouwStats, get_stats as get_pouw_stats};
use crate::privacy::Guarded;
use crate::{Checkpoint, Store, StoreError};

/// Useful work as of `now_s` and governance of an identity. Indexes: those of the two.
pub async fn get_identity_figures(
    store: &Store,
    id: &IdentityId,
    now_s: i64,
) -> Result<(Checkpoint, Guarded<(PouwStats, GovernanceStats)>), StoreError> {
    let mut tx = store.begin_snapshot().await?;
    let (checkpoint, pouw) = get_pouw_stats(&mut *tx, id, now_s).await?;
    let (_, governance) = get_governance_stats(&mut *tx, id).await?;
    tx.commit().await?;
    Ok((checkpoint, pouw.zip(governance)))
}
