//! The log of an oracle: which subject changed in which item. Texts and signatures are made when
//! an item is served, so that a log of 100 000 items costs some tens of megabytes and, unsigned,
//! no hashing at all.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::canonical::FIRST_PREV_HASH;
use super::faults::OracleDefect;
use super::plan::{Plan, Step};
use super::record::Anchor;
use crate::rng::{Rng, to_index};

const NEXT_DOMAIN: u64 = 0x6e65_7874;
/// About one item in this many is a slash.
const SLASH_EVERY: u64 = 50;
/// A report of the hour that has ended stands after this many items.
const REPORT_EVERY: u64 = 120;
/// About one item in this many is odd, where odd items are wanted.
const ODD_EVERY: u64 = 60;
/// One submission in this many is not in the feed that follows a reset.
const LOST_EVERY: u64 = 8;

/// What an item is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Work {
        number: u32,
        revision: u32,
        form: Form,
    },
    /// The newest slash of this number, taken back if it is not the first time it is told.
    Slash {
        number: u32,
        taken_back: bool,
    },
    /// Of the hour before the item's.
    Report,
    /// A kind that readers do not know.
    Unknown,
}

/// How the record of a submission is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// After this many of its steps.
    Steps(u8),
    /// As [`Form::Steps`], with fields that no contract knows.
    MoreFields(u8),
    /// As [`Form::Steps`], but under a revision that was told already, with another figure.
    ToldTwice(u8),
    /// A finished submission is said to be in work again.
    BackInWork,
    /// After this many of its steps, and then spoilt: not a record of work.
    Malformed(u8),
}

/// One item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) subject: Subject,
    pub(crate) time_ms: u64,
    /// Zeros in an unsigned feed.
    pub(crate) hash: [u8; 32],
}

/// A submission the oracle has heard of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Submission {
    pub(crate) times_ms: Vec<u64>,
    pub(crate) anchor: Option<Anchor>,
    /// Whether all its steps are taken.
    pub(crate) finished: bool,
    /// In the feed of now; 0 if it is not in there.
    pub(crate) revision: u32,
    /// The newest form that counts, with its revision; survives a reset.
    pub(crate) latest: Option<(Form, u32)>,
    /// Where that stands in the feed of now.
    pub(crate) latest_seq: u64,
}

/// A slash is of the account of a submission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slash {
    pub(crate) submission: u32,
    pub(crate) time_ms: u64,
}

/// Everything that has happened.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) feed_id: String,
    pub(crate) resets: u64,
    pub(crate) oldest_seq: u64,
    /// From seq 1 on; expired ones too.
    pub(crate) items: Vec<Item>,
    pub(crate) submissions: Vec<Submission>,
    pub(crate) slashes: Vec<Slash>,
    pub(crate) by_id: HashMap<[u8; 32], u32>,
    /// Items appended over all feeds.
    pub(crate) appended: u64,
    /// Submissions whose next step is due once this many items were appended.
    due: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Log {
    pub(crate) fn new(feed_id: String) -> Log {
        Log {
            feed_id,
            resets: 0,
            oldest_seq: 1,
            items: Vec::new(),
            submissions: Vec::new(),
            slashes: Vec::new(),
            by_id: HashMap::new(),
            appended: 0,
            due: BinaryHeap::new(),
        }
    }

    pub(crate) fn head_seq(&self) -> u64 {
        self.items.len() as u64
    }

    pub(crate) fn item(&self, seq: u64) -> Option<&Item> {
        self.items.get(to_index(seq.checked_sub(1)?))
    }

    pub(crate) fn hash_before(&self, seq: u64) -> [u8; 32] {
        seq.checked_sub(1)
            .and_then(|before| self.item(before))
            .map_or(FIRST_PREV_HASH, |item| item.hash)
    }

    /// Puts the item at the end; the caller has worked out its hash.
    pub(crate) fn push(&mut self, item: Item) {
        self.items.push(item);
        let seq = self.head_seq();
        let Subject::Work { number, revision, form } = item.subject else { return };
        if matches!(form, Form::Malformed(_) | Form::ToldTwice(_)) {
            return;
        }
        if let Some(submission) = self.submissions.get_mut(number as usize) {
            submission.revision = revision;
            submission.latest = Some((form, revision));
            submission.latest_seq = seq;
        }
    }

    /// Decides about the next item: a step that is due, else something new.
    pub(crate) fn next_subject(&mut self, seed: u64, odd_records: bool, time_ms: u64) -> Subject {
        let rng = &mut Rng::new(&[seed, NEXT_DOMAIN, self.appended]);
        if self.appended % REPORT_EVERY == REPORT_EVERY - 1 {
            return Subject::Report;
        }
        if odd_records && rng.one_in(ODD_EVERY) {
            let kinds = OracleDefect::ALL;
            if let Some(subject) = self.defect(rng.pick(&kinds), rng) {
                return subject;
            }
        }
        if rng.one_in(SLASH_EVERY) && !self.submissions.is_empty() {
            return self.slash(rng, time_ms);
        }
        if let Some(Reverse((due, number))) = self.due.peek().copied()
            && due <= self.appended
        {
            self.due.pop();
            return self.step(number, Form::Steps);
        }
        let number = u32::try_from(self.submissions.len()).unwrap_or(u32::MAX);
        self.submissions.push(Submission::default());
        self.step(number, Form::Steps)
    }

    /// The next step of a submission; its time is filled in by [`Log::take_step`].
    fn step(&self, number: u32, form: fn(u8) -> Form) -> Subject {
        let submission = self.submissions.get(number as usize);
        let taken = submission.map_or(0, |submission| submission.times_ms.len());
        let steps = u8::try_from(taken + 1).unwrap_or(u8::MAX);
        let revision = submission.map_or(0, |submission| submission.revision) + 1;
        Subject::Work { number, revision, form: form(steps) }
    }

    /// Notes that a submission takes its next step now, and when the one after is due.
    pub(crate) fn take_step(
        &mut self,
        number: u32,
        plan: &Plan,
        time_ms: u64,
        anchor: Anchors<'_>,
    ) {
        let Some(submission) = self.submissions.get_mut(number as usize) else { return };
        let taken = submission.times_ms.len();
        submission.times_ms.push(time_ms);
        if plan.steps.get(taken) == Some(&Step::Claimed) {
            submission.anchor = anchor(plan.detail_seed);
        }
        submission.finished = taken + 1 >= plan.steps.len();
        if !submission.finished {
            self.due.push(Reverse((self.appended + plan.delay(taken + 1), number)));
        }
    }

    fn slash(&mut self, rng: &mut Rng, time_ms: u64) -> Subject {
        let known = u32::try_from(self.slashes.len()).unwrap_or(u32::MAX);
        if known > 0 && rng.one_in(4) {
            let number = u32::try_from(rng.below(u64::from(known))).unwrap_or(0);
            return Subject::Slash { number, taken_back: true };
        }
        let count = self.submissions.len() as u64;
        let submission = u32::try_from(rng.below(count)).unwrap_or(0);
        self.slashes.push(Slash { submission, time_ms });
        Subject::Slash { number: known, taken_back: false }
    }

    /// An item that is odd in this way, if there is a submission to be odd about.
    pub(crate) fn defect(&self, defect: OracleDefect, rng: &mut Rng) -> Option<Subject> {
        if defect == OracleDefect::UnknownKind {
            return Some(Subject::Unknown);
        }
        let count = self.submissions.len() as u64;
        let start = rng.below(count);
        let numbers = (0..count.min(1000)).map(|step| (start + step) % count);
        let live = numbers.filter_map(|number| {
            let submission = self.submissions.get(to_index(number))?;
            let steps = u8::try_from(submission.times_ms.len()).ok()?;
            let number = u32::try_from(number).ok()?;
            (submission.revision > 0).then_some((number, submission, steps))
        });
        let mut subjects = live.filter_map(|(number, submission, steps)| {
            let revision = submission.revision;
            // After BackInWork nothing more is told.
            let regular = matches!(submission.latest, Some((Form::Steps(_), _)));
            // One that was decided; a claim that the chain confirms might be believed more.
            let over = submission.finished && submission.anchor.is_none() && steps > 3;
            let (revision, form) = match defect {
                OracleDefect::MalformedRecord => (revision, Form::Malformed(steps)),
                OracleDefect::SameRevision if regular => (revision, Form::ToldTwice(steps)),
                OracleDefect::UnknownFields if regular => (revision + 1, Form::MoreFields(steps)),
                OracleDefect::IllegalTransition if regular && over => {
                    (revision + 1, Form::BackInWork)
                }
                _ => return None,
            };
            Some(Subject::Work { number, revision, form })
        });
        subjects.next()
    }

    /// Begins another feed. Nothing of the old one is in it yet: the caller appends what
    /// [`Log::kept`] says.
    pub(crate) fn reset(&mut self, feed_id: String) {
        self.feed_id = feed_id;
        self.resets += 1;
        self.oldest_seq = 1;
        self.items.clear();
        for submission in &mut self.submissions {
            submission.revision = 0;
            submission.latest_seq = 0;
        }
    }

    /// Submissions that the feed after a reset knows, as their newest revision was. The others
    /// are lost: they take no step any more.
    pub(crate) fn kept(&mut self, seed: u64) -> Vec<Subject> {
        let is_lost =
            |number: u32| Rng::new(&[seed, self.resets, u64::from(number)]).one_in(LOST_EVERY);
        self.due.retain(|Reverse((_, number))| !is_lost(*number));
        let kept = self.submissions.iter().enumerate().filter_map(|(index, submission)| {
            let number = u32::try_from(index).ok()?;
            let (form, _) = submission.latest?;
            (!is_lost(number)).then_some(Subject::Work { number, revision: 1, form })
        });
        kept.collect()
    }
}

/// Chooses the transaction that pays a claim, by a seed.
pub(crate) type Anchors<'a> = &'a dyn Fn(u64) -> Option<Anchor>;
