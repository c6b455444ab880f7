//! Votes, as SeaORM sees them.

use sea_orm::entity::prelude::*;

/// A row of `votes`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "votes")]
pub struct Model {
    /// The proposal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub proposal_id: String,
    /// Key of the voter's address, as UUID text.
    #[sea_orm(primary_key, auto_increment = false, select_as = "text", save_as = "uuid")]
    pub voter_key: String,
    /// Who voted.
    pub voter: String,
    /// The identity that held the voter's wallet; may be hidden.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub voter_identity: Option<Vec<u8>>,
    /// Decimal text.
    #[sea_orm(select_as = "text", save_as = "numeric")]
    pub vote_power: String,
    /// 0 against, 1 for, 2 abstain.
    pub vote_choice: i16,
    /// Why.
    pub reason: Option<String>,
    /// Unix seconds.
    pub cast_at: i64,
}

/// To whom a vote belongs.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The voter's identity, if it is public.
    #[sea_orm(
        belongs_to = "super::public_identity::Entity",
        from = "Column::VoterIdentity",
        to = "super::public_identity::Column::IdentityId"
    )]
    Voter,
}

impl Related<super::public_identity::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Voter.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
