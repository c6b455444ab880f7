//! Reads of records that could not be understood.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::row::{Column, Entity, Model};
use crate::read::timed;
use crate::{Store, StoreError};

/// Quarantined records from the newest down, below `before` where given.
/// Index: `quarantine_pkey`.
pub async fn list_quarantined(
    store: &Store,
    before: Option<i64>,
    rows: u64,
) -> Result<Vec<Model>, StoreError> {
    let mut query = Entity::find();
    if let Some(before) = before {
        query = query.filter(Column::Pos.lt(before));
    }
    let db = store.orm();
    timed!("list_quarantined", query.order_by_desc(Column::Pos).limit(rows).all(&db)).await
}
