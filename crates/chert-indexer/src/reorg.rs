//! Believing a reorganisation, or not.
//!
//! A branch counts when it has been fetched back to a block that is stored, every link checked.
//! Whether it is then followed is decided by [`decide`], a pure function.

use std::sync::Arc;
use std::time::Duration;

use chert_sources::{Fault, NodeSource, SourceError};
use chert_store::{StoreError, Writer};
use silica_models::{Block, Height};

use crate::settings::REORG_DEPTH_MAX;

/// First step of the walk back; each further step is twice as long.
const WALK_FIRST: u64 = 16;
const WALK_MAX: u64 = 512;

/// A competing branch, proven down to its common ancestor with the stored chain.
#[derive(Debug)]
pub struct Branch {
    /// Highest block that both chains have.
    pub ancestor: Height,
    /// The branch from `ancestor + 1` on, linked, up to the bound asked for.
    pub blocks: Vec<Block>,
    /// Tip of the branch as its node reports it.
    pub tip: Height,
}

/// Outcome of the walk back.
#[derive(Debug)]
pub enum Walk {
    /// The branch meets the stored chain.
    Proven(Branch),
    /// The source has the stored tip after all: what looked like a branch was a bad answer.
    SameChain,
    /// No common block within the allowed depth, or none at all.
    NoAncestor {
        /// Lowest height compared.
        down_to: Height,
    },
}

/// Facts about a proven branch.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Height of the stored tip.
    pub stored_tip: Height,
    /// Highest block that must not go; `None` where nothing is final yet.
    pub finalized: Option<Height>,
    /// Common ancestor.
    pub ancestor: Height,
    /// Tip of the branch.
    pub branch_tip: Height,
    /// Best tip among other nodes that still serve the stored tip.
    pub vouched_tip: Option<Height>,
    /// How long this source has been proving a shorter branch.
    pub shorter_for: Duration,
    /// How long that must last.
    pub patience: Duration,
    /// An operator allows what is below finalized.
    pub allow_deep: bool,
}

/// What to do about a proven branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Unwind to the ancestor and apply the branch.
    Follow,
    /// Another node vouches for the stored chain: keep serving, count it, wait.
    Disagreement,
    /// The branch is shorter and may only be a node that is syncing: wait.
    Shorter,
    /// Below finalized: an operator has to allow it.
    TooDeep,
}

/// Decides by the rules of ARCHITECTURE, invariant 3.
pub fn decide(facts: &Facts) -> Verdict {
    if facts.finalized.is_some_and(|f| facts.ancestor < f) && !facts.allow_deep {
        return Verdict::TooDeep;
    }
    if facts.vouched_tip.is_some_and(|tip| tip >= facts.branch_tip) {
        return Verdict::Disagreement;
    }
    if facts.branch_tip < facts.stored_tip && facts.shorter_for < facts.patience {
        return Verdict::Shorter;
    }
    Verdict::Follow
}

/// Walks a source's branch back from below `top` to the common ancestor, then fetches the branch
/// up to `top`.
pub async fn walk_back(
    writer: &mut Writer,
    source: &Arc<dyn NodeSource>,
    branch_tip: Height,
    top: Height,
    allow_deep: bool,
) -> Result<Result<Walk, SourceError>, StoreError> {
    let (start, _) = writer.origin().await?;
    let Some(stored_tip) = writer.checkpoint().tip() else { return Ok(Ok(Walk::SameChain)) };
    let finalized = u64::try_from(writer.checkpoint().finalized_height).unwrap_or(start);
    let floor = if allow_deep { stored_tip.saturating_sub(REORG_DEPTH_MAX) } else { finalized };
    let floor = floor.max(start);
    let mut branch: Vec<Block> = Vec::new();
    let mut high = branch_tip.min(stored_tip);
    let mut step = WALK_FIRST;
    loop {
        if high < floor {
            return Ok(Ok(Walk::NoAncestor { down_to: floor }));
        }
        let low = floor.max((high + 1).saturating_sub(step));
        let mut page = match source.blocks(low, high).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        if let (Some(last), Some(first)) = (page.last(), branch.first())
            && first.parent_hash.as_ref() != Some(&last.hash)
        {
            return Ok(Err(SourceError::new(Fault::BadBlocks, "the branch changed while read")));
        }
        let mut common = None;
        for block in page.iter().rev() {
            if writer.find_hash(block.height).await?.as_ref() == Some(&block.hash) {
                common = Some(block.height);
                break;
            }
        }
        if let Some(ancestor) = common {
            page.retain(|b| b.height > ancestor);
            page.append(&mut branch);
            return finish(source, ancestor, page, stored_tip, branch_tip, top).await;
        }
        page.append(&mut branch);
        branch = page;
        let Some(next) = low.checked_sub(1) else {
            return Ok(Ok(Walk::NoAncestor { down_to: 0 }));
        };
        high = next;
        step = (step * 2).min(WALK_MAX);
    }
}

async fn finish(
    source: &Arc<dyn NodeSource>,
    ancestor: Height,
    mut blocks: Vec<Block>,
    stored_tip: Height,
    branch_tip: Height,
    top: Height,
) -> Result<Result<Walk, SourceError>, StoreError> {
    if ancestor == stored_tip {
        return Ok(Ok(Walk::SameChain));
    }
    let next = ancestor + 1 + blocks.len() as u64;
    let last = top.min(branch_tip);
    if next <= last {
        let more = match source.blocks(next, last).await {
            Ok(more) => more,
            Err(error) => return Ok(Err(error)),
        };
        let links = match (blocks.last(), more.first()) {
            (Some(below), Some(above)) => above.parent_hash.as_ref() == Some(&below.hash),
            _ => true,
        };
        if !links {
            return Ok(Err(SourceError::new(Fault::BadBlocks, "the branch changed while read")));
        }
        blocks.extend(more);
    }
    Ok(Ok(Walk::Proven(Branch { ancestor, blocks, tip: branch_tip })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts {
        stored_tip: 100,
        finalized: Some(88),
        ancestor: 95,
        branch_tip: 101,
        vouched_tip: None,
        shorter_for: Duration::ZERO,
        patience: Duration::from_secs(30),
        allow_deep: false,
    };

    #[test]
    fn verdicts() {
        assert_eq!(decide(&FACTS), Verdict::Follow);
        assert_eq!(decide(&Facts { ancestor: 88, ..FACTS }), Verdict::Follow);
        assert_eq!(decide(&Facts { ancestor: 87, ..FACTS }), Verdict::TooDeep);
        assert_eq!(decide(&Facts { ancestor: 87, allow_deep: true, ..FACTS }), Verdict::Follow);
        assert_eq!(decide(&Facts { vouched_tip: Some(101), ..FACTS }), Verdict::Disagreement);
        assert_eq!(decide(&Facts { vouched_tip: Some(100), ..FACTS }), Verdict::Follow);
        let shorter = Facts { branch_tip: 99, ..FACTS };
        assert_eq!(decide(&shorter), Verdict::Shorter);
        assert_eq!(decide(&Facts { shorter_for: FACTS.patience, ..shorter }), Verdict::Follow);
    }
}
