//! The stored identities against the node's registry.

use std::collections::HashSet;

use chert_sources::{Rejected, SourceSet};
use chert_store::entities::identity::RegistryCommit;
use chert_store::{Checkpoint, Feed, Store, StoreError};
use silica_models::{Height, IdentityId, IdentityRecord};

use super::VerifyReport;
use crate::registry::{LIMIT_MAX, Step, Walk, shape};

/// Stored ids read in one statement.
const IDS_AT_ONCE: i64 = 10_000;

/// Compares what the node's registry says of the blocks that the feed has read. A node without a
/// registry is nothing to compare with. With `repair` records that differ are stored as the node
/// has them.
pub(super) async fn compare(
    store: &Store,
    sources: &SourceSet,
    checkpoint: &Checkpoint,
    report: &mut VerifyReport,
    repair: bool,
) -> Result<(), StoreError> {
    let synced = store.feed_checkpoint(Feed::Identity).await?.height.min(checkpoint.height);
    let (Ok(synced), Some(hash)) = (Height::try_from(synced), checkpoint.tip_hash()) else {
        return Ok(());
    };
    let Some(source) = sources.usable().first().and_then(|index| sources.source(*index)) else {
        return Ok(());
    };
    let mut listed = HashSet::new();
    let mut walk = Walk::new(0, synced, LIMIT_MAX);
    loop {
        let (from, limit) = walk.ask();
        let page = match source.registry_updates(from, limit).await {
            Ok(page) => page,
            Err(error) if error.is_unknown_method() => return Ok(()),
            Err(error) => {
                report.node_error = Some(error);
                return Ok(());
            }
        };
        let step = walk.take(&shape(&page));
        let mut known: Vec<IdentityRecord> = Vec::with_capacity(page.updates.len());
        for update in page.updates {
            match update {
                Ok(record) => {
                    listed.insert(record.identity_id);
                    known.push(record);
                }
                Err(bad) => listed.extend(id_of(&bad)),
            }
        }
        known.retain(|record| record.height <= synced);
        report.identities_compared += known.len() as u64;
        let differing = store.find_differing_records(&known).await?;
        report.identities_differing += differing.len() as u64;
        if repair && !differing.is_empty() {
            let commit = RegistryCommit {
                under: (checkpoint.tip().unwrap_or(synced), hash.as_bytes()),
                records: &known,
                rejected: &[],
                synced_to: synced,
                now_s: crate::wall_clock_ms() / 1_000,
            };
            store.put_registry(&commit).await?;
        }
        if matches!(step, Step::Done | Step::Lagging) {
            break;
        }
    }
    report.identities_unknown = unknown(store, &listed, synced).await?;
    Ok(())
}

/// The identity that a record is of which nothing else can be understood.
fn id_of(bad: &Rejected) -> Option<IdentityId> {
    let id = bad.key.split('@').next()?;
    IdentityId::parse(id).ok()
}

/// Stored identities that the node did not list.
async fn unknown(
    store: &Store,
    listed: &HashSet<IdentityId>,
    synced: Height,
) -> Result<u64, StoreError> {
    let mut unknown = 0;
    let mut after: Option<IdentityId> = None;
    loop {
        let page = store.list_identity_ids(after.as_ref(), synced, IDS_AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(unknown) };
        after = Some(*last);
        unknown += page.iter().filter(|id| !listed.contains(id)).count() as u64;
    }
}
