//! What the indexer knows of each node and oracle, as SeaORM sees it.

use sea_orm::entity::prelude::*;

/// A row of `sources`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sources")]
pub struct Model {
    /// URL without credentials.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// `node` or `oracle`.
    pub kind: String,
    /// `healthy`, `lagging`, `failing`, `disagreeing`, `wrong_chain`, `unknown`, `refused`, `paused`,
    /// `diverged`.
    pub state: String,
    /// Its tip.
    pub height: Option<i64>,
    /// Faults counted so far.
    pub faults: i64,
    /// Unix seconds.
    pub last_ok_at: Option<i64>,
    /// Unix seconds.
    pub last_error_at: Option<i64>,
    /// A code.
    pub last_error: Option<String>,
    /// Of an oracle: items of its feed that are not read yet.
    pub lag: Option<i64>,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
