//! Deciding, without doing: what a round does, given the checkpoint and the tips just reported.

use chert_sources::Tip;
use chert_store::Checkpoint;
use silica_models::Height;

/// What a round does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// No node answered.
    Wait,
    /// The chain has not reached the first block to index.
    NotThereYet,
    /// Fetch `first..=last`, which `source` and perhaps others have.
    Extend {
        /// A source with the best tip.
        source: usize,
        /// First block to fetch.
        first: Height,
        /// Last block to fetch.
        last: Height,
    },
    /// Compare the hash of the tip with that of `source`, whose tip is as high.
    CheckTip {
        /// The source.
        source: usize,
    },
    /// Every tip is below the checkpoint: look at what `source` has at its own tip.
    CheckLower {
        /// The source with the highest of the lower tips.
        source: usize,
        /// That tip.
        height: Height,
    },
}

/// Chooses. `tips` are those of usable sources, best source first among equals.
pub fn plan(checkpoint: &Checkpoint, start: Height, tips: &[(usize, Tip)]) -> Plan {
    let best = tips.iter().rev().max_by_key(|(_, tip)| tip.height);
    let Some((source, tip)) = best.map(|(source, tip)| (*source, tip.height)) else {
        return Plan::Wait;
    };
    let Some(height) = checkpoint.tip() else {
        if tip < start {
            return Plan::NotThereYet;
        }
        return Plan::Extend { source, first: start, last: tip };
    };
    match tip.cmp(&height) {
        std::cmp::Ordering::Greater => Plan::Extend { source, first: height + 1, last: tip },
        std::cmp::Ordering::Equal => Plan::CheckTip { source },
        std::cmp::Ordering::Less => Plan::CheckLower { source, height: tip },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(height: i64) -> Checkpoint {
        Checkpoint {
            height,
            hash: if height < 0 { vec![] } else { vec![1] },
            tip_time_ms: 0,
            finalized_height: -1,
            finality_depth: 12,
            node_height: -1,
            bulk: false,
        }
    }

    fn check(height: i64, start: u64, tips: &[u64], expected: Plan) {
        let tips: Vec<_> = tips.iter().enumerate().map(|(i, h)| (i, Tip { height: *h })).collect();
        assert_eq!(plan(&at(height), start, &tips), expected);
    }

    #[test]
    fn rounds() {
        check(5, 0, &[], Plan::Wait);
        check(-1, 10, &[9], Plan::NotThereYet);
        check(-1, 10, &[12, 12], Plan::Extend { source: 0, first: 10, last: 12 });
        check(5, 0, &[4, 7], Plan::Extend { source: 1, first: 6, last: 7 });
        check(5, 0, &[5, 4], Plan::CheckTip { source: 0 });
        check(5, 0, &[3, 4], Plan::CheckLower { source: 1, height: 4 });
    }
}
