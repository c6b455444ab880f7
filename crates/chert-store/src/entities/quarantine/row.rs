//! Records that could not be understood, as SeaORM sees them.

use sea_orm::entity::prelude::*;

/// A row of `quarantine`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quarantine")]
pub struct Model {
    /// Place on the chain.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pos: i64,
    /// Why.
    pub reason: String,
    /// The record as it came.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub raw: Vec<u8>,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
