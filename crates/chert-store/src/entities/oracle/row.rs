//! Oracles, as SeaORM sees them.

use sea_orm::entity::prelude::*;

/// A row of `oracles`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "oracles")]
pub struct Model {
    /// 40 hex digits; the URL for an oracle that has no feed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub oracle_id: String,
    /// For people.
    pub name: String,
    /// Without credentials.
    pub base_url: String,
    /// The pinned Ed25519 key.
    pub public_key: Option<Vec<u8>>,
    /// `feed` or `probe`.
    pub mode: String,
    /// A key is pinned.
    pub signed: bool,
    /// `active`, `paused`, `diverged`, `refused` or `retired`.
    pub state: String,
    /// A code.
    pub last_error: Option<String>,
    /// As the oracle says.
    pub software_version: Option<String>,
    /// As the oracle says.
    pub network_id: Option<String>,
    /// Unix seconds.
    pub first_seen_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
