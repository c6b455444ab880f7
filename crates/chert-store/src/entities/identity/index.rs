//! Taking in what the node's identity registry says, and taking it back with a branch.
//!
//! The registry is read beside the blocks, in pages that may repeat, so every version is an
//! idempotent upsert and what follows from an identity's versions is derived again when one of
//! them is new or different.

use silica_models::{Block, Height, IdentityRecord};
use sqlx::PgConnection;

use super::versions::{delete_versions_above, put_versions};
use super::write::derive_again;
use crate::entities::event::{NEWS_AGE_S_MAX, put_events};
use crate::entities::{ApplyContext, Entity, UnwindContext};
use crate::feeds::{
    Feed, FeedOutcome, RejectedRecord, advance_feed, lock_chain_at, lock_feed, notify_readers,
    put_rejected, unwind_feed, unwind_rejected,
};
use crate::{Store, StoreError};

/// A page of the registry, or several.
#[derive(Debug, Clone, Copy)]
pub struct RegistryCommit<'a> {
    /// Height and hash of the indexed block under which the node was read.
    pub under: (Height, &'a [u8]),
    /// Records as the node gave them; those above `under` are left for the next round.
    pub records: &'a [IdentityRecord],
    /// Records that could not be understood.
    pub rejected: &'a [RejectedRecord],
    /// Everything up to this block is in now, at most `under`. Progress never goes back by this:
    /// reading old blocks once more is no step back.
    pub synced_to: Height,
    /// Unix seconds.
    pub now_s: i64,
}

impl Store {
    /// Stores a part of the registry with everything that follows from it, in one transaction.
    ///
    /// # Errors
    /// Of the database only; a record never makes it fail.
    pub async fn put_registry(
        &self,
        commit: &RegistryCommit<'_>,
    ) -> Result<FeedOutcome, StoreError> {
        let (height, hash) = commit.under;
        let mut tx = self.begin().await?;
        if !lock_chain_at(&mut tx, height, hash).await? {
            return Ok(FeedOutcome::Moved);
        }
        let before = lock_feed(&mut tx, Feed::Identity).await?;
        let records: Vec<&IdentityRecord> =
            commit.records.iter().filter(|record| record.height <= height).collect();
        let touched = put_versions(&mut tx, &records).await?;
        let news_since = commit.now_s.saturating_sub(NEWS_AGE_S_MAX);
        let told = derive_again(&mut tx, touched, commit.now_s, news_since).await?;
        put_rejected(&mut tx, Feed::Identity.as_str(), commit.rejected, commit.now_s).await?;
        let reached = u64::try_from(before.height)
            .map_or(commit.synced_to, |done| commit.synced_to.max(done));
        advance_feed(&mut tx, Feed::Identity, reached.min(height), hash, commit.now_s).await?;
        notify_readers(&mut tx).await?;
        let under = i64::try_from(height).unwrap_or(i64::MAX);
        put_events(&mut tx, &told, Some((under, hash)), commit.now_s).await?;
        tx.commit().await?;
        Ok(FeedOutcome::Stored)
    }
}

/// The registry's part in chain commits: blocks bring nothing, a reorganisation takes versions.
#[derive(Debug, Default)]
pub struct RegistryRows;

impl Entity for RegistryRows {
    const NAME: &'static str = "registry";

    fn add(&mut self, _: &Block) -> Result<(), StoreError> {
        Ok(())
    }

    async fn apply(&self, _: &mut PgConnection, _: &ApplyContext) -> Result<(), StoreError> {
        Ok(())
    }

    /// Versions of removed blocks go; the registry feed reads again from the ancestor.
    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        let ancestor = context.ancestor_i64();
        lock_feed(db, Feed::Identity).await?;
        let touched = delete_versions_above(db, ancestor).await?;
        // What is taken back is told, whatever its age.
        let mut told = derive_again(db, touched, context.now_s, i64::MIN).await?;
        context.retractions.others.append(&mut told);
        unwind_rejected(db, Feed::Identity.as_str(), ancestor).await?;
        unwind_feed(db, Feed::Identity, ancestor).await
    }
}
