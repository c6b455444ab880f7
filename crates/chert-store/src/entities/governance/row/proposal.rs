//! Proposals, as SeaORM sees them.

use sea_orm::entity::prelude::*;

/// A row of `proposals`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "proposals")]
pub struct Model {
    /// The node's id, as text.
    #[sea_orm(primary_key, auto_increment = false)]
    pub proposal_id: String,
    /// Who made it.
    pub proposer: Option<String>,
    /// The identity that held the proposer's wallet; may be hidden.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub proposer_identity: Option<Vec<u8>>,
    /// Its kind.
    pub proposal_type: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its text.
    pub description: Option<String>,
    /// The node's state, canonical.
    pub state: String,
    /// What clients are told.
    pub status: String,
    /// Unix seconds.
    pub voting_starts_at: Option<i64>,
    /// Unix seconds.
    pub voting_ends_at: Option<i64>,
    /// Power for, decimal text.
    #[sea_orm(select_as = "text", save_as = "numeric")]
    pub votes_for: String,
    /// Power against, decimal text.
    #[sea_orm(select_as = "text", save_as = "numeric")]
    pub votes_against: String,
    /// Power abstaining, decimal text.
    #[sea_orm(select_as = "text", save_as = "numeric")]
    pub votes_abstain: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub executed_at: Option<i64>,
    /// Unix seconds.
    pub updated_at: Option<i64>,
    /// Whom it calls: a list of texts.
    #[sea_orm(column_type = "JsonBinary")]
    pub targets: Json,
    /// With how much.
    #[sea_orm(column_type = "JsonBinary")]
    pub values: Json,
    /// With which data.
    #[sea_orm(column_type = "JsonBinary")]
    pub calldatas: Json,
    /// Checkpoint at which it was last read.
    pub height: i64,
}

/// To whom a proposal belongs.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The proposer's identity, if it is public.
    #[sea_orm(
        belongs_to = "super::public_identity::Entity",
        from = "Column::ProposerIdentity",
        to = "super::public_identity::Column::IdentityId"
    )]
    Proposer,
}

impl Related<super::public_identity::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Proposer.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
