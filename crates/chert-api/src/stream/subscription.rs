//! One stream: a position in the log that moves at the pace of its client.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chert_store::entities::identity::visible::guard_identity;
use chert_store::privacy::Viewer;
use futures::Stream;
use metrics::counter;
use tokio::sync::watch;
use tokio::time::Instant;

use super::confirm::Verdict;
use super::entry::Entry;
use super::filter::Filter;
use super::log;
use super::places::Place;
use super::window::Window;
use super::{Cut, CutReason, Delivered};
use crate::error::{Kind, Problem};
use crate::state::ApiState;

/// Events kept for one stream: those that leave next.
const READY_MAX: usize = 64;
/// Events of the window looked at in one go.
const LOOK_MAX: usize = 2_048;
/// Events of a page that a stream behind the window reads.
const CATCH_UP_EVENTS: i64 = 100;
/// Pause before a page is asked for again where the database does not answer.
const CATCH_UP_RETRY: Duration = Duration::from_secs(1);

/// An open stream; gives its place back when dropped.
pub struct Subscription {
    api: ApiState,
    filter: Filter,
    viewer: Viewer,
    /// Everything up to here is delivered, waits in `ready`, or is not wanted.
    scanned: i64,
    /// Number of the last delivered event, or of the position at the beginning.
    delivered: i64,
    /// The newest event when the stream was opened.
    opened_at: i64,
    ready: VecDeque<Ready>,
    changed: watch::Receiver<u64>,
    ends_at: Instant,
    /// It has had everything there was, once.
    complete: bool,
    /// Since when it is behind the window again.
    behind_since: Option<Instant>,
    /// The next event has too few confirmations.
    held: bool,
    epoch: u64,
    _place: Place,
}

/// An event that leaves next.
#[derive(Debug)]
struct Ready {
    entry: Arc<Entry>,
    /// Where it was read from the database: the window's epoch before.
    read_at_epoch: Option<u64>,
}

/// What a look at the window gave.
enum Look {
    /// Something, or too much to see at once.
    Some,
    /// Nothing until the window changes.
    Nothing,
    /// The next event is older than the window.
    Behind,
}

/// Opens a stream of the events after `after`; without it, of those to come.
///
/// # Errors
/// 400 for a position that the log has not reached, 403 where the filter's identity is hidden from
/// `viewer`, 404 where there is none, 410 where the log does not go back so far, 429 and 503 where
/// no place is free, 503 where the database cannot be asked.
pub async fn subscribe(
    api: &ApiState,
    filter: Filter,
    after: Option<i64>,
    viewer: Viewer,
    client: IpAddr,
) -> Result<Subscription, Problem> {
    let hub = api.streams();
    let place = hub.places.take(client)?;
    if let Some(identity) = &filter.events.identity {
        guard_identity(api.store().readers(), identity).await?.open(viewer)?;
    }
    let changed = hub.watch();
    let opened_at = hub.position(api).await?;
    let scanned = match after {
        None => opened_at,
        Some(after) => {
            check_position(api, after).await?;
            after
        }
    };
    let epoch = hub.window().as_ref().map_or(0, Window::epoch);
    Ok(Subscription {
        ends_at: Instant::now() + hub.settings.lifetime,
        api: api.clone(),
        filter,
        viewer,
        scanned,
        delivered: scanned,
        opened_at,
        ready: VecDeque::new(),
        changed,
        complete: false,
        behind_since: None,
        held: false,
        epoch,
        _place: place,
    })
}

/// Refuses positions that the log does not have, or not any more.
async fn check_position(api: &ApiState, after: i64) -> Result<(), Problem> {
    let known = |window: &Window| after + 1 >= window.first() && after <= window.last();
    if api.streams().window().as_ref().is_some_and(known) {
        return Ok(());
    }
    let (_, head) = api.store().event_head().await?;
    refuse_position(after, head.oldest_seq, head.last_seq)
}

/// Refuses a position outside a log of the events `oldest..=last`.
pub(crate) fn refuse_position(after: i64, oldest: i64, last: i64) -> Result<(), Problem> {
    if after > last {
        return Err(Problem::invalid(format!(
            "after is {after}, and the newest event has the number {last}"
        )));
    }
    if after.saturating_add(1) < oldest {
        return Err(Problem::new(
            Kind::EventsExpired,
            format!(
                "Events up to {} are gone; the oldest kept has the number {oldest}. Read the state \
                 anew and go on after {}.",
                oldest - 1,
                oldest - 1
            ),
        ));
    }
    Ok(())
}

impl Subscription {
    /// Everything up to this number was delivered or is not wanted: where to resume.
    pub fn position(&self) -> i64 {
        if self.ready.is_empty() { self.scanned } else { self.delivered }
    }

    /// The next event. Nothing is lost when the future is dropped before its end.
    ///
    /// # Errors
    /// [`Cut`] ends the stream; it is not to be asked again.
    pub async fn next(&mut self) -> Result<Delivered, Cut> {
        loop {
            self.may_go_on()?;
            if let Some(ready) = self.ready.pop_front() {
                return Ok(self.hand_over(&ready));
            }
            match self.look() {
                Look::Some => {}
                Look::Nothing => self.wait().await,
                // Boxed: a stream that waits does not carry the room for a statement along.
                Look::Behind => Box::pin(self.catch_up()).await?,
            }
        }
    }

    /// The same as a stream, which ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Delivered, Cut>> + Send {
        futures::stream::unfold(Some(self), async |open| {
            let mut open = open?;
            let item = open.next().await;
            let rest = item.is_ok().then_some(open);
            Some((item, rest))
        })
    }

    fn cut(&self, reason: CutReason) -> Cut {
        counter!("chert_stream_cut_total", "reason" => reason.as_str()).increment(1);
        Cut { reason, resume_after: self.position() }
    }

    fn may_go_on(&self) -> Result<(), Cut> {
        let hub = self.api.streams();
        if hub.is_closing() {
            return Err(self.cut(CutReason::Closing));
        }
        if Instant::now() >= self.ends_at {
            return Err(self.cut(CutReason::Lifetime));
        }
        if self.filter.events.identity.is_none() && self.viewer == Viewer::Anonymous {
            return Ok(());
        }
        let reason = hub.window().as_ref().and_then(|window| self.lost_right(window));
        reason.map_or(Ok(()), |reason| Err(self.cut(reason)))
    }

    /// What the log says against going on.
    fn lost_right(&self, window: &Window) -> Option<CutReason> {
        let own = match self.viewer {
            Viewer::Account { identity } => identity,
            Viewer::Anonymous => None,
        };
        let forgotten = window.epoch() != self.epoch;
        if own.is_some_and(|own| forgotten || window.is_relinked_after(&own, self.opened_at)) {
            return Some(CutReason::Relinked);
        }
        let subject = self.filter.events.identity.filter(|subject| own != Some(*subject));
        let hidden = subject.is_some_and(|subject| forgotten || window.is_hidden(&subject));
        hidden.then_some(CutReason::Hidden)
    }

    /// Gives an event away; whether its identity may be seen is decided here, at the last moment.
    fn hand_over(&mut self, ready: &Ready) -> Delivered {
        let entry = &ready.entry;
        let named = entry.is_guarded() && {
            let window = self.api.streams().window();
            window.as_ref().is_some_and(|window| match ready.read_at_epoch {
                None => window.shows(entry, self.viewer),
                Some(epoch) => window.shows_read(entry, self.viewer, epoch),
            })
        };
        let text = entry.text(named).clone();
        self.delivered = entry.seq;
        self.api.http_metrics().count_delivered();
        Delivered { seq: entry.seq, kind: entry.kind, json: text.json, frame: text.frame }
    }

    /// Takes what is wanted from the window.
    fn look(&mut self) -> Look {
        self.changed.mark_unchanged();
        let api = self.api.clone();
        let window = api.streams().window();
        let Some(window) = window.as_ref() else { return Look::Nothing };
        if self.scanned + 1 < window.first() {
            return Look::Behind;
        }
        self.held = false;
        let confirmations = self.filter.min_confirmations;
        for entry in window.after(self.scanned).take(LOOK_MAX) {
            match window.ledger().verdict(entry.seq, confirmations) {
                Verdict::Wait => {
                    self.held = true;
                    break;
                }
                Verdict::Deliver if self.filter.wants(entry) => {
                    self.ready.push_back(Ready { entry: Arc::clone(entry), read_at_epoch: None });
                }
                Verdict::Deliver | Verdict::Skip => {}
            }
            self.scanned = entry.seq;
            if self.ready.len() >= READY_MAX {
                break;
            }
        }
        let complete = self.held || self.scanned >= window.last();
        self.complete |= complete;
        self.behind_since = None;
        if complete && self.ready.is_empty() { Look::Nothing } else { Look::Some }
    }

    /// Waits until the window changes or the stream has to end.
    async fn wait(&mut self) {
        // The sender lives as long as the state, and a time-out is looked at by the caller.
        let _ = tokio::time::timeout_at(self.ends_at, self.changed.changed()).await;
    }

    /// Reads a page from the database.
    async fn catch_up(&mut self) -> Result<(), Cut> {
        let api = self.api.clone();
        let hub = api.streams();
        if self.complete && !self.held {
            let since = *self.behind_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= hub.settings.behind_max {
                return Err(self.cut(CutReason::Slow));
            }
        }
        let epoch = hub.window().as_ref().map(Window::epoch);
        let read = async {
            // The semaphore is never closed.
            let _permit = hub.reads.acquire().await;
            log::read_confirmed(&api, self.scanned, &self.filter, CATCH_UP_EVENTS).await
        };
        let part = match read.await {
            Ok(part) => part,
            // The stream stays open; the log has everything when the database is back.
            Err(_) => {
                tokio::time::sleep(CATCH_UP_RETRY).await;
                return Ok(());
            }
        };
        if part.page.head.has_expired(self.scanned) {
            return Err(self.cut(CutReason::Expired));
        }
        let progressed = part.page.scanned_to > self.scanned;
        for event in part.page.events {
            let public = event.identity_id.is_some_and(|id| part.public.contains(&id));
            match Entry::new(event, public) {
                Ok(entry) => self
                    .ready
                    .push_back(Ready { entry: entry.into(), read_at_epoch: epoch.or(Some(0)) }),
                Err(problem) => tracing::error!(detail = %problem.detail, "an event was left out"),
            }
        }
        self.scanned = part.page.scanned_to.max(self.scanned);
        self.held = part.held;
        if self.held {
            self.behind_since = None;
        }
        if !progressed {
            self.wait().await;
        }
        Ok(())
    }
}
