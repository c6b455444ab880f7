//! The figures of all contributors, as boards read them.
//!
//! A board reads one or two of seven windows, of everybody, and 48 boards are made at once: so each
//! window is kept by itself, and everybody in the order that decides between equals.

use super::board::{Board, Metric, Timeframe};
use super::figure::Figure;
use crate::StoreError;

/// Contributors to a kind of work at most: ranks and indices are 32 bits.
const INDEX_MAX: usize = u32::MAX as usize;

/// An index as the language wants it.
pub(super) fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// What a contributor did in a stretch of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub tasks: i64,
    pub credits: Figure,
    pub rewards: Figure,
}

/// A row of `pouw_scores`.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub subject: Vec<u8>,
    /// Unix seconds of its last counted submission.
    pub last_at: i64,
    pub all: Sums,
    pub hours_24: Sums,
    pub hours_48: Sums,
    pub hours_168: Sums,
    pub hours_192: Sums,
    pub hours_720: Sums,
    pub hours_744: Sums,
    /// Recent average credit of this moment, to six decimals.
    pub recent_average: Figure,
}

impl Sums {
    fn of(&self, metric: Metric) -> Figure {
        match metric {
            Metric::Tasks => Figure::whole(self.tasks),
            Metric::Credits => self.credits,
            Metric::Rewards => self.rewards,
            // Not a sum over a stretch of time.
            Metric::RecentAverageCredit => Figure::ZERO,
        }
    }
}

/// Everybody's figures. A contributor has the same index in every part: the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Standings {
    /// All subjects one after another, each of `width` bytes.
    subjects: Vec<u8>,
    width: usize,
    last_at: Vec<i64>,
    all: Vec<Sums>,
    hours_24: Vec<Sums>,
    hours_48: Vec<Sums>,
    hours_168: Vec<Sums>,
    hours_192: Vec<Sums>,
    hours_720: Vec<Sums>,
    hours_744: Vec<Sums>,
    recent_average: Vec<Figure>,
    /// Indices in the order of subjects.
    by_subject: Vec<u32>,
    /// By index, the place in that order.
    numbers: Vec<u32>,
    /// By index, the place among all by who was there first, then by subject.
    reach: Vec<u32>,
}

impl Standings {
    /// Takes one up; subjects of one board are all of the same length.
    pub(super) fn push(&mut self, standing: &Standing) -> Result<(), StoreError> {
        if self.last_at.is_empty() {
            self.width = standing.subject.len();
        }
        if standing.subject.len() != self.width || self.last_at.len() >= INDEX_MAX {
            return Err(StoreError::Corrupt("pouw_scores.subject: length or number".to_owned()));
        }
        self.subjects.extend_from_slice(&standing.subject);
        self.last_at.push(standing.last_at);
        self.all.push(standing.all);
        self.hours_24.push(standing.hours_24);
        self.hours_48.push(standing.hours_48);
        self.hours_168.push(standing.hours_168);
        self.hours_192.push(standing.hours_192);
        self.hours_720.push(standing.hours_720);
        self.hours_744.push(standing.hours_744);
        self.recent_average.push(standing.recent_average);
        Ok(())
    }

    /// Computes the orders, once all are there.
    pub(super) fn put_in_order(&mut self) {
        fn places(order: &[u32]) -> Vec<u32> {
            let mut places = vec![0; order.len()];
            for (place, index) in (0..).zip(order) {
                if let Some(slot) = places.get_mut(at(*index)) {
                    *slot = place;
                }
            }
            places
        }
        let mut order: Vec<u32> = (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).collect();
        order.sort_unstable_by_key(|index| self.subject(*index));
        self.numbers = places(&order);
        self.by_subject.clone_from(&order);
        // Stable, so that equals stay in the order of subjects.
        order.sort_by_key(|index| self.last_at.get(at(*index)).copied());
        self.reach = places(&order);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.last_at.len()
    }

    /// The subject at an index; empty beyond the last.
    fn subject(&self, index: u32) -> &[u8] {
        let start = at(index) * self.width;
        self.subjects.get(start..start + self.width).unwrap_or_default()
    }

    /// Index and subject of everybody, in the order of subjects: that of their numbers.
    pub(super) fn by_number(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.by_subject.iter().map(|index| (*index, self.subject(*index)))
    }

    /// The number of the contributor at an index.
    pub(super) fn number(&self, index: u32) -> u32 {
        self.numbers.get(at(index)).copied().unwrap_or(u32::MAX)
    }

    /// By index, what decides between equals: who was there first, then the subject.
    pub(super) fn reach(&self) -> &[u32] {
        &self.reach
    }

    /// What counts on boards of a timeframe.
    pub(super) fn now(&self, timeframe: Timeframe) -> &[Sums] {
        match timeframe {
            Timeframe::Day => &self.hours_24,
            Timeframe::Week => &self.hours_168,
            Timeframe::Month => &self.hours_720,
            Timeframe::All => &self.all,
        }
    }

    /// What a board compares.
    pub(super) fn scores(&self, board: Board) -> Vec<Figure> {
        match board.metric() {
            Metric::RecentAverageCredit => self.recent_average.clone(),
            metric => self.now(board.timeframe()).iter().map(|sums| sums.of(metric)).collect(),
        }
    }

    /// What the board would have compared 24 hours ago: the window that ended then is the longer
    /// one without the last day. Not defined for the recent average, which also depends on the
    /// time of day.
    pub(super) fn scores_a_day_ago(&self, board: Board) -> Vec<Figure> {
        let longer = match board.timeframe() {
            Timeframe::Day => &self.hours_48,
            Timeframe::Week => &self.hours_192,
            Timeframe::Month => &self.hours_744,
            Timeframe::All => &self.all,
        };
        let metric = board.metric();
        let both = longer.iter().zip(&self.hours_24);
        both.map(|(longer, day)| longer.of(metric).without(day.of(metric))).collect()
    }
}
