//! The one writer of chain data: a dedicated session, an advisory lock, one transaction per batch.
//!
//! Guarantees: data and progress commit together; the checkpoint moves by compare-and-set; a batch
//! that does not continue the stored chain is refused before anything is written; a reorganisation
//! (unwind and the new branch) is one commit, so no reader sees a gap or two branches mixed.

use std::time::Duration;

use silica_models::{Block, BlockHash, Height};
use sqlx::{Connection, PgConnection};

use crate::checkpoint::{Checkpoint, load_checkpoint};
use crate::entities::{ApplyContext, EntityRows, UnwindContext, unwind_all};
use crate::feeds::move_chain;
use crate::locks::AdvisoryLock;
use crate::relay::{Relay, connect};
use crate::{PoolSettings, Store, StoreError, TIP_CHANNEL};

/// A commit takes milliseconds; one that takes this long hangs on a dead connection, which after a
/// fail-over of the database nobody closes.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(120);
/// The same for statements of one row.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::Unresponsive { seconds: limit.as_secs() }),
    }
}

/// Verified, consecutive blocks, encoded for every entity. Pure: made without a database.
#[derive(Debug, Default)]
pub struct BatchRows {
    entities: EntityRows,
    ends: Option<Ends>,
}

#[derive(Debug)]
struct Ends {
    first_height: Height,
    first_parent: Option<BlockHash>,
    first_hash: BlockHash,
    last_height: Height,
    last_hash: BlockHash,
    last_time_ms: i64,
}

impl BatchRows {
    /// Adds the next block, which must continue the previous one.
    pub fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        match &mut self.ends {
            None => {
                self.ends = Some(Ends {
                    first_height: block.height,
                    first_parent: block.parent_hash.clone(),
                    first_hash: block.hash.clone(),
                    last_height: block.height,
                    last_hash: block.hash.clone(),
                    last_time_ms: block.timestamp.unix_ms,
                });
            }
            Some(ends) => {
                if ends.last_height + 1 != block.height
                    || block.parent_hash.as_ref() != Some(&ends.last_hash)
                {
                    let text =
                        format!("block {} does not continue {}", block.height, ends.last_height);
                    return Err(StoreError::Batch(text));
                }
                ends.last_height = block.height;
                ends.last_hash = block.hash.clone();
                ends.last_time_ms = block.timestamp.unix_ms;
            }
        }
        self.entities.add(block)
    }

    /// `true` where the first block names `hash` as its parent, or nothing precedes it.
    pub fn links_to(&self, hash: &[u8]) -> bool {
        let parent = self.ends.as_ref().and_then(|e| e.first_parent.as_ref());
        hash.is_empty() || parent.is_some_and(|p| p.as_bytes() == hash)
    }

    /// Rows of the base and appearance tables.
    pub fn row_count(&self) -> u64 {
        self.block_count()
            + self.entities.transactions.row_count()
            + self.entities.addresses.row_count()
    }

    /// Blocks added.
    pub fn block_count(&self) -> u64 {
        self.ends.as_ref().map_or(0, |e| e.last_height - e.first_height + 1)
    }

    /// Height of the last block added.
    pub fn last_height(&self) -> Option<Height> {
        self.ends.as_ref().map(|e| e.last_height)
    }
}

/// What a commit does.
#[derive(Debug)]
pub struct Change<'a> {
    /// Highest block that stays, where a branch is abandoned.
    pub unwind_to: Option<Height>,
    /// Blocks to add.
    pub rows: &'a BatchRows,
    /// The batch ends near the tip.
    pub follow: bool,
    /// An operator allowed a reorganisation below the finalized height.
    pub allow_deep: bool,
    /// Wall clock, Unix seconds.
    pub now_s: i64,
}

/// The writer's session. Dropped and opened again after any error.
#[derive(Debug)]
pub struct Writer {
    db: PgConnection,
    checkpoint: Checkpoint,
    finality_depth: i64,
    /// Carries the session; dropped with it.
    _relay: Option<Relay>,
}

impl Writer {
    /// Connects, takes the writer lock and reads the checkpoint.
    ///
    /// The session must be a direct one: an advisory lock does not survive a transaction pooler.
    pub async fn open(settings: &PoolSettings, finality_depth: u64) -> Result<Self, StoreError> {
        in_time(STATEMENT_TIMEOUT, Self::open_unbounded(settings, finality_depth)).await
    }

    async fn open_unbounded(
        settings: &PoolSettings,
        finality_depth: u64,
    ) -> Result<Self, StoreError> {
        let (mut db, relay) = connect(settings).await?;
        let locked = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_lock($1) AS "ok!""#,
            AdvisoryLock::Writer.key()
        )
        .fetch_one(&mut db)
        .await?;
        if !locked {
            return Err(StoreError::WriterLocked);
        }
        let finality_depth = i64::try_from(finality_depth).unwrap_or(i64::MAX);
        sqlx::query!("UPDATE checkpoints SET finality_depth = $1", finality_depth)
            .execute(&mut db)
            .await?;
        let checkpoint = load_checkpoint(&mut db).await?;
        Ok(Self { db, checkpoint, finality_depth, _relay: relay })
    }

    /// The checkpoint after the last commit.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Sets where an empty store begins. Nothing happens where blocks are stored already.
    pub async fn set_start(&mut self, start: Height) -> Result<(), StoreError> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        sqlx::query!(
            "UPDATE checkpoints SET height = $1::bigint - 1, start_height = $1
             WHERE pipeline = 'chain' AND hash = ''",
            start
        )
        .execute(&mut self.db)
        .await?;
        self.checkpoint = load_checkpoint(&mut self.db).await?;
        Ok(())
    }

    /// Hash of the stored block at `height`.
    pub async fn find_hash(&mut self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        let height = i64::try_from(height).unwrap_or(i64::MAX);
        let hash = sqlx::query_scalar!("SELECT hash FROM blocks WHERE height = $1", height)
            .fetch_optional(&mut self.db)
            .await?;
        Ok(hash.map(BlockHash::from_bytes))
    }

    /// First stored height and the hash of the chain's first indexed block.
    pub async fn origin(&mut self) -> Result<(Height, Option<BlockHash>), StoreError> {
        let row = sqlx::query!(
            "SELECT start_height, genesis_hash FROM checkpoints WHERE pipeline = 'chain'"
        )
        .fetch_one(&mut self.db)
        .await?;
        let start = crate::checkpoint::height_of(row.start_height)?;
        Ok((start, row.genesis_hash.map(BlockHash::from_bytes)))
    }

    /// Commits a change; after an error nothing of it is stored, unless the error came from the
    /// commit itself, in which case opening a new writer tells.
    pub async fn commit(&mut self, change: &Change<'_>) -> Result<&Checkpoint, StoreError> {
        in_time(COMMIT_TIMEOUT, self.commit_unbounded(change)).await?;
        Ok(&self.checkpoint)
    }

    async fn commit_unbounded(&mut self, change: &Change<'_>) -> Result<(), StoreError> {
        let expected = (self.checkpoint.height, self.checkpoint.hash.clone());
        let base = self.base_of(change).await?;
        check_continues(&base, change)?;
        let bulk = self.checkpoint.bulk;
        let mut tx = self.db.begin().await?;
        if bulk {
            // Losing the last commits in a crash loses data and progress alike.
            sqlx::query!("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
        }
        move_chain(&mut tx).await?;
        let held = sqlx::query_scalar!(
            "SELECT height FROM checkpoints
             WHERE pipeline = 'chain' AND height = $1 AND hash = $2 FOR UPDATE",
            expected.0,
            expected.1
        )
        .fetch_optional(&mut *tx)
        .await?;
        if held.is_none() {
            return Err(StoreError::CheckpointMoved { expected_height: expected.0 });
        }
        let mut gone = None;
        if let Some(ancestor) = change.unwind_to {
            let mut context = UnwindContext::new(ancestor, change.now_s);
            unwind_all(&mut tx, &mut context).await?;
            gone = Some(context.retractions);
        }
        let context = ApplyContext { bulk, follow: change.follow, now_s: change.now_s };
        if change.rows.ends.is_some() {
            change.rows.entities.apply(&mut tx, &context).await?;
        }
        let next = advance(&mut tx, &base, change, self.finality_depth).await?;
        let gone = gone.as_ref().map(|gone| (gone, (base.height, base.hash.as_slice())));
        // The last lock of all: whoever else has something to tell waits from here to the commit.
        change.rows.entities.events.put(&mut tx, &context, gone).await?;
        tx.commit().await?;
        self.checkpoint = next;
        Ok(())
    }

    /// The block that the change's rows must continue.
    async fn base_of(&mut self, change: &Change<'_>) -> Result<Base, StoreError> {
        let Some(ancestor) = change.unwind_to else {
            return Ok(Base {
                height: self.checkpoint.height,
                hash: self.checkpoint.hash.clone(),
                time_ms: self.checkpoint.tip_time_ms,
            });
        };
        let height = i64::try_from(ancestor).unwrap_or(i64::MAX);
        if height < self.checkpoint.finalized_height && !change.allow_deep {
            return Err(StoreError::Batch(format!(
                "block {ancestor} is below the finalized height"
            )));
        }
        if height >= self.checkpoint.height || self.checkpoint.bulk {
            return Err(StoreError::Batch(format!("cannot unwind to block {ancestor}")));
        }
        let row = sqlx::query!("SELECT hash, timestamp_ms FROM blocks WHERE height = $1", height)
            .fetch_optional(&mut self.db)
            .await?
            .ok_or_else(|| StoreError::Batch(format!("block {ancestor} is not stored")))?;
        Ok(Base { height, hash: row.hash, time_ms: row.timestamp_ms })
    }

    /// The session, for maintenance that must hold the writer lock.
    pub(crate) fn session(&mut self) -> &mut PgConnection {
        &mut self.db
    }

    /// Reads the checkpoint again after maintenance.
    pub(crate) async fn reload(&mut self) -> Result<(), StoreError> {
        self.checkpoint = load_checkpoint(&mut self.db).await?;
        Ok(())
    }

    /// Notes what a node reported and that the indexer is alive. Cheap; not part of a batch.
    pub async fn heartbeat(&mut self, node: &NodeView) -> Result<(), StoreError> {
        let height = i64::try_from(node.height).unwrap_or(i64::MAX);
        let beat = sqlx::query!(
            "UPDATE checkpoints SET node_height = $1, node_seen_at_ms = $2, progressed_at_ms = $3,
                    network = COALESCE($4, network), chain_id = COALESCE($5, chain_id)
             WHERE pipeline = 'chain'",
            height,
            node.seen_at_ms,
            node.progressed_at_ms,
            node.network,
            node.chain_id
        )
        .execute(&mut self.db);
        in_time(STATEMENT_TIMEOUT, async { Ok(beat.await?) }).await?;
        self.checkpoint.node_height = height;
        Ok(())
    }
}

impl Store {
    /// Notes that the indexer is at work while its own session is busy; Unix milliseconds.
    pub async fn note_progress(&self, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE checkpoints SET progressed_at_ms = $1 WHERE pipeline = 'chain'",
            now_ms
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

/// What a node last said of itself.
#[derive(Debug, Clone, Default)]
pub struct NodeView {
    /// Its best height.
    pub height: Height,
    /// When it answered, Unix milliseconds.
    pub seen_at_ms: i64,
    /// When the indexer last finished a round, Unix milliseconds.
    pub progressed_at_ms: i64,
    /// Network id, once known.
    pub network: Option<String>,
    /// Chain id, once known.
    pub chain_id: Option<String>,
}

#[derive(Debug)]
struct Base {
    height: i64,
    hash: Vec<u8>,
    time_ms: i64,
}

/// The engine's own invariant, checked once more on the write path: links and heights.
fn check_continues(base: &Base, change: &Change<'_>) -> Result<(), StoreError> {
    let Some(ends) = &change.rows.ends else { return Ok(()) };
    let first = i64::try_from(ends.first_height).unwrap_or(i64::MAX);
    if first != base.height.saturating_add(1) {
        return Err(StoreError::Batch(format!("block {first} after block {}", base.height)));
    }
    let parent = ends.first_parent.as_ref().map_or(&[][..], BlockHash::as_bytes);
    if !base.hash.is_empty() && parent != base.hash {
        return Err(StoreError::Batch(format!("block {first} does not link to the stored chain")));
    }
    Ok(())
}

async fn advance(
    tx: &mut PgConnection,
    base: &Base,
    change: &Change<'_>,
    finality_depth: i64,
) -> Result<Checkpoint, StoreError> {
    let (height, hash, time_ms) = match &change.rows.ends {
        Some(e) => (
            i64::try_from(e.last_height).unwrap_or(i64::MAX),
            e.last_hash.as_bytes().to_vec(),
            e.last_time_ms,
        ),
        None => (base.height, base.hash.clone(), base.time_ms),
    };
    let origin = change.rows.ends.as_ref().map(|e| e.first_hash.as_bytes());
    // An operator's deep reorganisation is the only thing that lowers the finalized height.
    let floor =
        if change.unwind_to.is_some() && change.allow_deep { base.height } else { i64::MAX };
    sqlx::query!(
        "UPDATE checkpoints SET height = $1::bigint, hash = $2, tip_time_ms = $3,
                genesis_hash = COALESCE(genesis_hash, $4),
                finalized_height = GREATEST(LEAST(finalized_height, $5), $1::bigint - $6::bigint),
                node_height = GREATEST(node_height, $1)
         WHERE pipeline = 'chain'",
        height,
        hash,
        time_ms,
        origin,
        floor,
        finality_depth
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("SELECT pg_notify($1, '')", TIP_CHANNEL).execute(&mut *tx).await?;
    load_checkpoint(tx).await
}
