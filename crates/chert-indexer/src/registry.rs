//! The identity registry: reads what it says of the blocks that are indexed.

mod walk;

use std::convert::Infallible;
use std::time::Instant;

use chert_sources::{RegistryPage, Rejected};
use chert_store::entities::identity::RegistryCommit;
use chert_store::{Feed, FeedOutcome, RejectedRecord, StoreError};
use silica_models::{Height, IdentityRecord};

pub(crate) use self::walk::{LIMIT_MAX, Step, Walk};

use self::walk::PageShape;
use crate::Indexer;
use crate::feeds::{Nodes, Pause, Rhythm, Stand, Vantage, stand};

/// Pages read in one round; then the tip is looked at again.
const PAGES_PER_ROUND: usize = 100;

/// Reads for ever; dropped with the session, because only the writer of a database may speak for
/// its nodes.
pub(crate) async fn run(indexer: &Indexer) -> Infallible {
    for counter in ["chert_registry_records_total", "chert_registry_blocks_cut_total"] {
        metrics::counter!(counter).increment(0);
    }
    let mut rhythm = Rhythm::new(indexer);
    let mut feed = Registry {
        indexer,
        nodes: Nodes::new(Feed::Identity.as_str(), indexer),
        rechecked: Instant::now(),
    };
    loop {
        let seen = rhythm.seen();
        let pause = feed.round().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the registry is put off");
            Pause::Retry
        });
        rhythm.wait(pause, seen).await;
    }
}

struct Registry<'a> {
    indexer: &'a Indexer,
    nodes: Nodes,
    /// When the last blocks were last read again.
    rechecked: Instant,
}

impl Registry<'_> {
    /// Reads from the feed's checkpoint to the tip.
    async fn round(&mut self) -> Result<Pause, StoreError> {
        let Some(stand) = stand(self.indexer).await? else { return Ok(Pause::UntilNews) };
        let vantage = match self.nodes.pick(self.indexer, &stand).await {
            Ok(vantage) => vantage,
            Err(pause) => return Ok(pause),
        };
        let settings = &self.indexer.settings;
        let stored = self.indexer.store.feed_checkpoint(Feed::Identity).await?;
        let stored = Height::try_from(stored.height).unwrap_or(0);
        // A node that fell behind or reorganised unnoticed may have said less than it says now.
        let recheck = self.rechecked.elapsed() >= settings.feeds.registry_recheck;
        let back = if recheck { settings.finality_depth } else { 0 };
        let from = stored.saturating_sub(back);
        let mut walk = Walk::new(from, stand.height, settings.feeds.registry_limit);
        for _ in 0..PAGES_PER_ROUND {
            let (from, limit) = walk.ask();
            let page = match vantage.source.registry_updates(from, limit).await {
                Ok(page) => page,
                Err(error) => return Ok(self.nodes.failed(self.indexer, &vantage, &error)),
            };
            let step = walk.take(&shape(&page));
            if let Step::Skipped(height) = step {
                metrics::counter!("chert_registry_blocks_cut_total").increment(1);
                tracing::warn!(height, "the node cannot show all registry updates of a block");
            }
            let synced_to = walk.covered().unwrap_or(0).max(stored).min(stand.height);
            if !self.commit(&vantage, &stand, page, synced_to).await? {
                return Ok(Pause::Retry);
            }
            match step {
                Step::Again | Step::Skipped(_) => {}
                Step::Done => {
                    if recheck {
                        self.rechecked = Instant::now();
                    }
                    self.nodes.answered(stand.height);
                    return Ok(Pause::UntilNews);
                }
                Step::Lagging => return Ok(Pause::UntilNews),
            }
        }
        Ok(Pause::None)
    }

    /// Stores a page; `false` where the node or the index has moved to another branch meanwhile.
    async fn commit(
        &self,
        vantage: &Vantage,
        stand: &Stand,
        page: RegistryPage,
        synced_to: Height,
    ) -> Result<bool, StoreError> {
        if !vantage.holds().await {
            return Ok(false);
        }
        let (records, rejected) = sort(page, stand.height);
        metrics::counter!("chert_registry_records_total").increment(records.len() as u64);
        let commit = RegistryCommit {
            under: (stand.height, stand.hash.as_bytes()),
            records: &records,
            rejected: &rejected,
            synced_to,
            now_s: (self.indexer.settings.now_ms)() / 1_000,
        };
        Ok(self.indexer.store.put_registry(&commit).await? == FeedOutcome::Stored)
    }
}

/// What decides how to go on after a page.
pub(crate) fn shape(page: &RegistryPage) -> PageShape {
    let heights = page.updates.iter().filter_map(|update| match update {
        Ok(record) => Some(record.height),
        Err(rejected) => rejected.height,
    });
    PageShape {
        len: page.updates.len(),
        heights: heights.collect(),
        latest_block: page.latest_block,
    }
}

/// Records and rejected records of a page; what is above `tip` waits until its block is indexed.
fn sort(page: RegistryPage, tip: Height) -> (Vec<IdentityRecord>, Vec<RejectedRecord>) {
    let (mut records, mut rejected) = (Vec::new(), Vec::new());
    for update in page.updates {
        match update {
            Ok(record) if record.height <= tip => records.push(record),
            Err(bad) if bad.height.is_none_or(|height| height <= tip) => {
                rejected.push(rejected_record(bad));
            }
            _ => {}
        }
    }
    (records, rejected)
}

/// A record that the source could not make sense of, as the store keeps it.
pub(crate) fn rejected_record(bad: Rejected) -> RejectedRecord {
    RejectedRecord {
        key: bad.key,
        height: bad.height.and_then(|height| i64::try_from(height).ok()),
        reason: bad.reason,
        raw: bad.raw,
    }
}
