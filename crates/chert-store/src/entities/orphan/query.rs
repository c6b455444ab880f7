//! Reads of blocks that a reorganisation removed.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::row::{Column, Entity, Model};
use crate::read::{checkpoint_in, timed};
use crate::{Checkpoint, Store, StoreError};

/// Orphans from the highest down, below (height, hash) where given. Index: `orphans_pkey`.
pub async fn list_orphans(
    store: &Store,
    before: Option<(i64, Vec<u8>)>,
    offset: u32,
    rows: u64,
) -> Result<(Checkpoint, Vec<Model>), StoreError> {
    let mut query = Entity::find();
    if let Some((height, hash)) = before {
        let same = Condition::all().add(Column::Height.eq(height)).add(Column::Hash.lt(hash));
        // The first condition is what the index serves; the second only breaks ties.
        query = query
            .filter(Column::Height.lte(height))
            .filter(Condition::any().add(Column::Height.lt(height)).add(same));
    }
    let query = query
        .order_by_desc(Column::Height)
        .order_by_desc(Column::Hash)
        .offset(u64::from(offset))
        .limit(rows);
    let db = store.snapshot().await?;
    let checkpoint = checkpoint_in(&db).await?;
    let orphans = timed!("list_orphans", query.all(&db)).await?;
    db.commit().await?;
    Ok((checkpoint, orphans))
}
