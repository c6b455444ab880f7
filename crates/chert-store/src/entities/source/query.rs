//! The state of the whole system: progress, sources, counts.

use sea_orm::{DbBackend, EntityTrait, FromQueryResult, QueryOrder, QuerySelect, Statement};

use super::row::{Column, Entity, Model};
use crate::read::{checkpoint_in, no_checkpoint, timed};
use crate::{Checkpoint, Store, StoreError};

/// Sources shown at most.
pub const SOURCES_MAX: u64 = 1_000;

/// Progress beyond the [`Checkpoint`].
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Progress {
    /// First block that is indexed.
    pub start_height: i64,
    /// Last number given in the event log.
    pub event_seq: i64,
    /// When a node last answered, Unix milliseconds.
    pub node_seen_at_ms: i64,
    /// When the indexer last finished a round, Unix milliseconds.
    pub progressed_at_ms: i64,
    /// Name of the network as the node says.
    pub network: Option<String>,
    /// The node's chain id.
    pub chain_id: Option<String>,
    /// Records that could not be understood.
    pub quarantined: i64,
}

/// The system at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemStatus {
    /// Head of every answer.
    pub checkpoint: Checkpoint,
    /// What else is known of the progress.
    pub progress: Progress,
    /// Nodes and oracles by name.
    pub sources: Vec<Model>,
}

const PROGRESS: &str = "
    SELECT c.start_height, h.last_seq AS event_seq, c.node_seen_at_ms, c.progressed_at_ms,
           c.network, c.chain_id, t.quarantined
    FROM checkpoints c CROSS JOIN chain_counters t CROSS JOIN event_head h
    WHERE c.pipeline = 'chain' AND t.id = 1 AND h.id = 1";

/// Reads the whole status in one snapshot.
pub async fn get_status(store: &Store) -> Result<SystemStatus, StoreError> {
    let db = store.snapshot().await?;
    let checkpoint = checkpoint_in(&db).await?;
    let progress = Statement::from_string(DbBackend::Postgres, PROGRESS);
    let progress = Progress::find_by_statement(progress);
    let progress = timed!("get_progress", progress.one(&db)).await?;
    let sources = Entity::find().order_by_asc(Column::Name).limit(SOURCES_MAX);
    let sources = timed!("list_sources", sources.all(&db)).await?;
    db.commit().await?;
    Ok(SystemStatus { checkpoint, progress: progress.ok_or_else(no_checkpoint)?, sources })
}
