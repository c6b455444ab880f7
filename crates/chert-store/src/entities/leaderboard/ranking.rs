//! From the figures of all contributors to the order of a board. Pure.

use std::cmp::Reverse;

use super::board::Board;
use super::encoding::{Line, Place};
use super::figure::Figure;
use super::standings::{Standings, Sums, at};

fn figure(column: &[Figure], index: u32) -> Figure {
    column.get(at(index)).copied().unwrap_or(Figure::ZERO)
}

/// A board's order: everybody with a score above zero, best first, equals by who was there first.
/// Equal scores share a rank, and the next one counts them all.
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
    /// Ranks a board of `standings` whose orders are computed.
    pub(super) fn new(board: Board, standings: &'a Standings) -> Self {
        let mut before = vec![0; standings.len()];
        for then in rank(&standings.scores_a_day_ago(board), standings.reach()) {
            if let Some(slot) = before.get_mut(at(then.index)) {
                *slot = then.rank;
            }
        }
        let scores = standings.scores(board);
        let ranked = rank(&scores, standings.reach());
        Self { standings, window: standings.now(board.timeframe()), scores, ranked, before }
    }

    /// Lines on the board.
    pub(super) fn len(&self) -> usize {
        self.ranked.len()
    }

    /// The lines, best first.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line> {
        self.ranked.iter().map(|&Ranked { index, rank }| {
            let sums = self.window.get(at(index)).copied().unwrap_or_default();
            let then = self.before.get(at(index)).copied().filter(|then| *then > 0);
            Line {
                number: self.standings.number(index),
                rank,
                score: figure(&self.scores, index),
                tasks: u64::try_from(sums.tasks).unwrap_or(0),
                rewards: sums.rewards,
                change: then.map(|then| i64::from(then) - i64::from(rank)),
            }
        })
    }

    /// By index, where everybody stands.
    pub(super) fn places(&self) -> Vec<Option<Place>> {
        let mut places = vec![None; self.standings.len()];
        for (position, ranked) in (0_u32..).zip(&self.ranked) {
            if let Some(slot) = places.get_mut(at(ranked.index)) {
                *slot = Some(Place { position, rank: ranked.rank });
            }
        }
        places
    }
}

/// Those with a score above zero, best first and equals by `reach`, with their ranks. Both are by
/// index.
///
/// What is sorted is one number per contributor, not figures: its upper half is the score's
/// [`Figure::magnitude`], turned round, its lower half the reach and the index.
fn rank(scores: &[Figure], reach: &[u32]) -> Vec<Ranked> {
    let mut keys: Vec<u128> = Vec::with_capacity(scores.len());
    for ((score, reach), index) in scores.iter().zip(reach).zip(0_u32..) {
        if score.is_positive() {
            let equals = u128::from(*reach) << 32 | u128::from(index);
            keys.push(u128::from(!score.magnitude()) << 64 | equals);
        }
    }
    keys.sort_unstable();
    let index_of = |key: u128| u32::try_from(key & u128::from(u32::MAX)).unwrap_or(u32::MAX);
    let mut ranked: Vec<Ranked> =
        (1..).zip(&keys).map(|(rank, key)| Ranked { index: index_of(*key), rank }).collect();
    let mut start = 0;
    for run in keys.chunk_by(|a, b| a >> 64 == b >> 64) {
        let end = start + run.len();
        // Whoever is alone with its magnitude, as most are, has its place for a rank.
        if run.len() > 1 {
            settle(ranked.get_mut(start..end).unwrap_or_default(), scores);
        }
        start = end;
    }
    ranked
}

/// Ranks a run of equal magnitudes, which holds its places for ranks so far. Magnitudes are coarser
/// than figures.
fn settle(run: &mut [Ranked], scores: &[Figure]) {
    let first = run.first().map_or(0, |ranked| ranked.rank);
    let score = |ranked: &Ranked| figure(scores, ranked.index);
    // A sort that leaves equals where they are.
    if !run.is_sorted_by_key(|ranked| Reverse(score(ranked))) {
        run.sort_by_key(|ranked| Reverse(score(ranked)));
    }
    let mut last = None;
    for (ranked, place) in run.iter_mut().zip(first..) {
        let score = score(ranked);
        let rank = last.filter(|(of, _)| *of == score).map_or(place, |(_, rank)| rank);
        last = Some((score, rank));
        ranked.rank = rank;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::board::{Kind, Metric, Scope, Timeframe};
    use super::super::standings::Standing;
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
        standings.put_in_order();
        standings
    }

    fn ranked(board: Board, standings: &Standings) -> Vec<Line> {
        let ranking = Ranking::new(board, standings);
        let lines: Vec<Line> = ranking.lines().collect();
        assert_eq!(lines.len(), ranking.len());
        let places = ranking.places();
        for (index, place) in (0..).zip(&places) {
            let line = place.map(|place| lines[usize::try_from(place.position).unwrap()]);
            let number = standings.number(index);
            let there = lines.iter().find(|line| line.number == number).copied();
            assert_eq!(line, there);
            assert_eq!(place.map(|place| place.rank), there.map(|line| line.rank));
        }
        lines
    }

    /// The first byte of the subject of a line.
    fn subject(line: &Line, standings: &Standings) -> u8 {
        standings.by_number().nth(at(line.number)).unwrap().1[0]
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
        let seen: Vec<_> =
            lines.iter().map(|l| (subject(l, &standings), l.rank, l.change)).collect();
        // Yesterday: 3 with 10, 2 with 9, 1 with 4.
        assert_eq!(seen, [(3, 1, Some(0)), (2, 2, Some(0)), (1, 2, Some(1)), (4, 4, None)]);
        assert_eq!((lines[0].tasks, lines[0].rewards.to_string()), (12, "1200".to_owned()));
        let day = ranked(board(Timeframe::Day, Metric::Credits), &standings);
        let seen: Vec<_> =
            day.iter().map(|l| (subject(l, &standings), l.rank, l.score.to_string())).collect();
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
        let seen: Vec<_> = lines.iter().map(|l| (subject(l, &standings), l.rank)).collect();
        assert_eq!(seen, [(8, 1), (7, 1), (9, 1)]);
        let subjects: Vec<u8> = standings.by_number().map(|(_, subject)| subject[0]).collect();
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
        fn ranks_follow_from_the_scores_alone(scores in vec(close(), 0..60), backwards: bool) {
            let mut reach: Vec<u32> = (0..u32::try_from(scores.len()).unwrap()).collect();
            if backwards {
                reach.reverse();
            }
            let seen = rank(&scores, &reach);
            let mut expected: Vec<u32> = (0..u32::try_from(scores.len()).unwrap()).collect();
            expected.retain(|index| figure(&scores, *index).is_positive());
            let reached = |index: u32| reach[at(index)];
            expected.sort_by_key(|index| (Reverse(figure(&scores, *index)), reached(*index)));
            prop_assert_eq!(seen.iter().map(|r| r.index).collect::<Vec<_>>(), expected);
            for ranked in seen {
                let own = figure(&scores, ranked.index);
                let better = scores.iter().filter(|score| **score > own).count();
                prop_assert_eq!(at(ranked.rank), better + 1);
            }
        }
    }
}
