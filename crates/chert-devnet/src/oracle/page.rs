//! What the feed serves: items with their text, hash and signature, and pages of them.

use ed25519_dalek::Signer;
use serde_json::{Value, json};

use super::Oracle;
use super::canonical::{SIGNATURE_DOMAIN, hex, write_served};
use super::log::{Form, Item, Log, Subject};
use super::plan::Step;
use super::record::{Progress, rfc3339, work_record};
use super::report::{performance_record, slash_record, unknown_record};
use crate::ids::parse_hex;
use crate::rng::{Rng, to_index};

/// Most items in one answer.
pub(crate) const ITEMS_MAX: u64 = 1000;

/// What became of a request for a page.
#[derive(Debug)]
pub(crate) enum Page {
    Items {
        feed: FeedState,
        items: Vec<Value>,
        next: u64,
        has_more: bool,
    },
    /// The request named another feed.
    FeedChanged(FeedState),
    /// Items after the cursor have expired.
    CursorExpired(FeedState),
}

/// Where a feed stands.
#[derive(Clone, Debug)]
pub(crate) struct FeedState {
    pub(crate) feed_id: String,
    pub(crate) oldest_seq: u64,
    pub(crate) head_seq: u64,
}

impl FeedState {
    fn of(log: &Log) -> FeedState {
        FeedState {
            feed_id: log.feed_id.clone(),
            oldest_seq: log.oldest_seq,
            head_seq: log.head_seq(),
        }
    }
}

impl Oracle {
    pub(crate) fn feed_state(&self) -> FeedState {
        FeedState::of(&self.lock())
    }

    pub(crate) fn page(&self, after: u64, limit: u64, feed_id: Option<&str>) -> Page {
        let log = self.lock();
        let feed = FeedState::of(&log);
        if feed_id.is_some_and(|wanted| wanted != feed.feed_id) {
            return Page::FeedChanged(feed);
        }
        if after.saturating_add(1) < feed.oldest_seq {
            return Page::CursorExpired(feed);
        }
        let end = after.saturating_add(limit.min(ITEMS_MAX)).min(feed.head_seq);
        let items: Vec<Value> =
            (after + 1..=end).filter_map(|seq| self.served_item(&log, seq)).collect();
        let next = after.max(end);
        Page::Items { has_more: next < feed.head_seq, feed, items, next }
    }

    /// The newest item of a submission, as long as the feed of now has it.
    pub(crate) fn newest_item(&self, submission_id: &str) -> Option<Value> {
        let id = parse_hex::<32>(submission_id)?;
        let log = self.lock();
        let number = *log.by_id.get(&id)?;
        let seq = log.submissions.get(number as usize)?.latest_seq;
        self.served_item(&log, seq)
    }

    /// Figures for the counters of `/oracle/stats`.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let log = self.lock();
        let open = log.submissions.iter().filter(|submission| !submission.finished).count();
        (log.submissions.len() as u64, open as u64)
    }

    fn served_item(&self, log: &Log, seq: u64) -> Option<Value> {
        let item = log.item(seq)?;
        let (kind, record) = self.content(log, item);
        let recorded_at = rfc3339(item.time_ms);
        let mut served =
            json!({ "seq": seq, "kind": kind, "recorded_at": recorded_at, "record": record });
        if self.is_signed() {
            served["prev_hash"] = hex(&log.hash_before(seq)).into();
            served["hash"] = hex(&item.hash).into();
            served["signature"] = self.sign(&item.hash).into();
        }
        Some(served)
    }

    pub(crate) fn sign(&self, hash: &[u8; 32]) -> String {
        let text = format!("{SIGNATURE_DOMAIN}{}", hex(hash));
        hex(&self.0.key.sign(text.as_bytes()).to_bytes())
    }

    /// Kind and record of an item.
    pub(crate) fn content(&self, log: &Log, item: &Item) -> (&'static str, Value) {
        let seed = self.0.source.seed;
        match item.subject {
            Subject::Work { number, revision, form } => {
                ("work", self.work_item(log, number, revision, form).unwrap_or_default())
            }
            Subject::Slash { number, taken_back } => {
                let Some(slash) = log.slashes.get(number as usize) else {
                    return ("slash", Value::Null);
                };
                let plan = self.plan(slash.submission);
                let id = self.submission_id(&plan);
                ("slash", slash_record(seed, number, &plan, &id, slash.time_ms, taken_back))
            }
            Subject::Report => ("performance", performance_record(seed, item.time_ms)),
            Subject::Unknown => ("announcement", unknown_record(item.time_ms)),
        }
    }

    /// The record of a submission in one of its forms; `None` for one that was never told.
    pub(crate) fn work_item(
        &self,
        log: &Log,
        number: u32,
        revision: u32,
        form: Form,
    ) -> Option<Value> {
        let plan = self.plan(number);
        let submission = log.submissions.get(number as usize)?;
        let steps = match form {
            Form::Steps(steps)
            | Form::MoreFields(steps)
            | Form::ToldTwice(steps)
            | Form::Malformed(steps) => usize::from(steps),
            Form::BackInWork => plan.steps.iter().position(|step| *step == Step::Submitted)? + 1,
        };
        let progress = Progress {
            oracle_id: self.oracle_id(),
            times_ms: submission.times_ms.get(..steps.min(submission.times_ms.len()))?,
            revision,
            anchor: submission.anchor.as_ref(),
        };
        let mut record = work_record(&plan, progress);
        match form {
            Form::Steps(_) | Form::BackInWork => {}
            Form::MoreFields(_) => {
                record["carbon_grams"] = "12.75".into();
                record["hints"] = json!({ "é": ["nested", 1, null], "next_contract": 2 });
            }
            Form::ToldTwice(_) => record["difficulty"] = "999999".into(),
            Form::Malformed(_) => spoil(&mut record, plan.detail_seed),
        }
        Some(record)
    }
}

/// Makes something of a record that is not a record of work. Nothing in it has a fraction, so
/// that it can be hashed and signed like any other.
fn spoil(record: &mut Value, seed: u64) {
    match seed % 6 {
        0 => record["submission_id"] = "00".repeat(32).into(),
        1 => record["status"] = "nearly".into(),
        2 => record["account_address"] = Value::Null,
        3 => record["submitted_at"] = "the day before yesterday".into(),
        4 => *record = json!(["not", "an", "object"]),
        _ => *record = json!({ "submission_id": record["submission_id"], "revision": -1 }),
    }
}

/// The text of a page.
pub(crate) fn page_text(
    oracle_id: &str,
    feed: &FeedState,
    items: &[Value],
    next: u64,
    has_more: bool,
    more_fields: bool,
) -> String {
    let mut out = format!(
        "{{\"oracle_id\":\"{oracle_id}\",\"feed_id\":\"{}\",\"oldest_seq\":{},\"head_seq\":{},\"items\":[",
        feed.feed_id, feed.oldest_seq, feed.head_seq
    );
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_served(&mut out, item);
    }
    out.push_str(&format!("],\"next\":{next},\"has_more\":{has_more}"));
    if more_fields {
        out.push_str(",\"mirror\":{\"of\":[1,2,{}]}");
    }
    out.push('}');
    out
}

/// Spoils one item of a page, as a fault of the way or of the oracle would. `false` if the fault
/// cannot show in this page.
pub(crate) fn spoil_items(items: &mut Vec<Value>, fault: Spoil, seed: u64) -> bool {
    let rng = &mut Rng::new(&[seed]);
    let place = to_index(rng.below(items.len() as u64));
    if fault == Spoil::Gap {
        if items.len() < 3 {
            return false;
        }
        items.remove(items.len() / 2);
        return true;
    }
    let Some(item) = items.get_mut(place) else { return false };
    let name = match fault {
        Spoil::Signature => "signature",
        Spoil::Hash => "hash",
        Spoil::PrevHash | Spoil::Gap => "prev_hash",
    };
    let Some(Value::String(digits)) = item.get_mut(name) else { return false };
    let last = if digits.ends_with('0') { "1" } else { "0" };
    digits.replace_range(digits.len() - 1.., last);
    true
}

/// What [`spoil_items`] changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoil {
    Signature,
    Hash,
    PrevHash,
    Gap,
}
