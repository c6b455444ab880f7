//! `chert verify`: the store against itself, and against a node, with repair.

mod identities;

use std::time::Duration;

use chert_sources::{FetchLimits, Fetcher, SourceError, SourceSet};
use chert_store::entities::block::stored_block;
use chert_store::{Finding, PoolSettings, Store, StoreError, VerifyScope, Writer};
use silica_models::{Block, Height};
use std::sync::Arc;

use crate::settings::{BATCH_TRANSACTIONS, BULK_BATCH_BLOCKS, IndexerSettings, PAGES_AT_ONCE_MAX};

const RETRY: Duration = Duration::from_millis(500);
/// Failed fetches in a row after which the comparison with the node is given up.
const FAILURES_MAX: u32 = 20;
/// Differing blocks listed by height; the rest is counted.
const LISTED_MAX: usize = 20;

/// A block that is stored differently from what the node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFinding {
    /// Its height.
    pub height: Height,
    /// Which part differs.
    pub part: &'static str,
}

/// What `verify` found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Height up to which the store was checked; −1 for an empty one.
    pub height: i64,
    /// Rules broken inside the store.
    pub findings: Vec<Finding>,
    /// Blocks compared with the node.
    pub compared: u64,
    /// Blocks that differ from the node's; the first 20 are listed.
    pub differing: Vec<NodeFinding>,
    /// Number of blocks that differ.
    pub differing_count: u64,
    /// Identity records compared with the node's registry.
    pub identities_compared: u64,
    /// Of these, records that are not stored as the node has them.
    pub identities_differing: u64,
    /// Stored identities that the node does not have.
    pub identities_unknown: u64,
    /// Why the comparison with the node ended early, if it did.
    pub node_error: Option<SourceError>,
    /// A repair was made.
    pub repaired: bool,
    /// Rules still broken after the repair.
    pub remaining: Vec<Finding>,
}

impl VerifyReport {
    /// `true` when nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
            && self.differing_count == 0
            && self.identities_differing == 0
            && self.identities_unknown == 0
            && self.node_error.is_none()
    }

    /// `true` when a repair left nothing wrong.
    pub fn is_repaired(&self) -> bool {
        self.repaired
            && self.remaining.is_empty()
            && self.identities_unknown == 0
            && self.node_error.is_none()
    }
}

/// Checks the store; with `sources` every stored block is compared with the node's; with `repair`
/// what differs is replaced and derived tables are rebuilt, which needs the indexer to be stopped.
pub async fn verify(
    database: &PoolSettings,
    sources: Option<SourceSet>,
    settings: &IndexerSettings,
    repair: bool,
    mut on_progress: impl FnMut(Height, Height),
) -> Result<VerifyReport, StoreError> {
    let store = Store::connect_lazy(database)?;
    let mut writer = match repair {
        true => Some(Writer::open(database, settings.finality_depth).await?),
        false => None,
    };
    let (checkpoint, findings) = store.verify(VerifyScope::Derived).await?;
    let mut report = VerifyReport { height: checkpoint.height, findings, ..Default::default() };
    if let (Some(sources), Some(tip)) = (sources, checkpoint.tip()) {
        let first = store.first_height().await?;
        let sources = Arc::new(sources);
        let blocks = Arc::clone(&sources);
        compare(&store, blocks, (first, tip), &mut report, writer.as_mut(), &mut on_progress)
            .await?;
        identities::compare(&store, &sources, &checkpoint, &mut report, repair).await?;
    }
    if let Some(writer) = writer.as_mut()
        && !report.is_clean()
    {
        writer.repair_derived().await?;
        report.repaired = true;
        report.remaining = store.verify(VerifyScope::Derived).await?.1;
    }
    Ok(report)
}

async fn compare(
    store: &Store,
    sources: Arc<SourceSet>,
    (first, tip): (Height, Height),
    report: &mut VerifyReport,
    mut writer: Option<&mut Writer>,
    on_progress: &mut impl FnMut(Height, Height),
) -> Result<(), StoreError> {
    let limits = FetchLimits {
        page_blocks_max: BULK_BATCH_BLOCKS,
        page_transactions: BATCH_TRANSACTIONS,
        pages_max: PAGES_AT_ONCE_MAX,
    };
    let mut fetcher = Fetcher::new(sources, limits, first, tip, |blocks| blocks);
    let mut failures = 0;
    loop {
        let blocks = match fetcher.next_page().await {
            Ok(Some((_, blocks))) => blocks,
            Ok(None) => return Ok(()),
            Err(error) if failures < FAILURES_MAX => {
                tracing::debug!(%error, "asking again");
                failures += 1;
                tokio::time::sleep(RETRY).await;
                continue;
            }
            Err(error) => {
                report.node_error = Some(error);
                return Ok(());
            }
        };
        failures = 0;
        let mut wrong: Vec<Block> = Vec::new();
        for block in blocks {
            report.compared += 1;
            on_progress(block.height, tip);
            let stored = stored_block(store, block.height).await?;
            let Some(part) = difference(stored.as_ref(), &block) else { continue };
            report.differing_count += 1;
            if report.differing.len() < LISTED_MAX {
                report.differing.push(NodeFinding { height: block.height, part });
            }
            wrong.push(block);
        }
        if let (Some(writer), false) = (writer.as_deref_mut(), wrong.is_empty()) {
            writer.replace_blocks(&wrong, crate::wall_clock_ms() / 1_000).await?;
        }
    }
}

/// The first part in which a stored block differs from the node's.
fn difference(stored: Option<&Block>, node: &Block) -> Option<&'static str> {
    let Some(stored) = stored else { return Some("missing") };
    if stored.hash != node.hash {
        return Some("hash");
    }
    let header = Block { transactions: Vec::new(), unreadable: Vec::new(), ..node.clone() };
    let stored_header = Block {
        transactions: Vec::new(),
        unreadable: Vec::new(),
        declared_tx_count: node.declared_tx_count,
        ..stored.clone()
    };
    if !same_json(&header.shard_commitments, &stored_header.shard_commitments)
        || (Block { shard_commitments: None, ..header })
            != (Block { shard_commitments: None, ..stored_header })
    {
        return Some("header");
    }
    if stored.unreadable != node.unreadable {
        return Some("quarantine");
    }
    let same = stored.transactions.len() == node.transactions.len()
        && stored.transactions.iter().zip(&node.transactions).all(|(a, b)| {
            let mut b = b.clone();
            let payload = same_json(&a.payload, &b.payload);
            b.payload.clone_from(&a.payload);
            payload && *a == b
        });
    (!same).then_some("transactions")
}

/// JSONB keeps values, not spelling.
fn same_json(a: &Option<String>, b: &Option<String>) -> bool {
    let parse = |t: &Option<String>| -> Option<serde_json::Value> {
        t.as_deref().and_then(|t| serde_json::from_str(t).ok())
    };
    parse(a) == parse(b)
}
