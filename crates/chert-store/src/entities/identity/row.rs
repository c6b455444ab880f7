//! Identities as `SeaORM` sees them.

use sea_orm::entity::prelude::*;

/// A row of `identities`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identities")]
pub struct Model {
    /// 32 bytes.
    #[sea_orm(primary_key, auto_increment = false, column_type = "VarBinary(StringLen::None)")]
    pub identity_id: Vec<u8>,
    /// Up to 64 characters.
    pub display_name: Option<String>,
    /// 32 bytes.
    #[sea_orm(column_type = "VarBinary(StringLen::None)", nullable)]
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
    /// The name folded for comparison.
    pub name_search: Option<String>,
}

/// An identity has wallets.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Its current links.
    #[sea_orm(has_many = "super::link_row::Entity")]
    Links,
}

impl Related<super::link_row::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Links.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
