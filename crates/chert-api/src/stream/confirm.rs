//! `min_confirmations`: which events about a block wait, which are delivered, which never.
//!
//! The answer depends on the log alone: an applied block is *confirmed* when, before its
//! retraction, another block is applied so high above it that it has the confirmations asked for. A
//! confirmed block's events are delivered, its retraction (should it still come) as well; of a block
//! that is retracted before, neither. Everything stays in the order of `seq`, so that the position
//! of a reader is one number, and every instance decides alike.

use std::collections::VecDeque;

use super::EventType;

/// Block events that are remembered from before the oldest event that may be asked about. A
/// retraction looks back to the block's application, or to any block high enough above it: no more
/// than the confirmations asked for, and what reorganisations among these blocks repeated.
pub(super) const MARKS_BEFORE: usize = 1_024;
/// Confirmations that may be asked for.
pub(super) const CONFIRMATIONS_MAX: u16 = 100;

const _: () = assert!(MARKS_BEFORE > 4 * CONFIRMATIONS_MAX as usize);

/// A block applied or retracted, and the numbers of all events that it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockMark {
    /// First number.
    pub(super) first: i64,
    /// Last number.
    pub(super) last: i64,
    /// Applied, else retracted.
    pub(super) applied: bool,
    /// The block's height.
    pub(super) height: i64,
    /// Nothing of the block follows: a retraction ends with the block itself.
    pub(super) closed: bool,
}

/// Whether an event is about a block or its transactions.
pub(super) fn is_of_block(kind: EventType) -> bool {
    kind.is_transaction() || matches!(kind, EventType::BlockApplied | EventType::BlockRetracted)
}

/// What to do with an event about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Deliver it.
    Deliver,
    /// Never deliver it.
    Skip,
    /// The log does not say yet.
    Wait,
}

/// Block events in the order of the log: the latest, or those that decide about a page.
#[derive(Debug, Default)]
pub(super) struct Ledger(VecDeque<BlockMark>);

impl Ledger {
    /// A ledger of marks in the order of the log.
    pub(super) fn new(marks: impl IntoIterator<Item = BlockMark>) -> Self {
        Self(marks.into_iter().collect())
    }

    /// Adds the next mark of the log, or more of the latest, and forgets the oldest beyond
    /// `marks_max`.
    pub(super) fn push(&mut self, mark: BlockMark, marks_max: usize) {
        match self.0.back_mut() {
            Some(back) if back.first == mark.first => *back = mark,
            _ => self.0.push_back(mark),
        }
        if self.0.len() > marks_max {
            self.0.pop_front();
        }
    }

    /// What is to be done with the event `seq` for a reader who asks for `confirmations`. Events
    /// that are not about a block are delivered.
    pub(super) fn verdict(&self, seq: i64, confirmations: u16) -> Verdict {
        if confirmations <= 1 {
            return Verdict::Deliver;
        }
        let at = self.0.partition_point(|mark| mark.last < seq);
        let Some(mark) = self.0.get(at).filter(|mark| mark.first <= seq) else {
            return Verdict::Deliver;
        };
        let enough = mark.height.saturating_add(i64::from(confirmations) - 1);
        if mark.applied { self.of_applied(at, enough) } else { self.of_retracted(at, enough) }
    }

    fn of_applied(&self, at: usize, enough: i64) -> Verdict {
        let height = self.0.get(at).map(|mark| mark.height);
        for later in self.0.iter().skip(at + 1) {
            if later.applied && later.height >= enough {
                return Verdict::Deliver;
            }
            if !later.applied && Some(later.height) == height {
                return Verdict::Skip;
            }
        }
        Verdict::Wait
    }

    /// Whether the block was confirmed between its application, which the log may not hold any more
    /// or never held, and its retraction.
    fn of_retracted(&self, at: usize, enough: i64) -> Verdict {
        let height = self.0.get(at).map(|mark| mark.height);
        for earlier in self.0.iter().take(at).rev() {
            if earlier.height >= enough {
                return Verdict::Deliver;
            }
            if earlier.applied && Some(earlier.height) == height {
                return Verdict::Skip;
            }
        }
        Verdict::Skip
    }

    /// Number of the first event after `after` that has to wait. Only blocks at `from_height` and
    /// above can.
    pub(super) fn first_waiting(
        &self,
        after: i64,
        confirmations: u16,
        from_height: i64,
    ) -> Option<i64> {
        let from = self.0.partition_point(|mark| mark.last <= after);
        let high = self.0.iter().skip(from).filter(|mark| mark.height >= from_height);
        let mut numbers = high.map(|mark| mark.first.max(after + 1));
        numbers.find(|seq| self.verdict(*seq, confirmations) == Verdict::Wait)
    }

    /// The latest mark.
    pub(super) fn newest(&self) -> Option<&BlockMark> {
        self.0.back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A log of blocks: each word applies (`+`) the next height or retracts (`-`) the newest.
    fn ledger(script: &str) -> Ledger {
        let (mut height, mut marks) = (0, Vec::new());
        for (place, step) in script.chars().enumerate() {
            let first = i64::try_from(place).unwrap_or(i64::MAX) * 10 + 1;
            let applied = step == '+';
            height += i64::from(applied);
            marks.push(BlockMark { first, last: first + 9, applied, height, closed: true });
            height -= i64::from(!applied);
        }
        Ledger::new(marks)
    }

    fn verdicts(script: &str, confirmations: u16) -> String {
        let ledger = ledger(script);
        let word = |place: usize| {
            // The last event of each mark stands for all of them.
            let seq = i64::try_from(place).unwrap_or(i64::MAX) * 10 + 10;
            match ledger.verdict(seq, confirmations) {
                Verdict::Deliver => 'd',
                Verdict::Skip => 's',
                Verdict::Wait => 'w',
            }
        };
        (0..script.len()).map(word).collect()
    }

    #[test]
    fn blocks_wait_and_what_is_taken_back_early_is_never_seen() {
        assert_eq!(verdicts("+++", 1), "ddd");
        assert_eq!(verdicts("+++", 2), "ddw");
        assert_eq!(verdicts("+++-+", 2), "ddssw");
        assert_eq!(verdicts("+++-+", 3), "dwssw");
        // Block 2 had two confirmations before it went; block 3 had one.
        assert_eq!(verdicts("+++--+", 2), "ddssdw");
    }

    proptest! {
        /// A reader who folds what is delivered never sees a block with too few confirmations, and
        /// what it holds at the end is the chain without its newest blocks.
        #[test]
        fn folding_what_is_delivered_gives_the_confirmed_chain(
            steps in proptest::collection::vec(0_u8..5, 1..200), confirmations in 1_u16..8,
        ) {
            let mut script = String::new();
            let mut height = 0;
            for step in steps {
                let back = step == 0 && height > 0;
                height += if back { -1 } else { 1 };
                script.push(if back { '-' } else { '+' });
            }
            let words = verdicts(&script, confirmations);
            let (mut chain, mut seen): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
            let mut waits = false;
            for (place, (step, word)) in script.chars().zip(words.chars()).enumerate() {
                let block = if step == '+' { chain.push(place); Some(place) } else { chain.pop() };
                waits |= word == 'w';
                if word != 'd' || waits { continue }
                if step == '+' { seen.extend(block) } else { prop_assert_eq!(seen.pop(), block) }
            }
            let confirmed = chain.len().saturating_sub(usize::from(confirmations) - 1);
            prop_assert!(seen.len() >= confirmed, "{script} {words}");
            prop_assert_eq!(&seen[..], &chain[..seen.len().min(chain.len())], "{} {}", script, words);
        }
    }
}
