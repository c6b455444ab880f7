//! Wallet links as `SeaORM` sees them.

use sea_orm::entity::prelude::*;

/// A row of `wallet_links`: a wallet that an identity links now.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wallet_links")]
pub struct Model {
    /// 32 bytes.
    #[sea_orm(primary_key, auto_increment = false, column_type = "VarBinary(StringLen::None)")]
    pub identity_id: Vec<u8>,
    /// The registry's spelling.
    #[sea_orm(primary_key, auto_increment = false)]
    pub wallet_address: String,
    /// Address key.
    pub wallet_key: Uuid,
    /// `main`, `mining`, `staking`, `trading`, `governance`, or another name.
    pub link_type: String,
    /// The proof as the registry holds it.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub proof_signature: Vec<u8>,
    /// Unix seconds.
    pub created_at: i64,
    /// When the node verified it, Unix seconds.
    pub verified_at: Option<i64>,
    /// Block of the link's last change.
    pub last_synced_block: i64,
}

/// A link belongs to an identity.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Its identity.
    #[sea_orm(
        belongs_to = "super::row::Entity",
        from = "Column::IdentityId",
        to = "super::row::Column::IdentityId"
    )]
    Identity,
}

impl Related<super::row::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Identity.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
