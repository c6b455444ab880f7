//! One writer session: rounds of "what do the nodes say" and "what do we do about it".

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chert_sources::{Fault, FetchLimits, Fetcher, SourceError, SourceHealth};
use chert_store::{BatchRows, Change, NodeView, StoreError, Writer};
use silica_models::{Block, Height};
use tokio_util::sync::CancellationToken;

use crate::plan::{Plan, plan};
use crate::settings::{BATCH_BLOCKS_MAX, BATCH_TRANSACTIONS, BULK_BATCH_BLOCKS, PAGES_AT_ONCE_MAX};
use crate::{Indexer, IndexerError, Mode};

/// Pause when no node may be asked; back-off per node decides how often one really is.
const NOBODY_PAUSE: Duration = Duration::from_millis(100);
/// Nodes are asked for their tip at least this often, also in the middle of a backfill.
const TIPS_EVERY: Duration = Duration::from_secs(2);
/// An unchanged heartbeat is written this often.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Distance to the tip at which the bulk backfill ends, on top of the finality depth.
const BULK_MARGIN_BLOCKS: u64 = 20;

pub(crate) struct Session<'a> {
    pub(crate) indexer: &'a Indexer,
    pub(crate) writer: Writer,
    start: Height,
    beat_at: Option<Instant>,
    beat: NodeView,
    /// Since when a source has been proving a branch shorter than ours.
    pub(crate) shorter_since: HashMap<usize, Instant>,
}

/// Opens the writer and works until stopped; an error closes the session.
pub(crate) async fn run(indexer: &Indexer, stop: &CancellationToken) -> Result<(), IndexerError> {
    let settings = &indexer.settings;
    let mut writer = Writer::open(&indexer.database, settings.finality_depth).await?;
    writer.set_start(settings.sync_from_block).await?;
    let (start, _) = writer.origin().await?;
    let mut session = Session {
        indexer,
        writer,
        start,
        beat_at: None,
        beat: NodeView::default(),
        shorter_since: HashMap::new(),
    };
    // Only whoever holds the writer lock reads feeds and speaks for the sources: a standby
    // would report what it does not know.
    tokio::select! {
        outcome = session.work(stop) => outcome,
        never = crate::balances::run(indexer) => match never {},
        never = crate::registry::run(indexer) => match never {},
        never = crate::governance::run(indexer) => match never {},
        never = crate::powers::run(indexer) => match never {},
        never = crate::oracles::run(indexer) => match never {},
        never = crate::leaderboards::run(indexer) => match never {},
        never = crate::maintenance::run(indexer) => match never {},
    }
}

impl Session<'_> {
    async fn work(&mut self, stop: &CancellationToken) -> Result<(), IndexerError> {
        self.check_origin().await?;
        self.learn_names().await;
        while !stop.is_cancelled() {
            let pause = self.round(stop).await?;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// One look at the nodes and one step; returns the pause before the next.
    async fn round(&mut self, stop: &CancellationToken) -> Result<Duration, IndexerError> {
        let mut tips = self.look().await?;
        let idle = self.indexer.settings.sync_interval;
        loop {
            match plan(self.writer.checkpoint(), self.start, &tips) {
                Plan::Wait => {
                    self.publish(Mode::Waiting, 0, 0);
                    return Ok(NOBODY_PAUSE.min(idle));
                }
                Plan::NotThereYet => return Ok(idle),
                Plan::Extend { source, first, last } => {
                    if let Some(pause) = self.extend(first, last, stop).await? {
                        return Ok(pause);
                    }
                    // A node that boasts of blocks it cannot show must not hide what others have.
                    tips.retain(|(index, _)| *index != source);
                }
                Plan::CheckTip { source } => {
                    self.check_tip(source).await?;
                    return Ok(idle);
                }
                Plan::CheckLower { source, height } => {
                    self.check_lower(source, height).await?;
                    return Ok(idle);
                }
            }
        }
    }

    /// Asks all nodes for their tips and writes the heartbeat.
    async fn look(&mut self) -> Result<Vec<(usize, chert_sources::Tip)>, IndexerError> {
        let tips = self.indexer.sources.tips().await;
        let now_ms = (self.indexer.settings.now_ms)();
        if let Some(best) = tips.iter().map(|(_, tip)| tip.height).max() {
            self.beat.height = best;
            self.beat.seen_at_ms = now_ms;
        }
        let changed =
            i64::try_from(self.beat.height).ok() != Some(self.writer.checkpoint().node_height);
        let due = self.beat_at.is_none_or(|at| at.elapsed() >= HEARTBEAT_EVERY);
        if (changed || due) && self.beat.seen_at_ms > 0 {
            self.writer.heartbeat(&self.beat).await?;
            self.beat_at = Some(Instant::now());
        }
        Ok(tips)
    }

    /// The index moved, or was seen to be where it should be.
    fn progressed(&mut self) {
        self.beat.progressed_at_ms = (self.indexer.settings.now_ms)();
    }

    /// Fetches and commits; `None` where no node had the first of these blocks.
    async fn extend(
        &mut self,
        first: Height,
        last: Height,
        stop: &CancellationToken,
    ) -> Result<Option<Duration>, IndexerError> {
        let settings = &self.indexer.settings;
        let behind = last - first + 1;
        let bulk_last = last.saturating_sub(settings.finality_depth + BULK_MARGIN_BLOCKS);
        let wants_bulk = settings.bulk_threshold_blocks.is_some_and(|t| behind >= t);
        if self.writer.checkpoint().bulk || (wants_bulk && self.writer.enter_bulk().await?) {
            if bulk_last > first {
                let moved = self.backfill(first, bulk_last, Mode::Bulk, stop).await?;
                return Ok(moved.then_some(Duration::ZERO));
            }
            self.leave_bulk().await?;
            return Ok(Some(Duration::ZERO));
        }
        if behind > settings.batch_blocks {
            let moved = self.backfill(first, last, Mode::Backfill, stop).await?;
            return Ok(moved.then_some(Duration::ZERO));
        }
        let (from, blocks) = match self.indexer.sources.blocks(first, last).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, first, last, "blocks not fetched");
                return Ok(None);
            }
        };
        let rows = encode(&blocks)?;
        if !rows.links_to(&self.writer.checkpoint().hash) {
            self.resolve(from, last).await?;
            return Ok(Some(NOBODY_PAUSE.min(settings.sync_interval)));
        }
        self.commit(None, &rows, true).await?;
        self.indexer.sources.set_health(from, SourceHealth::Healthy);
        self.shorter_since.clear();
        self.publish(Mode::Follow, rows.block_count(), 0);
        Ok(Some(settings.sync_interval))
    }

    /// Fetches and commits `first..=last`, fetching ahead of the commits; `false` where not even
    /// the first page came.
    async fn backfill(
        &mut self,
        first: Height,
        last: Height,
        mode: Mode,
        stop: &CancellationToken,
    ) -> Result<bool, IndexerError> {
        let batch = self.indexer.settings.batch_blocks.clamp(1, BATCH_BLOCKS_MAX);
        let limits = FetchLimits {
            page_blocks_max: if mode == Mode::Bulk { batch.max(BULK_BATCH_BLOCKS) } else { batch },
            page_transactions: BATCH_TRANSACTIONS,
            pages_max: PAGES_AT_ONCE_MAX,
        };
        let sources = std::sync::Arc::clone(&self.indexer.sources);
        let mut fetcher = Fetcher::new(sources, limits, first, last, |blocks| encode(&blocks));
        let mut looked = Instant::now();
        let mut moved = false;
        while !stop.is_cancelled() {
            let (source, rows) = match fetcher.next_page().await {
                Ok(Some((source, rows))) => (source, rows?),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "backfill interrupted");
                    if mode == Mode::Bulk && error.fault == Fault::Missing {
                        // A node that boasts of blocks nobody has must not keep us in bulk mode.
                        self.leave_bulk().await?;
                    }
                    return Ok(moved);
                }
            };
            moved = true;
            if !rows.links_to(&self.writer.checkpoint().hash) {
                let tip = rows.last_height().unwrap_or(last);
                self.resolve(source, tip).await?;
                break;
            }
            let near = last.saturating_sub(rows.last_height().unwrap_or(0))
                < self.indexer.settings.finality_depth;
            self.commit(None, &rows, mode == Mode::Backfill && near).await?;
            self.publish(mode, rows.block_count(), 0);
            if looked.elapsed() >= TIPS_EVERY {
                self.look().await?;
                looked = Instant::now();
            }
        }
        Ok(true)
    }

    pub(crate) async fn leave_bulk(&mut self) -> Result<(), IndexerError> {
        self.publish(Mode::BuildingIndexes, 0, 0);
        tracing::info!("bulk backfill done, building indexes and totals");
        let store = self.indexer.store.clone();
        let now_ms = self.indexer.settings.now_ms;
        let building = async {
            loop {
                // Building is progress, too; it may take minutes.
                if let Err(error) = store.note_progress(now_ms()).await {
                    tracing::debug!(%error, "progress not noted");
                }
                tokio::time::sleep(TIPS_EVERY).await;
            }
        };
        tokio::select! {
            outcome = self.writer.leave_bulk() => outcome?,
            () = building => {}
        }
        self.progressed();
        self.publish(Mode::Backfill, 0, 0);
        Ok(())
    }

    /// The node is as high as we are: is it the same block?
    async fn check_tip(&mut self, index: usize) -> Result<(), IndexerError> {
        let Some(height) = self.writer.checkpoint().tip() else { return Ok(()) };
        if self.writer.checkpoint().bulk {
            self.leave_bulk().await?;
        }
        match self.hash_at(index, height).await {
            Some(hash) if hash == self.writer.checkpoint().hash => {
                self.indexer.sources.set_health(index, SourceHealth::Healthy);
                self.shorter_since.clear();
                self.progressed();
                self.publish(Mode::Follow, 0, 0);
                let now_s = (self.indexer.settings.now_ms)() / 1_000;
                if self.indexer.store.requeue_provisional(now_s).await? > 0 {
                    self.indexer.committed.notify_one();
                }
                Ok(())
            }
            Some(_) => self.resolve(index, height).await,
            None => Ok(()),
        }
    }

    /// Every node is below us: syncing, or on a branch that is shorter for now.
    async fn check_lower(&mut self, index: usize, height: Height) -> Result<(), IndexerError> {
        if height < self.start {
            self.note(index, Fault::Lagging, format!("tip {height} is below the first block"));
            return Ok(());
        }
        let Some(hash) = self.hash_at(index, height).await else { return Ok(()) };
        let stored = self.writer.find_hash(height).await?;
        if stored.is_some_and(|s| s.as_bytes() == hash) {
            self.shorter_since.remove(&index);
            self.progressed();
            self.note(index, Fault::Lagging, format!("tip {height} is behind the index"));
            return Ok(());
        }
        self.resolve(index, height).await
    }

    /// All nodes must serve the chain that is stored.
    async fn check_origin(&mut self) -> Result<(), IndexerError> {
        for index in self.indexer.sources.usable() {
            self.check_source_origin(index).await?;
        }
        Ok(())
    }

    pub(crate) async fn check_source_origin(&mut self, index: usize) -> Result<(), IndexerError> {
        let (start, Some(stored)) = self.writer.origin().await? else { return Ok(()) };
        let Some(hash) = self.hash_at(index, start).await else { return Ok(()) };
        if hash == stored.as_bytes() {
            return Ok(());
        }
        self.note(index, Fault::WrongChain, format!("block {start} is not {stored}"));
        if self.indexer.sources.all_wrong_chain() {
            return Err(IndexerError::WrongChain { height: start, stored: stored.to_string() });
        }
        Ok(())
    }

    async fn learn_names(&mut self) {
        if let Some(source) =
            self.indexer.sources.usable().first().and_then(|i| self.indexer.sources.source(*i))
        {
            let info = source.chain_info().await;
            self.beat.network = info.network;
            self.beat.chain_id = info.chain_id;
        }
    }

    pub(crate) async fn hash_at(&self, index: usize, height: Height) -> Option<Vec<u8>> {
        match self.indexer.sources.source(index)?.hash_at(height).await {
            Ok(hash) => Some(hash.as_bytes().to_vec()),
            Err(error) => {
                self.indexer.sources.note_fault(index, &error);
                None
            }
        }
    }

    pub(crate) fn note(&self, index: usize, fault: Fault, detail: String) {
        self.indexer.sources.note_fault(index, &SourceError::new(fault, detail));
    }

    pub(crate) async fn commit(
        &mut self,
        unwind_to: Option<Height>,
        rows: &BatchRows,
        follow: bool,
    ) -> Result<(), IndexerError> {
        let started = Instant::now();
        let settings = &self.indexer.settings;
        let change = Change {
            unwind_to,
            rows,
            follow,
            allow_deep: settings.allow_deep_reorg,
            now_s: (settings.now_ms)() / 1_000,
        };
        self.writer.commit(&change).await?;
        self.progressed();
        metrics::histogram!("chert_indexer_batch_seconds").record(started.elapsed().as_secs_f64());
        metrics::counter!("chert_indexer_blocks_total").increment(rows.block_count());
        metrics::counter!("chert_indexer_rows_total").increment(rows.row_count());
        if follow {
            self.indexer.committed.notify_one();
        }
        Ok(())
    }

    pub(crate) fn publish(&self, mode: Mode, blocks: u64, reorgs: u64) {
        let checkpoint = self.writer.checkpoint();
        self.indexer.progress.send_modify(|progress| {
            progress.mode = mode;
            progress.height = if checkpoint.hash.is_empty() { -1 } else { checkpoint.height };
            progress.node_height = checkpoint.node_height;
            progress.blocks += blocks;
            progress.reorgs += reorgs;
        });
    }
}

pub(crate) fn encode(blocks: &[Block]) -> Result<BatchRows, StoreError> {
    let mut rows = BatchRows::default();
    for block in blocks {
        rows.add(block)?;
    }
    Ok(rows)
}
