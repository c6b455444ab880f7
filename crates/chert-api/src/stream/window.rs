//! The newest events of the log in memory, shared by all streams of the process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chert_store::privacy::Viewer;
use silica_models::IdentityId;

use super::EventType;
use super::confirm::{BlockMark, Ledger, MARKS_BEFORE};
use super::entry::Entry;

/// Bytes of the events that are kept at most.
const WINDOW_BYTES_MAX: usize = 32 << 20;
/// Identities whose visibility is remembered at most.
const IDENTITIES_MAX: usize = 100_000;
/// What is known of visibility counts as long as the log was read to its end within this time.
const VISIBILITY_TRUSTED: Duration = Duration::from_secs(10);

/// Events `first..=last` without gaps, and what was learned while reading them.
#[derive(Debug)]
pub(super) struct Window {
    events_max: usize,
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    last: i64,
    ledger: Ledger,
    people: People,
    read_at: Instant,
}

/// What the log said of identities. A change of visibility is an event of its own, so whoever has
/// read the log to a position knows what was visible there.
#[derive(Debug, Default)]
struct People {
    /// Whether the identity was public at the latest event that names it.
    public: HashMap<IdentityId, bool>,
    /// Number of the latest event that changed its wallets.
    relinked: HashMap<IdentityId, i64>,
    /// Counts how often all this was forgotten.
    epoch: u64,
}

impl Window {
    /// An empty window after `last`; `ledger` holds the block events before.
    pub(super) fn new(events_max: usize, last: i64, ledger: Ledger) -> Self {
        let (entries, bytes, people) = (VecDeque::new(), 0, People::default());
        Self { events_max, entries, bytes, last, ledger, people, read_at: Instant::now() }
    }

    /// Number of the newest event read.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// Number of the oldest event kept; one above the newest where none is.
    pub(super) fn first(&self) -> i64 {
        self.entries.front().map_or(self.last + 1, |entry| entry.seq)
    }

    /// Block events up to the newest.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Events after `seq`, which is not before the window.
    pub(super) fn after(&self, seq: i64) -> impl Iterator<Item = &Arc<Entry>> {
        let skipped = usize::try_from((seq + 1).saturating_sub(self.first())).unwrap_or(0);
        self.entries.range(skipped.min(self.entries.len())..)
    }

    /// Adds the next event of the log. One that does not follow means that the log was read with a
    /// gap: everything older is forgotten, and readers take it from the database.
    pub(super) fn push(&mut self, entry: Entry) {
        if entry.seq != self.last + 1 {
            self.entries.clear();
            self.bytes = 0;
        }
        self.last = entry.seq;
        if let Some(mark) = self.mark_of(&entry) {
            // No event is less than a mark: there is one for every block of the window.
            self.ledger.push(mark, self.events_max + MARKS_BEFORE);
        }
        if self.people.learn(&entry) {
            // Of the events kept, it is not known any more who may be shown.
            self.entries.clear();
            self.bytes = 0;
        }
        self.bytes += entry.weight();
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > self.events_max || self.bytes > WINDOW_BYTES_MAX {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.weight();
        }
    }

    /// The block mark that an event begins or continues.
    fn mark_of(&self, entry: &Entry) -> Option<BlockMark> {
        let applied = match entry.kind {
            EventType::BlockApplied | EventType::TransactionConfirmed => true,
            EventType::BlockRetracted | EventType::TransactionRetracted => false,
            _ => return None,
        };
        let height = entry.height?;
        // The events of one block follow each other: an application begins with the block and a
        // retraction ends with it.
        let newest = self.ledger.newest().filter(|mark| {
            let begins = entry.kind == EventType::BlockApplied;
            let ended = !mark.applied && mark.closed;
            let same = mark.applied == applied && mark.height == height;
            same && mark.last + 1 == entry.seq && !begins && !ended
        });
        let first = newest.map_or(entry.seq, |mark| mark.first);
        let closed = entry.kind == EventType::BlockRetracted;
        Some(BlockMark { first, last: entry.seq, applied, height, closed })
    }

    /// The log was read to its end.
    pub(super) fn is_read(&mut self) {
        self.read_at = Instant::now();
    }

    /// Whether the identity behind an event of the window may be shown to `viewer` now.
    pub(super) fn shows(&self, entry: &Entry, viewer: Viewer) -> bool {
        let Some(identity) = &entry.identity else { return false };
        let public = self.people.public.get(identity) == Some(&true);
        viewer.sees(identity, public && self.is_fresh())
    }

    /// The same of an event that was read from the database, when `epoch` was as given.
    pub(super) fn shows_read(&self, entry: &Entry, viewer: Viewer, epoch: u64) -> bool {
        let Some(identity) = &entry.identity else { return false };
        let since = self.is_hidden(identity) || self.people.epoch != epoch;
        viewer.sees(identity, entry.public && !since && self.is_fresh())
    }

    fn is_fresh(&self) -> bool {
        self.read_at.elapsed() <= VISIBILITY_TRUSTED
    }

    /// Whether the log says that the identity is hidden.
    pub(super) fn is_hidden(&self, identity: &IdentityId) -> bool {
        self.people.public.get(identity) == Some(&false)
    }

    /// Whether the identity's wallets changed after `seq`.
    pub(super) fn is_relinked_after(&self, identity: &IdentityId, seq: i64) -> bool {
        self.people.relinked.get(identity).is_some_and(|changed| *changed > seq)
    }

    /// Counts how often what was learned of identities was forgotten: what was read before is to be
    /// distrusted.
    pub(super) fn epoch(&self) -> u64 {
        self.people.epoch
    }
}

impl People {
    /// Remembers what an event says; `true` where everything else had to be forgotten for it.
    fn learn(&mut self, entry: &Entry) -> bool {
        let Some(identity) = entry.identity else { return false };
        let full = self.public.len() >= IDENTITIES_MAX && !self.public.contains_key(&identity);
        if full {
            self.public.clear();
            self.relinked.clear();
            self.epoch += 1;
        }
        self.public.insert(identity, entry.public);
        if entry.relinked {
            self.relinked.insert(identity, entry.seq);
        }
        full
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::Event;
    use super::super::confirm::Verdict;
    use super::*;
    use serde_json::json;

    const SOMEBODY: IdentityId = IdentityId([7; 32]);

    fn entry(seq: i64, kind: EventType, height: i64, public: Option<bool>) -> Entry {
        let event = Event {
            seq,
            kind,
            height: Some(height),
            block_hash: None,
            at_s: 0,
            identity_id: public.map(|_| SOMEBODY),
            address_keys: Vec::new(),
            data: json!({"changed": ["visibility"]}),
        };
        Entry::new(event, public.unwrap_or_default()).unwrap()
    }

    #[test]
    fn events_of_a_block_are_told_from_those_of_the_next() {
        use EventType::{
            BlockApplied as B, BlockRetracted as Br, TransactionConfirmed as T,
            TransactionRetracted as Tr, VoteCast as V,
        };
        let mut window = Window::new(100, 10, Ledger::default());
        let log =
            [(B, 5), (T, 5), (V, 5), (B, 6), (T, 6), (Tr, 6), (Br, 6), (Br, 5), (B, 5), (T, 5)];
        for (seq, (kind, height)) in (11..).zip(log) {
            window.push(entry(seq, kind, height, None));
        }
        let words: Vec<Verdict> = (11..=20).map(|seq| window.ledger().verdict(seq, 2)).collect();
        use Verdict::{Deliver as D, Skip as S, Wait as W};
        // Block 5 had two confirmations before it was retracted; block 6 had one.
        assert_eq!(words, [D, D, D, S, S, S, S, D, W, W]);
        assert_eq!(window.ledger().newest().map(|mark| (mark.first, mark.last)), Some((19, 20)));
    }

    #[test]
    fn the_window_is_bounded_and_has_no_gaps() {
        let mut window = Window::new(3, 0, Ledger::default());
        let seqs = |window: &Window, after| -> Vec<i64> {
            window.after(after).map(|entry| entry.seq).collect()
        };
        assert_eq!((window.first(), window.last()), (1, 0));
        for seq in 1..=5 {
            window.push(entry(seq, EventType::VoteCast, 1, None));
        }
        assert_eq!((window.first(), window.last()), (3, 5));
        assert_eq!(
            (seqs(&window, 2), seqs(&window, 4), seqs(&window, 9)),
            (vec![3, 4, 5], vec![5], vec![])
        );
        window.push(entry(9, EventType::VoteCast, 1, None));
        assert_eq!((window.first(), seqs(&window, 8)), (9, vec![9]));
        let weight: usize = window.entries.iter().map(|entry| entry.weight()).sum();
        assert_eq!(window.bytes, weight);
    }

    #[test]
    fn who_hides_later_is_not_named_in_what_came_before() {
        let mut window = Window::new(10, 0, Ledger::default());
        window.push(entry(1, EventType::VoteCast, 1, Some(true)));
        let vote = Arc::clone(window.after(0).next().unwrap());
        let owner = Viewer::Account { identity: Some(SOMEBODY) };
        let epoch = window.epoch();
        assert!(
            window.shows(&vote, Viewer::Anonymous)
                && window.shows_read(&vote, Viewer::Anonymous, epoch)
        );
        window.push(entry(2, EventType::IdentityUpdated, 1, Some(false)));
        assert!(!window.shows(&vote, Viewer::Anonymous));
        assert!(!window.shows_read(&vote, Viewer::Anonymous, epoch));
        assert!(window.is_hidden(&SOMEBODY) && window.shows(&vote, owner));
        // Wallets did not change.
        assert!(!window.is_relinked_after(&SOMEBODY, 0));
        let text = |named| String::from_utf8_lossy(&vote.text(named).json).into_owned();
        assert!(text(true).contains("0707") && !text(false).contains("0707"));
        // Nobody is named by what is not known to be fresh.
        window.push(entry(3, EventType::VoteCast, 1, Some(true)));
        assert!(window.shows(&vote, Viewer::Anonymous));
        window.read_at = Instant::now().checked_sub(VISIBILITY_TRUSTED * 2).unwrap();
        assert!(!window.shows(&vote, Viewer::Anonymous));
    }
}
