//! The one reader of the log in this process.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use chert_store::StoreError;
use metrics::{counter, gauge};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::entry::Entry;
use super::log::{self, ledger_before};
use super::places::Places;
use super::window::Window;
use super::{EventFilter, StreamSettings};
use crate::error::Problem;
use crate::state::ApiState;

/// The log is looked at this often where no wake-up comes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events read at a time.
const READ_EVENTS: i64 = 500;
/// Pages that streams behind the window read from the database at the same time.
const CATCH_UP_READS: usize = 4;

/// What all streams of the process share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) settings: StreamSettings,
    pub(super) places: Arc<Places>,
    /// For reads of streams that are behind the window.
    pub(super) reads: Semaphore,
    /// Absent while nobody listens.
    window: RwLock<Option<Window>>,
    /// Changes with the window.
    changed: watch::Sender<u64>,
    /// No stream goes on after this.
    closing: CancellationToken,
    woken: Notify,
    opening: tokio::sync::Mutex<()>,
}

impl Hub {
    pub(crate) fn new(settings: StreamSettings) -> Self {
        Self {
            places: Places::new(settings.max_subscribers, settings.max_subscribers_per_ip),
            reads: Semaphore::new(CATCH_UP_READS),
            window: RwLock::default(),
            changed: watch::Sender::new(0),
            closing: CancellationToken::new(),
            woken: Notify::new(),
            opening: tokio::sync::Mutex::new(()),
            settings,
        }
    }

    /// There may be something new in the log.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Tells when the window has changed.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// The window, for a moment: nothing may be awaited while it is held.
    pub(super) fn window(&self) -> RwLockReadGuard<'_, Option<Window>> {
        self.window.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Option<Window>)) {
        change(&mut self.window.write().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Number of the newest event read. Begins to read the log where nobody had listened.
    pub(super) async fn position(&self, api: &ApiState) -> Result<i64, StoreError> {
        let _one_at_a_time = self.opening.lock().await;
        if let Some(window) = self.window().as_ref() {
            return Ok(window.last());
        }
        let (_, head) = api.store().event_head().await?;
        let ledger = ledger_before(api, head.last_seq + 1).await?;
        let window = Window::new(self.settings.window_events, head.last_seq, ledger);
        self.change(|slot| *slot = Some(window));
        Ok(head.last_seq)
    }

    /// Reads the log to its end.
    async fn read_on(&self, api: &ApiState) -> Result<(), StoreError> {
        let mut last = self.position(api).await?;
        loop {
            let part = log::read(api, last, &EventFilter::default(), READ_EVENTS).await?;
            let head = part.page.head;
            let behind = head.last_seq.saturating_sub(part.page.scanned_to).max(0);
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
            gauge!("chert_stream_lag_events").set(behind as f64);
            let written = part.page.events.into_iter().map(|event| {
                let public = event.identity_id.is_some_and(|id| part.public.contains(&id));
                Entry::new(event, public)
            });
            let entries: Vec<Entry> =
                written.collect::<Result<_, Problem>>().map_err(|problem| {
                    // A value that serde_json cannot write: a defect, not an outage.
                    StoreError::Corrupt(format!("an event cannot be written: {}", problem.detail))
                })?;
            let progressed = part.page.scanned_to > last;
            last = part.page.scanned_to.max(last);
            self.change_if(!entries.is_empty(), |window| {
                entries.into_iter().for_each(|entry| window.push(entry));
            });
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
            gauge!("chert_stream_read_to").set(last as f64);
            if behind == 0 || !progressed {
                return Ok(());
            }
        }
    }

    /// Changes the window; wakes the streams only where there is something for them.
    fn change_if(&self, news: bool, change: impl FnOnce(&mut Window)) {
        let mut slot = self.window.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = slot.as_mut() {
            change(window);
            window.is_read();
        }
        drop(slot);
        if news {
            self.changed.send_modify(|version| *version = version.wrapping_add(1));
        }
    }
}

/// Reads the log for as long as somebody listens, until told to stop.
pub(crate) async fn keep_reading(api: ApiState, stop: CancellationToken) {
    let hub = api.streams();
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = hub.woken.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if hub.places.taken() == 0 {
            // A stream that opens meanwhile reads what it misses from the database.
            if hub.window().is_some() {
                hub.change(|window| *window = None);
            }
            continue;
        }
        match stop.run_until_cancelled(hub.read_on(&api)).await {
            None | Some(Ok(())) => failing = false,
            Some(Err(error)) => {
                counter!("chert_stream_read_errors_total").increment(1);
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(code = error.code(), "the event log cannot be read; retrying");
                }
            }
        }
    }
    hub.closing.cancel();
    hub.changed.send_modify(|version| *version = version.wrapping_add(1));
}
