//! What proposals were seen to do, as SeaORM sees it.

use sea_orm::entity::prelude::*;

/// A row of `proposal_transitions`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "proposal_transitions")]
pub struct Model {
    /// The proposal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub proposal_id: String,
    /// Time of the block at which it was seen, Unix seconds.
    pub at: i64,
    /// Height of that block.
    #[sea_orm(primary_key, auto_increment = false)]
    pub height: i64,
    /// State before; absent where the proposal was new.
    pub from_state: Option<String>,
    /// State since.
    #[sea_orm(primary_key, auto_increment = false)]
    pub state: String,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
