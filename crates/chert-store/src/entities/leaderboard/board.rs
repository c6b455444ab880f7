//! The boards that there are, and their names.

use std::fmt;

/// Who is ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Public identities.
    Identities,
    /// Every account.
    Addresses,
}

/// What kind of work counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The network's own tasks.
    Nuw,
    /// BOINC projects.
    Boinc,
}

/// Which work counts: whole UTC hours up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timeframe {
    /// The trailing 24 hours.
    Day,
    /// The trailing 7 days.
    Week,
    /// The trailing 30 days.
    Month,
    /// All of it.
    All,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Counted submissions.
    Tasks,
    /// Granted credits; BOINC only.
    Credits,
    /// Rewards in base units.
    Rewards,
    /// Credit per day, half of it forgotten every 7 days; BOINC only. The same in every timeframe.
    RecentAverageCredit,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::Identities, Self::Addresses];

    /// Name in board names and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identities => "identities",
            Self::Addresses => "addresses",
        }
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Nuw, Self::Boinc];

    /// Name in board names and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nuw => "nuw",
            Self::Boinc => "boinc",
        }
    }

    /// `work_kind` as stored.
    pub fn code(self) -> i16 {
        match self {
            Self::Nuw => 0,
            Self::Boinc => 1,
        }
    }

    /// What may be compared, the default first.
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Nuw => &[Metric::Tasks, Metric::Rewards],
            Self::Boinc => {
                &[Metric::Credits, Metric::Tasks, Metric::Rewards, Metric::RecentAverageCredit]
            }
        }
    }
}

impl Timeframe {
    /// Every timeframe.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::All];

    /// Name in board names and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::All => "all",
        }
    }
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 4] =
        [Self::Tasks, Self::Credits, Self::Rewards, Self::RecentAverageCredit];

    /// Name in board names and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Credits => "credits",
            Self::Rewards => "rewards",
            Self::RecentAverageCredit => "recent_average_credit",
        }
    }
}

/// One board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Board {
    scope: Scope,
    kind: Kind,
    timeframe: Timeframe,
    metric: Metric,
}

impl Board {
    /// A board; `None` where the metric does not exist for the kind.
    pub fn new(scope: Scope, kind: Kind, timeframe: Timeframe, metric: Metric) -> Option<Self> {
        kind.metrics().contains(&metric).then_some(Self { scope, kind, timeframe, metric })
    }

    /// The boards of one scope and kind: those that are made from the same figures.
    pub(super) fn group(scope: Scope, kind: Kind) -> Vec<Self> {
        let metrics = |timeframe| {
            kind.metrics().iter().filter_map(move |m| Self::new(scope, kind, timeframe, *m))
        };
        Timeframe::ALL.into_iter().flat_map(metrics).collect()
    }

    /// Its place in its [`Self::group`].
    pub(crate) fn column(self) -> usize {
        let boards = Self::group(self.scope, self.kind);
        // Every board is in its group.
        boards.iter().position(|board| *board == self).unwrap_or(usize::MAX)
    }

    /// Who is ranked.
    pub fn scope(self) -> Scope {
        self.scope
    }

    /// What kind of work counts.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Which work counts.
    pub fn timeframe(self) -> Timeframe {
        self.timeframe
    }

    /// What is compared.
    pub fn metric(self) -> Metric {
        self.metric
    }

    /// A number that distinguishes boards, for cursors.
    pub fn code(self) -> u32 {
        let place = |found: Option<usize>| found.and_then(|i| u32::try_from(i).ok()).unwrap_or(0);
        let scope = place(Scope::ALL.iter().position(|s| *s == self.scope));
        let kind = place(Kind::ALL.iter().position(|k| *k == self.kind));
        let timeframe = place(Timeframe::ALL.iter().position(|t| *t == self.timeframe));
        let metric = place(Metric::ALL.iter().position(|m| *m == self.metric));
        scope << 24 | kind << 16 | timeframe << 8 | metric
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, kind, timeframe, metric } = self;
        let parts = (scope.as_str(), kind.as_str(), timeframe.as_str(), metric.as_str());
        write!(f, "{}/{}/{}/{}", parts.0, parts.1, parts.2, parts.3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_codes_are_distinct() {
        let boards: Vec<Board> = Scope::ALL
            .into_iter()
            .flat_map(|s| Kind::ALL.into_iter().flat_map(move |k| Board::group(s, k)))
            .collect();
        assert_eq!(boards.len(), 2 * 4 * (2 + 4));
        let names: BTreeSet<String> = boards.iter().map(Board::to_string).collect();
        let codes: BTreeSet<u32> = boards.iter().map(|b| b.code()).collect();
        assert_eq!((names.len(), codes.len()), (boards.len(), boards.len()));
        assert!(names.contains("identities/boinc/week/recent_average_credit"));
        let none = Board::new(Scope::Addresses, Kind::Nuw, Timeframe::All, Metric::Credits);
        assert_eq!(none, None);
    }
}
