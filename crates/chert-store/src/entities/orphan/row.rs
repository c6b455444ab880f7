//! Blocks that a reorganisation removed, as SeaORM sees them.

use sea_orm::entity::prelude::*;

/// A row of `orphans`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orphans")]
pub struct Model {
    /// Number it had.
    #[sea_orm(primary_key, auto_increment = false)]
    pub height: i64,
    /// Its hash.
    #[sea_orm(primary_key, auto_increment = false, column_type = "VarBinary(StringLen::None)")]
    pub hash: Vec<u8>,
    /// Parent's hash.
    pub parent_hash: Option<Vec<u8>>,
    /// The node's RFC 3339 text.
    pub timestamp: String,
    /// Who made it.
    pub validator_address: Option<String>,
    /// Records in it.
    pub tx_count: i32,
    /// Decimal text.
    #[sea_orm(select_as = "text", save_as = "numeric")]
    pub gas_used: String,
    /// Decimal text.
    #[sea_orm(select_as = "text", save_as = "numeric")]
    pub gas_limit: String,
    /// Base units, decimal text.
    #[sea_orm(select_as = "text", save_as = "numeric")]
    pub total_amount: String,
    /// Unix seconds.
    pub orphaned_at: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
