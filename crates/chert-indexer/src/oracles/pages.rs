//! Reading a work feed page by page: what an answer means, what is stored, when to ask again
//! (contract oracle-feed §4.3.2 to §4.3.4).

use std::time::{Duration, Instant};

use chert_sources::{
    Fault, FeedPlace, PageFault, PageFaultKind, SourceError, Trust, VerifiedItem, WorkAnswer,
    verify_page,
};
use chert_store::entities::oracle::{OpenFeed, OracleLock};
use chert_store::entities::work::{PageOutcome, WorkItem, WorkPage};
use chert_store::{RejectedRecord, StoreError};
use silica_models::FeedItem;

use super::status::FeedState;
use super::visit::{End, Follower};

/// A feed that is being read.
pub(super) struct Reading {
    pub(super) oracle_id: String,
    pub(super) feed_id: String,
    pub(super) feed: OpenFeed,
    pub(super) head_seq: i64,
    pub(super) oldest_seq: i64,
    pub(super) lock: OracleLock,
}

impl Follower {
    /// One request and what follows from it; `None`: read on.
    pub(super) async fn step(&mut self, reading: &mut Reading) -> Result<Option<End>, StoreError> {
        let settings = &self.context.settings;
        let behind = reading.head_seq > reading.feed.cursor_seq;
        let wait = if behind { Duration::ZERO } else { settings.long_poll };
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let (after, limit) = (reading.feed.cursor_seq, settings.page_limit);
        let started = Instant::now();
        let feed_id = Some(reading.feed_id.as_str());
        let answer = match self.context.oracle.source.work(after, limit, wait_ms, feed_id).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Some(End::Failed(error))),
        };
        match answer {
            WorkAnswer::Page {
                oldest_seq, head_seq, items, has_more, feed_id, oracle_id, ..
            } => {
                if oracle_id != reading.oracle_id {
                    return Ok(Some(self.rest(FeedState::Refused, "wrong_oracle")));
                }
                if feed_id != reading.feed_id {
                    return Ok(Some(End::Again));
                }
                if head_seq < reading.feed.cursor_seq {
                    // A replica that lags, or a log that was cut: only time tells them apart, and
                    // what a log tells that was cut and grew again is checked like any page.
                    let (state, code) = (FeedState::Failing, "feed_went_back");
                    let wait = self.context.settings.backoff_max;
                    return Ok(Some(End::Rest { state, code, wait }));
                }
                (reading.head_seq, reading.oldest_seq) = (head_seq, oldest_seq);
                let count = items.len();
                if let Some(end) = self.take(reading, items).await? {
                    return Ok(Some(end));
                }
                self.pace(reading, count, has_more, started).await;
                Ok((!reading.lock.is_held().await).then_some(End::Again))
            }
            WorkAnswer::FeedChanged { feed_id, oldest_seq, head_seq } => {
                if feed_id == reading.feed_id {
                    return Ok(Some(contradiction("the feed changed to the one it was")));
                }
                tracing::warn!(oracle = self.name(), feed_id, "the oracle began a new feed");
                self.count_alert("feed_changed");
                reading.feed =
                    self.open(&reading.oracle_id, &feed_id, oldest_seq, head_seq).await?;
                (reading.feed_id, reading.head_seq) = (feed_id, head_seq);
                reading.oldest_seq = oldest_seq;
                // An oracle that changes its mind all the time must not keep us busy.
                tokio::time::sleep(self.context.settings.backoff).await;
                Ok(None)
            }
            WorkAnswer::CursorExpired { oldest_seq } => self.expired(reading, oldest_seq).await,
            WorkAnswer::NoFeed => self.without_feed().await.map(Some),
            WorkAnswer::Refused { .. } => Ok(Some(self.unauthorized())),
            WorkAnswer::BadRequest => {
                let wait = self.context.settings.absent_retry;
                Ok(Some(End::Rest { state: FeedState::Paused, code: "bad_request", wait }))
            }
        }
    }

    /// Checks and stores a page.
    async fn take(
        &mut self,
        reading: &mut Reading,
        items: Vec<FeedItem>,
    ) -> Result<Option<End>, StoreError> {
        let place = FeedPlace {
            oracle_id: &reading.oracle_id,
            feed_id: &reading.feed_id,
            after: reading.feed.cursor_seq,
            last_hash: reading.feed.last_hash,
        };
        let options = &self.context.oracle.setup.options;
        let trust =
            Trust { public_keys: &options.public_keys, allow_unsigned: options.allow_unsigned };
        let (good, fault) = match verify_page(items, place, trust) {
            Ok(good) => (good, None),
            Err(fault) => {
                let PageFault { kind, item, good, .. } = *fault;
                (good, Some((kind, item)))
            }
        };
        if !(good.is_empty() && fault.is_some())
            && let Some(end) = self.store(reading, good).await?
        {
            return Ok(Some(end));
        }
        let Some((kind, item)) = fault else { return Ok(None) };
        if kind == PageFaultKind::Gap {
            // The answer is wrong, not an item of the feed: the next answer may be right.
            return Ok(Some(contradiction(&format!("item {} is out of order", item.seq))));
        }
        let record = RejectedRecord {
            key: format!("{}/{}", reading.feed.feed_epoch, item.seq),
            height: None,
            reason: kind.code().to_owned(),
            raw: item.raw.into_bytes(),
        };
        let now_s = self.context.now_s();
        let (oracle_id, feed_id) = (reading.oracle_id.as_str(), reading.feed_id.as_str());
        self.context.store.put_untrusted_item(oracle_id, feed_id, &record, now_s).await?;
        tracing::error!(
            oracle = self.name(),
            seq = item.seq,
            code = kind.code(),
            "an item is not to be trusted; the feed is paused"
        );
        Ok(Some(self.rest(FeedState::Paused, kind.code())))
    }

    async fn store(
        &mut self,
        reading: &mut Reading,
        good: Vec<VerifiedItem>,
    ) -> Result<Option<End>, StoreError> {
        let last = good.last().map(|verified| (verified.item.seq, verified.item.hash));
        let count = good.len() as u64;
        let items = good.into_iter().map(|verified| {
            WorkItem::of(verified.item, verified.signature_status, &reading.oracle_id)
        });
        let page = WorkPage {
            oracle_id: reading.oracle_id.clone(),
            feed_id: reading.feed_id.clone(),
            feed_epoch: reading.feed.feed_epoch,
            after: reading.feed.cursor_seq,
            items: items.collect(),
            head_seq: reading.head_seq,
            oldest_seq: reading.oldest_seq,
            now_s: self.context.now_s(),
        };
        match self.context.store.put_work_page(&page).await? {
            PageOutcome::Stored(counts) => {
                if let Some((seq, hash)) = last {
                    (reading.feed.cursor_seq, reading.feed.last_hash) = (seq, hash);
                }
                let oracle = self.name();
                metrics::counter!("chert_oracle_items_total", "oracle" => oracle.clone())
                    .increment(count);
                metrics::counter!("chert_oracle_malformed_total", "oracle" => oracle.clone())
                    .increment(counts.malformed as u64);
                metrics::counter!("chert_oracle_anomalies_total", "oracle" => oracle)
                    .increment(counts.anomalies as u64);
                self.read(reading).await?;
                Ok(None)
            }
            PageOutcome::CursorMoved => Ok(Some(End::Again)),
            PageOutcome::Diverged { seq } => {
                tracing::error!(oracle = self.name(), seq, "the oracle has rewritten its feed");
                Ok(Some(End::Stop { code: "diverged" }))
            }
        }
    }

    /// Notes that all is well.
    async fn read(&mut self, reading: &Reading) -> Result<(), StoreError> {
        self.failures = 0;
        let lag = reading.head_seq.saturating_sub(reading.feed.cursor_seq);
        let now_s = self.context.now_s();
        self.context.oracle.view.send_modify(|view| view.read(lag, now_s));
        let gauge = metrics::gauge!("chert_oracle_lag_items", "oracle" => self.name());
        gauge.set(f64::from(u32::try_from(lag).unwrap_or(u32::MAX)));
        self.show(&reading.oracle_id, FeedState::Read, None).await
    }

    /// Waits before the next request, so that an oracle that does not hold requests, or that gets
    /// single items all the time, is not asked without end.
    async fn pace(&self, reading: &Reading, count: usize, has_more: bool, started: Instant) {
        let settings = &self.context.settings;
        let full = count >= usize::try_from(settings.page_limit).unwrap_or(usize::MAX);
        let behind = reading.head_seq > reading.feed.cursor_seq || has_more;
        let least = match (count, behind) {
            _ if full => return,
            // A short page with more to come: the oracle's own limit is lower than ours.
            (1.., true) => return,
            (0, _) => settings.poll_min,
            (_, false) => settings.poll_min / 5,
        };
        tokio::time::sleep(least.saturating_sub(started.elapsed())).await;
    }

    /// What comes next has expired: the gap is recorded and reading goes on behind it.
    async fn expired(
        &self,
        reading: &mut Reading,
        oldest_seq: i64,
    ) -> Result<Option<End>, StoreError> {
        let first = reading.feed.cursor_seq.saturating_add(1);
        let last = oldest_seq.saturating_sub(1);
        if last < first {
            return Ok(Some(contradiction("expired items that it says it still has")));
        }
        let (oracle_id, feed_id) = (reading.oracle_id.as_str(), reading.feed_id.as_str());
        let now_s = self.context.now_s();
        if !self.context.store.record_gap(oracle_id, feed_id, first, last, now_s).await? {
            return Ok(Some(End::Again));
        }
        tracing::warn!(oracle = self.name(), first, last, "items expired before they were read");
        self.count_alert("gap");
        (reading.feed.cursor_seq, reading.feed.last_hash) = (last, None);
        (reading.oldest_seq, reading.head_seq) = (oldest_seq, reading.head_seq.max(last));
        Ok(None)
    }
}

/// An answer that cannot be: asked again after the usual pause for failures.
fn contradiction(what: &str) -> End {
    End::Failed(SourceError::new(Fault::Malformed, what))
}
