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

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
