//! From the figures of all contributors to the order of a board. Pure.
//!
//! A board reads one or two of seven windows, of everybody, and 48 boards are made at once: so each
//! window is kept by itself, and everybody in the order that decides between equals.

use std::cmp::Reverse;

use super::board::{Board, Metric, Timeframe};
use super::encoding::{Line, Place, Places};
use super::figure::Figure;
use crate::StoreError;

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

/// Everybody's figures. A contributor has the same index in every part: its place among all by who
/// was there first and then by subject.
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
}

impl Standings {
    /// Takes one up; subjects of one board are all of the same length. Afterwards
    /// [`Self::in_order`] is to be called.
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

    /// The same in the order of indices.
    pub(super) fn in_order(self) -> Self {
        fn ordered<T: Copy>(order: &[u32], column: &[T]) -> Vec<T> {
            order.iter().filter_map(|index| column.get(at(*index)).copied()).collect()
        }
        let mut order = self.indices();
        let last_at = |index: u32| self.last_at.get(at(index)).copied();
        order.sort_unstable_by_key(|index| (last_at(*index), self.subject(*index)));
        Self {
            subjects: order.iter().flat_map(|index| self.subject(*index)).copied().collect(),
            width: self.width,
            last_at: ordered(&order, &self.last_at),
            all: ordered(&order, &self.all),
            hours_24: ordered(&order, &self.hours_24),
            hours_48: ordered(&order, &self.hours_48),
            hours_168: ordered(&order, &self.hours_168),
            hours_192: ordered(&order, &self.hours_192),
            hours_720: ordered(&order, &self.hours_720),
            hours_744: ordered(&order, &self.hours_744),
            recent_average: ordered(&order, &self.recent_average),
        }
    }

    fn len(&self) -> usize {
        self.last_at.len()
    }

    fn indices(&self) -> Vec<u32> {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).collect()
    }

    /// The subject at an index; empty beyond the last.
    pub(super) fn subject(&self, index: u32) -> &[u8] {
        let start = at(index) * self.width;
        self.subjects.get(start..start + self.width).unwrap_or_default()
    }

    /// Everybody by subject.
    pub(super) fn by_subject(&self) -> Vec<u32> {
        let mut order = self.indices();
        order.sort_unstable_by_key(|index| self.subject(*index));
        order
    }

    fn now(&self, timeframe: Timeframe) -> &[Sums] {
        match timeframe {
            Timeframe::Day => &self.hours_24,
            Timeframe::Week => &self.hours_168,
            Timeframe::Month => &self.hours_720,
            Timeframe::All => &self.all,
        }
    }

    fn scores(&self, board: Board) -> Vec<Figure> {
        match board.metric() {
            Metric::RecentAverageCredit => self.recent_average.clone(),
            metric => self.now(board.timeframe()).iter().map(|sums| sums.of(metric)).collect(),
        }
    }

    /// What the board would have compared 24 hours ago: the window that ended then is the longer
    /// one without the last day. Not defined for the recent average, which also depends on the
    /// time of day.
    fn scores_a_day_ago(&self, board: Board) -> Vec<Figure> {
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

/// Contributors to a kind of work at most: ranks and indices are 32 bits.
const INDEX_MAX: usize = u32::MAX as usize;

/// An index as the language wants it.
fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn figure(column: &[Figure], index: u32) -> Figure {
    column.get(at(index)).copied().unwrap_or(Figure::ZERO)
}

/// A board's order: everybody with a score above zero, best first, equals in the order of their
/// indices. Equal scores share a rank, and the next one counts them all.
#[derive(Debug)]
pub(super) struct Ranking<'a> {
    standings: &'a Standings,
    window: &'a [Sums],
    scores: Vec<Figure>,
    ranked: Vec<Ranked>,
    /// By index, the rank of a day ago; 0 for those without a score then.
    before: Vec<u32>,
}

/// Somebody on a board.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    index: u32,
    /// From 1.
    rank: u32,
}

impl<'a> Ranking<'a> {
    /// Ranks a board.
    pub(super) fn new(board: Board, standings: &'a Standings) -> Self {
        let mut before = vec![0; standings.len()];
        for then in rank(&standings.scores_a_day_ago(board)) {
            if let Some(slot) = before.get_mut(at(then.index)) {
                *slot = then.rank;
            }
        }
        let scores = standings.scores(board);
        let ranked = rank(&scores);
        Self { standings, window: standings.now(board.timeframe()), scores, ranked, before }
    }

    /// Lines on the board.
    pub(super) fn len(&self) -> usize {
        self.ranked.len()
    }

    /// The lines, best first.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        self.ranked.iter().map(|&Ranked { index, rank }| {
            let sums = self.window.get(at(index)).copied().unwrap_or_default();
            let then = self.before.get(at(index)).copied().filter(|then| *then > 0);
            Line {
                subject: self.standings.subject(index),
                rank,
                score: figure(&self.scores, index),
                tasks: u64::try_from(sums.tasks).unwrap_or(0),
                rewards: sums.rewards,
                change: then.map(|then| i64::from(then) - i64::from(rank)),
            }
        })
    }

    /// By index, where everybody stands.
    pub(super) fn places(&self) -> Places {
        let mut places = vec![None; self.standings.len()];
        for (position, ranked) in (0_u32..).zip(&self.ranked) {
            if let Some(slot) = places.get_mut(at(ranked.index)) {
                *slot = Some(Place { position, rank: ranked.rank });
            }
        }
        places
    }
}

/// Those with a score above zero, best first and equals by index, with their ranks.
///
/// What is sorted is one number per contributor, not figures: its upper half is the score's
/// [`Figure::magnitude`], turned round, its lower half the index.
fn rank(scores: &[Figure]) -> Vec<Ranked> {
    let mut keys: Vec<u128> = Vec::with_capacity(scores.len());
    for (score, index) in scores.iter().zip(0_u32..) {
        if score.is_positive() {
            keys.push(u128::from(!score.magnitude()) << 64 | u128::from(index));
        }
    }
    keys.sort_unstable();
    let index_of = |key: u128| u32::try_from(key & u128::from(u32::MAX)).unwrap_or(u32::MAX);
    let mut ranked: Vec<Ranked> =
        keys.iter().map(|key| Ranked { index: index_of(*key), rank: 0 }).collect();
    let (mut start, mut last) = (0, (Figure::ZERO, 0));
    for run in keys.chunk_by(|a, b| a >> 64 == b >> 64) {
        let end = start + run.len();
        let run = ranked.get_mut(start..end).unwrap_or_default();
        // Magnitudes are coarser than figures: figures of one magnitude are compared as they are,
        // by a sort that leaves equals where they are.
        if !run.is_sorted_by_key(|ranked| Reverse(figure(scores, ranked.index))) {
            run.sort_by_key(|ranked| Reverse(figure(scores, ranked.index)));
        }
        for (ranked, place) in run.iter_mut().zip(start + 1..) {
            let score = figure(scores, ranked.index);
            if score != last.0 {
                last = (score, u32::try_from(place).unwrap_or(u32::MAX));
            }
            ranked.rank = last.1;
        }
        start = end;
    }
    ranked
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::board::{Kind, Scope};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn board(timeframe: Timeframe, metric: Metric) -> Board {
        Board::new(Scope::Identities, Kind::Boinc, timeframe, metric).unwrap()
    }

    fn tasks(tasks: i64) -> Sums {
        Sums { tasks, credits: Figure::whole(tasks * 10), rewards: Figure::whole(tasks * 100) }
    }

    fn standings(rows: &[Standing]) -> Standings {
        let mut standings = Standings::default();
        rows.iter().for_each(|row| standings.push(row).unwrap());
        standings.in_order()
    }

    fn ranked(board: Board, standings: &Standings) -> Vec<Line<'_>> {
        let ranking = Ranking::new(board, standings);
        let lines: Vec<Line<'_>> = ranking.lines().collect();
        assert_eq!(lines.len(), ranking.len());
        let places = ranking.places();
        for (index, place) in (0..).zip(&places) {
            let line = place.map(|place| lines[usize::try_from(place.position).unwrap()]);
            let subject = standings.subject(index);
            let there = lines.iter().find(|line| line.subject == subject).copied();
            assert_eq!(line, there);
            assert_eq!(place.map(|place| place.rank), there.map(|line| line.rank));
        }
        lines
    }

    fn standing(subject: u8, last_at: i64, all: i64, day: i64) -> Standing {
        Standing {
            subject: vec![subject; 32],
            last_at,
            all: tasks(all),
            hours_24: tasks(day),
            hours_48: tasks(all),
            ..Standing::default()
        }
    }

    #[test]
    fn equal_scores_share_a_rank_and_movement_is_against_yesterday() {
        let standings = standings(&[
            // 9 in all, 5 of them today: 4 yesterday.
            standing(1, 50, 9, 5),
            // A newcomer.
            standing(4, 70, 1, 1),
            // The same 9, reached earlier: 9 yesterday.
            standing(2, 40, 9, 0),
            // 12, all but 2 yesterday.
            standing(3, 60, 12, 2),
            // Nothing counted any more.
            standing(5, 10, 0, 0),
        ]);
        let lines = ranked(board(Timeframe::All, Metric::Tasks), &standings);
        let seen: Vec<_> = lines.iter().map(|l| (l.subject[0], l.rank, l.change)).collect();
        // Yesterday: 3 with 10, 2 with 9, 1 with 4.
        assert_eq!(seen, [(3, 1, Some(0)), (2, 2, Some(0)), (1, 2, Some(1)), (4, 4, None)]);
        assert_eq!((lines[0].tasks, lines[0].rewards.to_string()), (12, "1200".to_owned()));
        let day = ranked(board(Timeframe::Day, Metric::Credits), &standings);
        let seen: Vec<_> =
            day.iter().map(|l| (l.subject[0], l.rank, l.score.to_string())).collect();
        let expected = [(1, 1, "50".to_owned()), (3, 2, "20".to_owned()), (4, 3, "10".to_owned())];
        assert_eq!(seen, expected);
        // The day before: 48 hours without the last 24: 3 had 100, 2 had 90, 1 had 40.
        assert_eq!(day.iter().map(|l| l.change).collect::<Vec<_>>(), [Some(2), Some(-1), None]);
    }

    #[test]
    fn ties_are_ordered_by_reach_then_subject() {
        let rows = [standing(9, 5, 3, 0), standing(8, 4, 3, 0), standing(7, 5, 3, 0)];
        let standings = standings(&rows);
        let lines = ranked(board(Timeframe::All, Metric::Rewards), &standings);
        let seen: Vec<_> = lines.iter().map(|l| (l.subject[0], l.rank)).collect();
        assert_eq!(seen, [(8, 1), (7, 1), (9, 1)]);
        let subjects: Vec<u8> =
            standings.by_subject().into_iter().map(|index| standings.subject(index)[0]).collect();
        assert_eq!(subjects, [7, 8, 9]);
    }

    #[test]
    fn recent_average_has_no_yesterday() {
        let mut one = standing(1, 5, 3, 0);
        one.recent_average = Figure::atto(99_740_000_000_000_000_000);
        let standings = standings(&[one]);
        let lines = ranked(board(Timeframe::Week, Metric::RecentAverageCredit), &standings);
        assert_eq!(lines[0].score.to_string(), "99.74");
        assert_eq!((lines[0].tasks, lines[0].change), (0, None));
    }

    #[test]
    fn a_subject_of_another_length_is_refused() {
        let mut standings = standings(&[standing(1, 5, 3, 0)]);
        let other = Standing { subject: vec![1; 16], ..Standing::default() };
        assert_eq!(standings.push(&other).unwrap_err().code(), "corrupt");
    }

    /// Figures that lie close together, of which many are equal or of one magnitude.
    fn close() -> impl Strategy<Value = Figure> {
        let parts = (0..2_u128, 0..3_u64, 0..3_u64, any::<bool>());
        parts.prop_map(|(high, whole, fraction, large)| {
            let whole = if large { whole + (1 << 59) } else { whole };
            Figure::from_parts(high << 100, whole, fraction).unwrap()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn ranks_follow_from_the_scores_alone(scores in vec(close(), 0..60)) {
            let seen = rank(&scores);
            let mut expected: Vec<u32> = (0..u32::try_from(scores.len()).unwrap()).collect();
            expected.retain(|index| figure(&scores, *index).is_positive());
            expected.sort_by_key(|index| Reverse(figure(&scores, *index)));
            prop_assert_eq!(seen.iter().map(|r| r.index).collect::<Vec<_>>(), expected);
            for ranked in seen {
                let own = figure(&scores, ranked.index);
                let better = scores.iter().filter(|score| **score > own).count();
                prop_assert_eq!(at(ranked.rank), better + 1);
            }
        }
    }
}
