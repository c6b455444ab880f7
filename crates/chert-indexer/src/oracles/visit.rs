//! Following the work feed of one oracle (contract oracle-feed §4.3.2 and §4.4).
//!
//! A visit asks who the oracle is, takes its lock, finds where to read on, and reads page after page
//! until something ends it; what ended it decides when the next visit begins.

use std::convert::Infallible;
use std::time::Duration;

use chert_sources::{FeedInfo, InfoAnswer, SourceError};
use chert_store::StoreError;
use chert_store::entities::oracle::{OpenFeed, OracleRow};

use super::Context;
use super::pages::Reading;
use super::status::FeedState;
use super::trust::objection;

/// Longest pause that an oracle may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What ended a visit.
#[derive(Debug)]
pub(super) enum End {
    /// Begin again at once: the feed or the cursor has moved.
    Again,
    /// A request failed.
    Failed(SourceError),
    /// Something that does not pass soon.
    Rest { state: FeedState, code: &'static str, wait: Duration },
    /// Not to be read any more by this process.
    Stop { code: &'static str },
}

/// Follows an oracle's feed for ever.
pub(super) async fn follow(context: Context) -> Infallible {
    let mut follower = Follower { context, failures: 0, shown: None };
    loop {
        let wait = match follower.visit().await {
            Ok(end) => follower.ended(end).await,
            Err(error) => {
                tracing::debug!(oracle = follower.name(), %error, "put off");
                Some(follower.context.settings.backoff)
            }
        };
        match wait {
            // Half fixed, half random, so that many readers do not come back together.
            Some(wait) => {
                tokio::time::sleep(wait.mul_f64(0.75 + rand::random::<f64>() / 4.0)).await;
            }
            None => return std::future::pending().await,
        }
    }
}

/// What one oracle's task remembers.
pub(super) struct Follower {
    pub(super) context: Context,
    /// Visits in a row that ended with a failed request.
    pub(super) failures: u32,
    /// State and error that were last stored.
    shown: Option<(&'static str, Option<&'static str>)>,
}

impl Follower {
    pub(super) fn name(&self) -> String {
        self.context.oracle.source.name()
    }

    async fn visit(&mut self) -> Result<End, StoreError> {
        // Work is attributed by what the chain and the registry say: they come first.
        let filling = self.context.progress.borrow().mode.is_filling();
        if filling || self.context.store.checkpoint().await?.tip().is_none() {
            return Ok(End::Again);
        }
        let info = match self.context.oracle.source.info().await {
            Ok(InfoAnswer::Feed(info)) => info,
            Ok(InfoAnswer::NoFeed) => return self.without_feed().await,
            Ok(InfoAnswer::Refused { .. }) => return Ok(self.unauthorized()),
            Err(error) => return Ok(End::Failed(error)),
        };
        if let Some(objection) = objection(&self.context.oracle.setup, &info) {
            tracing::warn!(
                oracle = self.name(),
                code = objection.code,
                "not read: {}",
                objection.remedy
            );
            if matches!(objection.code, "no_pinned_key" | "wrong_key" | "wrong_network") {
                self.put_oracle(&info, FeedState::Refused).await?;
            }
            return Ok(self.rest(FeedState::Refused, objection.code));
        }
        let Some(lock) = self.context.store.try_oracle_lock(&info.oracle_id).await? else {
            self.context.oracle.view.send_modify(|view| {
                view.oracle_id = Some(info.oracle_id.clone());
                view.feed = FeedState::Standby;
            });
            tokio::time::sleep(self.context.settings.standby).await;
            return Ok(End::Again);
        };
        self.put_oracle(&info, FeedState::Read).await?;
        let mut reading = Reading {
            feed: self.open(&info.oracle_id, &info.feed_id, info.oldest_seq, info.head_seq).await?,
            oracle_id: info.oracle_id,
            feed_id: info.feed_id,
            head_seq: info.head_seq,
            oldest_seq: info.oldest_seq,
            lock,
        };
        loop {
            if let Some(end) = self.step(&mut reading).await? {
                return Ok(end);
            }
        }
    }

    pub(super) async fn open(
        &self,
        oracle_id: &str,
        feed_id: &str,
        oldest_seq: i64,
        head_seq: i64,
    ) -> Result<OpenFeed, StoreError> {
        let now_s = self.context.now_s();
        self.context.store.open_feed(oracle_id, feed_id, oldest_seq, head_seq, now_s).await
    }

    async fn put_oracle(&self, info: &FeedInfo, state: FeedState) -> Result<(), StoreError> {
        let options = &self.context.oracle.setup.options;
        let pinned = info.public_key.filter(|key| options.public_keys.contains(key));
        let row = OracleRow {
            oracle_id: info.oracle_id.clone(),
            name: self.name(),
            base_url: self.name(),
            public_key: pinned.or_else(|| options.public_keys.first().copied()),
            mode: "feed",
            state: state.stored(),
            software_version: info.software_version.clone(),
            network_id: info.network_id.clone(),
            now_s: self.context.now_s(),
        };
        self.context.store.put_oracle(&row).await?;
        self.named(&info.oracle_id);
        Ok(())
    }

    /// 404: only the probe is left (contract §4.1).
    pub(super) async fn without_feed(&mut self) -> Result<End, StoreError> {
        let known = self.context.oracle.view.borrow().oracle_id.clone();
        let configured = self.context.oracle.setup.options.oracle_id.clone();
        let oracle_id = known.or(configured).unwrap_or_else(|| self.name());
        let row = OracleRow {
            oracle_id: oracle_id.clone(),
            name: self.name(),
            base_url: self.name(),
            public_key: self.context.oracle.setup.options.public_keys.first().copied(),
            mode: "probe",
            state: FeedState::None.stored(),
            software_version: None,
            network_id: None,
            now_s: self.context.now_s(),
        };
        self.context.store.put_oracle(&row).await?;
        self.named(&oracle_id);
        let wait = self.context.settings.absent_retry;
        Ok(End::Rest { state: FeedState::None, code: "no_feed", wait })
    }

    fn named(&self, oracle_id: &str) {
        self.context.oracle.view.send_if_modified(|view| {
            let new = view.oracle_id.as_deref() != Some(oracle_id);
            view.oracle_id = Some(oracle_id.to_owned());
            new
        });
    }

    pub(super) fn unauthorized(&self) -> End {
        self.rest(FeedState::Refused, "unauthorized")
    }

    pub(super) fn rest(&self, state: FeedState, code: &'static str) -> End {
        End::Rest { state, code, wait: self.context.settings.refused_retry }
    }

    /// Shows what ended a visit and tells how long to wait; `None`: for ever.
    async fn ended(&mut self, end: End) -> Option<Duration> {
        let settings = self.context.settings.clone();
        let (state, code, wait) = match end {
            End::Again => return Some(settings.backoff),
            End::Failed(error) => {
                self.failures = self.failures.saturating_add(1);
                tracing::debug!(oracle = self.name(), %error, "the feed was not read");
                let doubled = settings.backoff * 2_u32.pow(self.failures.clamp(1, 12) - 1);
                let wait = match error.retry_after {
                    Some(asked) => asked.min(RETRY_AFTER_MAX).max(settings.backoff),
                    None => doubled.min(settings.backoff_max),
                };
                (FeedState::Failing, error.fault.code(), Some(wait))
            }
            End::Rest { state, code, wait } => {
                self.failures = 0;
                (state, code, Some(wait))
            }
            End::Stop { code } => (FeedState::Diverged, code, None),
        };
        let now_s = self.context.now_s();
        let view = &self.context.oracle.view;
        if state == FeedState::None {
            view.send_modify(|view| view.feed = state);
            return wait;
        }
        self.count_alert(code);
        view.send_modify(|view| view.feed_failed(state, code, now_s));
        let oracle_id = view.borrow().oracle_id.clone();
        if let Some(oracle_id) = oracle_id
            && let Err(error) = self.show(&oracle_id, state, Some(code)).await
        {
            tracing::debug!(%error, "the oracle's state is not stored");
        }
        wait
    }

    /// Stores the oracle's state where it has changed.
    pub(super) async fn show(
        &mut self,
        oracle_id: &str,
        state: FeedState,
        error: Option<&'static str>,
    ) -> Result<(), StoreError> {
        let now = (state.stored(), error);
        if self.shown != Some(now) {
            let now_s = self.context.now_s();
            self.context.store.set_oracle_state(oracle_id, now.0, now.1, now_s).await?;
            self.shown = Some(now);
        }
        Ok(())
    }

    pub(super) fn count_alert(&self, code: &'static str) {
        metrics::counter!("chert_oracle_faults_total", "oracle" => self.name(), "fault" => code)
            .increment(1);
    }
}
