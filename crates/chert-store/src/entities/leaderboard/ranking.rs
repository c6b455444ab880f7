//! From the figures of all contributors to the lines of a board. Pure.

use std::cmp::Reverse;

use super::board::{Board, Metric, Timeframe};
use super::encoding::Line;
use super::figure::Figure;

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

impl Standing {
    fn now(&self, timeframe: Timeframe) -> &Sums {
        match timeframe {
            Timeframe::Day => &self.hours_24,
            Timeframe::Week => &self.hours_168,
            Timeframe::Month => &self.hours_720,
            Timeframe::All => &self.all,
        }
    }

    fn score(&self, board: Board) -> Figure {
        let sums = self.now(board.timeframe());
        match board.metric() {
            Metric::RecentAverageCredit => self.recent_average,
            metric => sums.of(metric),
        }
    }

    /// What the board would have compared 24 hours ago: the window that ended then is the longer
    /// one without the last day. Not defined for the recent average, which also depends on the
    /// time of day.
    fn score_a_day_ago(&self, board: Board) -> Figure {
        let longer = match board.timeframe() {
            Timeframe::Day => &self.hours_48,
            Timeframe::Week => &self.hours_192,
            Timeframe::Month => &self.hours_744,
            Timeframe::All => &self.all,
        };
        let metric = board.metric();
        longer.of(metric).without(self.hours_24.of(metric))
    }
}

impl Sums {
    fn of(&self, metric: Metric) -> Figure {
        match metric {
            Metric::Tasks => Figure::whole(self.tasks),
            Metric::Credits => self.credits,
            Metric::Rewards => self.rewards,
            Metric::RecentAverageCredit => Figure::ZERO,
        }
    }
}

/// The board's lines, each with its place in `standings`: everybody with a score above zero, best
/// first, equals by who reached it first and then by subject. Equal scores share a rank, and the
/// next one counts them all.
///
/// `standings` are sorted by subject, so that their place decides as the subject does.
pub(super) fn rank(board: Board, standings: &[Standing]) -> Vec<(usize, Line<'_>)> {
    let mut entries: Vec<(Figure, i64, usize)> = standings
        .iter()
        .enumerate()
        .map(|(index, standing)| (standing.score(board), standing.last_at, index))
        .filter(|(score, ..)| score.is_positive())
        .collect();
    entries.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let before = ranks_a_day_ago(board, standings);
    let mut lines: Vec<(usize, Line<'_>)> = Vec::with_capacity(entries.len());
    for (at, (score, _, index)) in entries.into_iter().enumerate() {
        let Some(standing) = standings.get(index) else { continue };
        let rank = match lines.last() {
            Some((_, last)) if last.score == score => last.rank,
            _ => u32::try_from(at + 1).unwrap_or(u32::MAX),
        };
        let sums = standing.now(board.timeframe());
        let then = before.get(index).copied().flatten();
        let line = Line {
            subject: &standing.subject,
            rank,
            score,
            tasks: u64::try_from(sums.tasks).unwrap_or(0),
            rewards: sums.rewards,
            change: then.map(|then| i64::from(then) - i64::from(rank)),
        };
        lines.push((index, line));
    }
    lines
}

/// The rank of each of `standings` a day ago; `None` for those without a score then.
fn ranks_a_day_ago(board: Board, standings: &[Standing]) -> Vec<Option<u32>> {
    let mut entries: Vec<(Figure, usize)> = standings
        .iter()
        .enumerate()
        .map(|(index, standing)| (standing.score_a_day_ago(board), index))
        .filter(|(score, _)| score.is_positive())
        .collect();
    entries.sort_unstable_by_key(|(score, _)| Reverse(*score));
    let mut ranks = vec![None; standings.len()];
    let mut last = (Figure::ZERO, 0);
    for (at, (score, index)) in entries.into_iter().enumerate() {
        if score != last.0 {
            last = (score, u32::try_from(at + 1).unwrap_or(u32::MAX));
        }
        if let Some(rank) = ranks.get_mut(index) {
            *rank = Some(last.1);
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::board::{Kind, Scope};
    use super::*;

    fn board(timeframe: Timeframe, metric: Metric) -> Board {
        Board::new(Scope::Identities, Kind::Boinc, timeframe, metric).unwrap()
    }

    fn tasks(tasks: i64) -> Sums {
        Sums { tasks, credits: Figure::whole(tasks * 10), rewards: Figure::whole(tasks * 100) }
    }

    fn ranked(board: Board, standings: &[Standing]) -> Vec<Line<'_>> {
        assert!(standings.is_sorted_by_key(|standing| &standing.subject));
        let lines = rank(board, standings);
        for (index, line) in &lines {
            assert_eq!(standings[*index].subject, line.subject);
        }
        lines.into_iter().map(|(_, line)| line).collect()
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
        let standings = [
            // 9 in all, 5 of them today: 4 yesterday.
            standing(1, 50, 9, 5),
            // The same 9, reached earlier: 9 yesterday.
            standing(2, 40, 9, 0),
            // 12, all but 2 yesterday.
            standing(3, 60, 12, 2),
            // A newcomer.
            standing(4, 70, 1, 1),
            // Nothing counted any more.
            standing(5, 10, 0, 0),
        ];
        let lines = ranked(board(Timeframe::All, Metric::Tasks), &standings);
        let seen: Vec<_> = lines.iter().map(|l| (l.subject[0], l.rank, l.change)).collect();
        // Yesterday: 3 with 10, 2 with 9, 1 with 4.
        assert_eq!(seen, [(3, 1, Some(0)), (2, 2, Some(0)), (1, 2, Some(1)), (4, 4, None)]);
        assert_eq!(lines[0].rewards.to_string(), "1200");
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
        let standings = [standing(7, 5, 3, 0), standing(8, 4, 3, 0), standing(9, 5, 3, 0)];
        let lines = ranked(board(Timeframe::All, Metric::Rewards), &standings);
        let seen: Vec<_> = lines.iter().map(|l| (l.subject[0], l.rank)).collect();
        assert_eq!(seen, [(8, 1), (7, 1), (9, 1)]);
    }

    #[test]
    fn recent_average_has_no_yesterday() {
        let mut one = standing(1, 5, 3, 0);
        one.recent_average = Figure::atto(99_740_000_000_000_000_000);
        let standings = [one];
        let lines = ranked(board(Timeframe::Week, Metric::RecentAverageCredit), &standings);
        assert_eq!(lines[0].score.to_string(), "99.74");
        assert_eq!((lines[0].tasks, lines[0].change), (0, None));
    }
}
