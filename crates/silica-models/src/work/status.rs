//! The two state machines of a submission: what became of the work, and of its reward
//! (contract oracle-feed §3.6).

/// What a submission is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkKind {
    /// Native useful work.
    Nuw = 0,
    /// Work for a BOINC project.
    Boinc = 1,
}

/// What became of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkStatus {
    /// Given to a miner.
    Assigned = 0,
    /// Handed in, not judged.
    Submitted = 1,
    /// Good.
    Validated = 2,
    /// Bad.
    Rejected = 3,
    /// Too late.
    TimedOut = 4,
    /// Contested; does not count while it is.
    Disputed = 5,
}

/// What became of the reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RewardStatus {
    /// There is none.
    None = 0,
    /// Locked.
    Pending = 1,
    /// Unlocked.
    Finalized = 2,
    /// Paid.
    Claimed = 3,
    /// Taken back.
    ClawedBack = 4,
    /// Withdrawn before it was unlocked.
    Voided = 5,
}

/// Gives an enumeration its word, its stored number, and the ways back.
macro_rules! words {
    ($name:ident { $($variant:ident = $number:literal $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every value, by its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The contract's word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The number as stored.
            pub fn as_i16(self) -> i16 {
                match self { $(Self::$variant => $number),+ }
            }

            /// A stored number.
            pub fn from_i16(number: i16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(WorkKind { Nuw = 0 "nuw", Boinc = 1 "boinc" });
words!(WorkStatus {
    Assigned = 0 "assigned", Submitted = 1 "submitted", Validated = 2 "validated",
    Rejected = 3 "rejected", TimedOut = 4 "timed_out", Disputed = 5 "disputed",
});
words!(RewardStatus {
    None = 0 "none", Pending = 1 "pending", Finalized = 2 "finalized", Claimed = 3 "claimed",
    ClawedBack = 4 "clawed_back", Voided = 5 "voided",
});

impl WorkKind {
    /// Reads the contract's word.
    pub fn parse(text: &str) -> Option<Self> {
        let folded = fold(text);
        Self::ALL.iter().copied().find(|k| fold(k.as_str()) == folded)
    }
}

impl WorkStatus {
    /// Reads the contract's word, and the words of upstream's enumerations for the same.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match fold(text).as_str() {
            "assigned" | "sent" | "partialsend" | "allsent" | "partialresponse" => Self::Assigned,
            "submitted" | "pending" | "validating" | "responded" | "inprogress" => Self::Submitted,
            "validated" | "accepted" | "completed" | "verified" => Self::Validated,
            "rejected" | "failed" | "invalid" => Self::Rejected,
            "timedout" | "timeout" | "expired" => Self::TimedOut,
            "disputed" => Self::Disputed,
            _ => return None,
        })
    }

    /// The work has been judged good or bad.
    pub fn is_decided(self) -> bool {
        matches!(self, Self::Validated | Self::Rejected)
    }
}

impl RewardStatus {
    /// Reads the contract's word.
    pub fn parse(text: &str) -> Option<Self> {
        let folded = fold(text);
        Self::ALL.iter().copied().find(|s| fold(s.as_str()) == folded)
    }

    /// The reward is lost: work with it does not count.
    pub fn is_lost(self) -> bool {
        matches!(self, Self::ClawedBack | Self::Voided)
    }
}

fn fold(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Whether a submission may go from one pair of states to another.
///
/// A record is the whole state at the time of writing, so steps in between may have been missed:
/// what lies further along the same way is legal. Going back is not, nor is a verdict turned
/// round without a dispute.
pub fn transition_is_legal(
    from: (WorkStatus, RewardStatus),
    to: (WorkStatus, RewardStatus),
) -> bool {
    work_step(from.0, to.0) && reward_step(from.1, to.1)
}

fn work_step(from: WorkStatus, to: WorkStatus) -> bool {
    use WorkStatus::{Assigned, Disputed, Rejected, Submitted, TimedOut, Validated};
    from == to
        || matches!(
            (from, to),
            (Assigned, Submitted | Validated | Rejected | TimedOut)
                | (Submitted, Validated | Rejected | TimedOut)
                | (Validated | Rejected, Disputed)
                | (Disputed, Validated | Rejected)
        )
}

fn reward_step(from: RewardStatus, to: RewardStatus) -> bool {
    use RewardStatus::{Claimed, ClawedBack, Finalized, None, Pending, Voided};
    from == to
        || matches!(
            (from, to),
            (None, Pending | Finalized | Claimed | ClawedBack | Voided)
                | (Pending, Finalized | Claimed | ClawedBack | Voided)
                | (Finalized, Claimed | ClawedBack)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_read_back() {
        for status in WorkStatus::ALL {
            assert_eq!(WorkStatus::parse(status.as_str()), Some(*status));
            assert_eq!(WorkStatus::from_i16(status.as_i16()), Some(*status));
        }
        for status in RewardStatus::ALL {
            assert_eq!(RewardStatus::parse(status.as_str()), Some(*status));
            assert_eq!(RewardStatus::from_i16(status.as_i16()), Some(*status));
        }
        for kind in WorkKind::ALL {
            assert_eq!(WorkKind::parse(kind.as_str()), Some(*kind));
            assert_eq!(WorkKind::from_i16(kind.as_i16()), Some(*kind));
        }
        assert_eq!(WorkStatus::parse("TimedOut"), Some(WorkStatus::TimedOut));
        assert_eq!(WorkStatus::parse("vanished"), None);
        assert_eq!((WorkStatus::from_i16(6), RewardStatus::from_i16(-1)), (None, None));
    }

    #[test]
    fn the_graph_of_the_contract() {
        use RewardStatus as R;
        use WorkStatus as W;
        for (from, to, legal) in [
            (W::Assigned, W::Submitted, true),
            (W::Assigned, W::Validated, true),
            (W::Submitted, W::TimedOut, true),
            (W::Validated, W::Disputed, true),
            (W::Disputed, W::Rejected, true),
            (W::Validated, W::Validated, true),
            (W::Validated, W::Submitted, false),
            (W::Validated, W::Rejected, false),
            (W::TimedOut, W::Validated, false),
            (W::Submitted, W::Assigned, false),
        ] {
            let step = transition_is_legal((from, R::None), (to, R::None));
            assert_eq!(step, legal, "{from:?} to {to:?}");
        }
        for (from, to, legal) in [
            (R::None, R::Pending, true),
            (R::None, R::Finalized, true),
            (R::Pending, R::Voided, true),
            (R::Pending, R::Claimed, true),
            (R::Finalized, R::ClawedBack, true),
            (R::Finalized, R::Voided, false),
            (R::Finalized, R::Pending, false),
            (R::Pending, R::None, false),
            (R::Claimed, R::ClawedBack, false),
            (R::Voided, R::Pending, false),
        ] {
            let step = transition_is_legal((W::Validated, from), (W::Validated, to));
            assert_eq!(step, legal, "{from:?} to {to:?}");
        }
    }
}
