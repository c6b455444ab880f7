//! Which page of the registry to ask for next, so that nothing is lost (contract node-rpc §11 rows
//! 35 to 37), as a pure function of the pages so far.
//!
//! Nodes cut pages differently: some at the end of a block, some inside one, some say how far a
//! page reaches and mean the block it was cut in. Pages are taken to be in the order of blocks;
//! then a full page is complete below the block of its last record, whatever the node says.

use silica_models::Height;

/// Most records that may be asked for.
pub(crate) const LIMIT_MAX: u32 = 1_024;

/// What matters of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageShape {
    /// Records in it, understood or not.
    pub(crate) len: usize,
    /// Blocks of the records, where they tell one.
    pub(crate) heights: Vec<Height>,
    /// How far the node says the page reaches.
    pub(crate) latest_block: Height,
}

impl PageShape {
    /// Records of one block.
    fn count(&self, height: Height) -> usize {
        self.heights.iter().filter(|h| **h == height).count()
    }
}

/// How to go on after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask for the next page.
    Again,
    /// As above; the node cannot show all of a block in one page, and what it did not show is lost
    /// to us.
    Skipped(Height),
    /// Everything up to the tip is in.
    Done,
    /// The node's registry has not come further.
    Lagging,
}

/// A walk through the registry up to a tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Everything below is in.
    next: Height,
    /// Everything of `next` itself is in, too.
    next_done: bool,
    tip: Height,
    limit: u32,
    /// Records of `next` on the page that was cut inside it: an inclusive node must show them again.
    cut: usize,
    /// The node leaves out `from_block` itself.
    exclusive: bool,
}

impl Walk {
    /// A walk that begins with `from`, which is read (again), and ends with `tip`.
    pub(crate) fn new(from: Height, tip: Height, limit: u32) -> Self {
        let limit = limit.clamp(1, LIMIT_MAX);
        Self { next: from.min(tip), next_done: false, tip, limit, cut: 0, exclusive: false }
    }

    /// First block and number of records to ask for.
    pub(crate) fn ask(&self) -> (Height, u32) {
        (self.next.saturating_sub(u64::from(self.exclusive)), self.limit)
    }

    /// Highest block up to which everything is in; `None` where not even the first one is.
    pub(crate) fn covered(&self) -> Option<Height> {
        if self.next_done { Some(self.next) } else { self.next.checked_sub(1) }
    }

    /// Takes a page that was asked for with [`Walk::ask`].
    pub(crate) fn take(&mut self, page: &PageShape) -> Step {
        if !self.exclusive && page.count(self.next) < self.cut {
            self.exclusive = true;
            return Step::Again;
        }
        if page.len >= usize::try_from(self.limit).unwrap_or(usize::MAX) {
            self.take_full(page)
        } else {
            self.take_rest(page)
        }
    }

    fn take_full(&mut self, page: &PageShape) -> Step {
        match page.heights.iter().max().copied() {
            Some(highest) if highest > self.tip => self.advance(self.tip, true),
            Some(highest) if highest > self.next => {
                self.cut = page.count(highest);
                self.advance(highest, false)
            }
            _ if self.limit < LIMIT_MAX => self.raise(),
            _ => {
                let lost = self.next;
                self.cut = 0;
                match self.advance(lost.saturating_add(1).min(self.tip), lost >= self.tip) {
                    Step::Done => Step::Done,
                    _ => Step::Skipped(lost),
                }
            }
        }
    }

    /// A page with room left holds all up to the block the node names.
    fn take_rest(&mut self, page: &PageShape) -> Step {
        self.cut = 0;
        let latest = page.latest_block.min(self.tip);
        if latest == self.tip || latest > self.next {
            return self.advance(latest, true);
        }
        // Where we asked from one block further down, the page may hold no more than that block.
        let asked = self.ask().0;
        if latest < asked {
            return Step::Lagging;
        }
        self.next_done |= latest == self.next;
        // A node that cuts at the ends of blocks shows nothing of a block that has no room.
        if self.limit < LIMIT_MAX { self.raise() } else { Step::Lagging }
    }

    fn advance(&mut self, to: Height, done: bool) -> Step {
        self.next = to;
        self.next_done = done;
        if done && to == self.tip { Step::Done } else { Step::Again }
    }

    fn raise(&mut self) -> Step {
        self.limit = self.limit.saturating_mul(2).min(LIMIT_MAX);
        Step::Again
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A registry: blocks of its records in order, and its habits.
    #[derive(Debug, Clone)]
    struct Node {
        heights: Vec<Height>,
        tip: Height,
        /// Pages end with whole blocks where one fits.
        whole_blocks: bool,
        /// `latest_block` of a full page is the node's tip rather than the last block shown.
        boasts: bool,
        exclusive: bool,
        /// Old records that begin every page.
        repeats: usize,
    }

    impl Node {
        /// Numbers of the records on a page, and how far it says to reach.
        fn page(&self, from: Height, limit: u32) -> (Vec<usize>, Height) {
            let limit = usize::try_from(limit).unwrap();
            let wanted = |h: Height| if self.exclusive { h > from } else { h >= from };
            let fresh: Vec<usize> =
                (0..self.heights.len()).filter(|i| wanted(self.heights[*i])).collect();
            let old = (0..self.heights.len()).filter(|i| !wanted(self.heights[*i]));
            let mut page: Vec<usize> = old.take(self.repeats.min(limit / 4)).collect();
            let room = limit - page.len();
            if fresh.len() <= room {
                page.extend(fresh);
                return (page, self.tip);
            }
            let mut shown = &fresh[..room];
            let last = self.heights[shown[room - 1]];
            let mut latest = last;
            if self.whole_blocks && self.heights[fresh[room]] == last {
                let whole = shown.iter().filter(|i| self.heights[**i] < last).count();
                if whole > 0 {
                    shown = &shown[..whole];
                    latest = last - 1;
                }
            }
            page.extend(shown);
            // A page with room left that says it reaches the tip would be a lie nobody can see.
            let full = page.len() >= limit;
            (page, if self.boasts && full { self.tip } else { latest })
        }
    }

    /// Walks to the end; the records seen and the steps it took.
    fn walk(node: &Node, from: Height, tip: Height, limit: u32) -> (BTreeSet<usize>, Vec<Step>) {
        let mut walk = Walk::new(from, tip, limit);
        let first = from + u64::from(node.exclusive);
        let mut seen = BTreeSet::new();
        let mut steps = Vec::new();
        for _ in 0..20_000 {
            let (from, limit) = walk.ask();
            let before = walk.covered();
            let (page, latest_block) = node.page(from, limit);
            let heights = page.iter().map(|i| node.heights[*i]).collect();
            let shape = PageShape { len: page.len(), heights, latest_block };
            seen.extend(page);
            steps.push(walk.take(&shape));
            assert!(walk.covered() >= before, "progress is never lost");
            if let Some(covered) = walk.covered() {
                assert!(covered <= tip);
                let skipped = steps.iter().any(|s| matches!(s, Step::Skipped(_)));
                let all = (0..node.heights.len())
                    .filter(|i| (first..=covered).contains(&node.heights[*i]))
                    .all(|i| seen.contains(&i));
                assert!(skipped || all, "what is said to be in is in");
            }
            if matches!(steps.last(), Some(Step::Done | Step::Lagging)) {
                return (seen, steps);
            }
        }
        panic!("the walk does not end: {:?}", steps.last());
    }

    fn blocks(sizes: &[usize]) -> Vec<Height> {
        let block = |(height, size): (usize, &usize)| vec![height as Height + 1; *size];
        sizes.iter().enumerate().flat_map(block).collect()
    }

    fn node(sizes: &[usize]) -> Node {
        let heights = blocks(sizes);
        let tip = heights.last().copied().unwrap_or(0) + 5;
        Node { heights, tip, whole_blocks: false, boasts: false, exclusive: false, repeats: 0 }
    }

    #[test]
    fn a_block_larger_than_the_page_raises_the_limit() {
        let node = node(&[1, 300, 3]);
        let (seen, steps) = walk(&node, 0, node.tip, 128);
        assert_eq!(seen.len(), 304);
        assert_eq!(steps.last(), Some(&Step::Done));
    }

    #[test]
    fn a_block_larger_than_any_page_is_skipped_and_the_rest_is_read() {
        let node = node(&[2, 1_500, 4]);
        let (seen, steps) = walk(&node, 0, node.tip, 128);
        assert!(steps.contains(&Step::Skipped(2)), "{steps:?}");
        assert_eq!(steps.last(), Some(&Step::Done));
        assert_eq!(seen.iter().filter(|i| node.heights[**i] == 3).count(), 4);
    }

    #[test]
    fn full_page_says_nothing_of_the_block_it_ends_with() {
        let mut walk = Walk::new(10, 100, 4);
        let shape = PageShape { len: 4, heights: vec![10, 11, 12, 12], latest_block: 100 };
        assert_eq!(walk.take(&shape), Step::Again);
        assert_eq!((walk.ask(), walk.covered()), ((12, 4), Some(11)));
    }

    #[test]
    fn node_that_leaves_out_the_first_block_is_found_out() {
        let mut walk = Walk::new(10, 100, 4);
        walk.take(&PageShape { len: 4, heights: vec![11, 12, 12, 12], latest_block: 12 });
        walk.take(&PageShape { len: 2, heights: vec![13, 14], latest_block: 100 });
        assert_eq!(walk.ask(), (11, 4));
    }

    #[test]
    fn what_goes_backwards_moves_nothing() {
        let mut walk = Walk::new(10, 100, 4);
        let shape = PageShape { len: 1, heights: vec![3], latest_block: 9 };
        assert_eq!(walk.take(&shape), Step::Lagging);
        assert_eq!(walk.covered(), Some(9));
    }

    #[test]
    fn records_above_the_tip_end_the_walk_at_the_tip() {
        let mut walk = Walk::new(10, 12, 4);
        let shape = PageShape { len: 4, heights: vec![11, 12, 13, 13], latest_block: 13 };
        assert_eq!((walk.take(&shape), walk.covered()), (Step::Done, Some(12)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            sizes in proptest::collection::vec(0_usize..60, 1..40),
            habits in any::<[bool; 3]>(),
            repeats in 0_usize..6,
            limit in 1_u32..80,
            from in 0_u64..20,
            below in 0_u64..10,
        ) {
            let [whole_blocks, boasts, exclusive] = habits;
            let node = Node { whole_blocks, boasts, exclusive, repeats, ..node(&sizes) };
            let tip = node.tip.saturating_sub(below);
            let (seen, steps) = walk(&node, from, tip, limit);
            prop_assert_eq!(steps.last(), Some(&Step::Done));
            let first = from.min(tip) + u64::from(exclusive);
            for (number, height) in node.heights.iter().enumerate() {
                if (first..=tip).contains(height) {
                    prop_assert!(seen.contains(&number), "record {} of block {}", number, height);
                }
            }
        }
    }
}
