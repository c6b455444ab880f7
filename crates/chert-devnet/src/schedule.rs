//! Heights at which something happens: dense over the first blocks, where tests live, and sparse
//! above them, so that a million blocks stay cheap to read.

/// Slots are numbered from 1; slot `n` stands at one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Blocks between two of the first slots.
    pub(crate) every: u64,
    /// How many slots are that close.
    pub(crate) dense: u64,
    /// Blocks between two of the slots after them.
    pub(crate) sparse: u64,
}

impl Schedule {
    pub(crate) fn height(self, slot: u64) -> u64 {
        let dense = slot.min(self.dense);
        dense.saturating_mul(self.every).saturating_add((slot - dense).saturating_mul(self.sparse))
    }

    /// The last slot that does not stand above a height; 0 for none.
    pub(crate) fn last_at(self, height: u64) -> u64 {
        let dense_top = self.dense * self.every;
        match height.checked_sub(dense_top) {
            None => height / self.every,
            Some(above) => self.dense + above / self.sparse,
        }
    }

    /// The slot that stands exactly there.
    pub(crate) fn slot_at(self, height: u64) -> Option<u64> {
        let slot = self.last_at(height);
        (slot > 0 && self.height(slot) == height).then_some(slot)
    }

    /// The lowest height from this one on at which a slot stands.
    pub(crate) fn next_height(self, height: u64) -> u64 {
        match self.slot_at(height) {
            Some(_) => height,
            None => self.height(self.last_at(height) + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_heights_belong_together() {
        let schedule = Schedule { every: 3, dense: 4, sparse: 10 };
        let heights: Vec<u64> = (0..=50).filter(|h| schedule.slot_at(*h).is_some()).collect();
        assert_eq!(heights, [3, 6, 9, 12, 22, 32, 42]);
        assert_eq!((schedule.last_at(2), schedule.last_at(12), schedule.last_at(21)), (0, 4, 4));
        for height in 0..=42 {
            let next = *heights.iter().find(|h| **h >= height).unwrap();
            assert_eq!(schedule.next_height(height), next);
        }
    }
}
