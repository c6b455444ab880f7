//! A node serves another block than the one stored: prove its branch, decide, act.

use std::time::Instant;

use chert_sources::Fault;
use silica_models::Height;

use crate::reorg::{Branch, Facts, Verdict, Walk, decide, walk_back};
use crate::session::{Session, encode};
use crate::{IndexerError, Mode};

impl Session<'_> {
    /// A node serves another block where we have one: prove its branch, then decide.
    pub(crate) async fn resolve(&mut self, index: usize, tip: Height) -> Result<(), IndexerError> {
        if self.writer.checkpoint().bulk {
            return self.leave_bulk().await;
        }
        let Some(source) = self.indexer.sources.source(index).cloned() else { return Ok(()) };
        let Some(stored_tip) = self.writer.checkpoint().tip() else { return Ok(()) };
        let top = stored_tip.max(tip.min(stored_tip + self.indexer.settings.batch_blocks));
        let allow_deep = self.indexer.settings.allow_deep_reorg;
        match walk_back(&mut self.writer, &source, tip, top, allow_deep).await? {
            Err(error) => self.indexer.sources.note_fault(index, &error),
            Ok(Walk::SameChain) => {
                self.note(index, Fault::BadBlocks, "its answers contradict each other".into());
            }
            Ok(Walk::NoAncestor { down_to }) => self.no_ancestor(index, down_to).await?,
            Ok(Walk::Proven(branch)) => self.proven(index, branch).await?,
        }
        Ok(())
    }

    async fn proven(&mut self, index: usize, branch: Branch) -> Result<(), IndexerError> {
        let checkpoint = self.writer.checkpoint().clone();
        let stored_tip = checkpoint.tip().unwrap_or(0);
        let since = *self.shorter_since.entry(index).or_insert_with(Instant::now);
        let facts = Facts {
            stored_tip,
            finalized: u64::try_from(checkpoint.finalized_height).ok(),
            ancestor: branch.ancestor,
            branch_tip: branch.tip,
            vouched_tip: self.vouched_tip(index, stored_tip, &checkpoint.hash).await,
            shorter_for: since.elapsed(),
            patience: self.indexer.settings.shorter_branch_patience,
            allow_deep: self.indexer.settings.allow_deep_reorg,
        };
        match decide(&facts) {
            Verdict::Follow => self.follow_branch(&branch, stored_tip).await,
            Verdict::Disagreement => {
                let text = format!("branch from block {} that no other node has", branch.ancestor);
                self.note(index, Fault::Disagreeing, text);
                Ok(())
            }
            Verdict::Shorter => {
                let text = format!("a branch from block {} that is shorter", branch.ancestor);
                self.note(index, Fault::Lagging, text);
                Ok(())
            }
            Verdict::TooDeep => {
                self.refuse_deep(index, branch.ancestor);
                Ok(())
            }
        }
    }

    async fn follow_branch(
        &mut self,
        branch: &Branch,
        stored_tip: Height,
    ) -> Result<(), IndexerError> {
        let rows = encode(&branch.blocks)?;
        let depth = stored_tip - branch.ancestor;
        self.commit(Some(branch.ancestor), &rows, true).await?;
        metrics::counter!("chert_indexer_reorgs_total").increment(1);
        metrics::histogram!("chert_indexer_reorg_depth_blocks").record(depth as f64);
        tracing::info!(
            depth,
            ancestor = branch.ancestor,
            tip = branch.tip,
            "reorganisation followed"
        );
        self.shorter_since.clear();
        self.publish(Mode::Follow, rows.block_count(), 1);
        Ok(())
    }

    /// Best tip among the other nodes that still serve our tip.
    async fn vouched_tip(&self, except: usize, height: Height, hash: &[u8]) -> Option<Height> {
        let mut best = None;
        for (index, view) in self.indexer.sources.views().iter().enumerate() {
            let eligible = index != except && view.height.is_some_and(|h| h >= height);
            if eligible && self.hash_at(index, height).await.is_some_and(|h| h == hash) {
                best = best.max(view.height);
            }
        }
        best
    }

    /// No common block within the allowed depth: too deep, or not our chain at all.
    async fn no_ancestor(&mut self, index: usize, down_to: Height) -> Result<(), IndexerError> {
        self.check_source_origin(index).await?;
        if self.indexer.sources.usable().contains(&index) {
            self.refuse_deep(index, down_to);
        }
        Ok(())
    }

    fn refuse_deep(&self, index: usize, ancestor: Height) {
        metrics::counter!("chert_indexer_deep_reorgs_refused_total").increment(1);
        let finalized = self.writer.checkpoint().finalized_height;
        tracing::error!(
            ancestor,
            finalized,
            "a node serves a branch that leaves the chain below the finalized block; if that is \
             right, set indexer.allow_deep_reorg = true and restart the indexer"
        );
        self.note(index, Fault::Disagreeing, format!("branch from {ancestor}, below finalized"));
    }
}
