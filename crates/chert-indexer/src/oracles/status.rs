//! How an oracle does, for `/v1/status`.

use chert_store::entities::source::SourceState;

/// What the feed of an oracle does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum FeedState {
    /// Not asked yet.
    #[default]
    Unknown,
    /// It is read.
    Read,
    /// The oracle has none: only the probe tells how it does.
    None,
    /// Its last answer was none, or none that can be used.
    Failing,
    /// Another process reads it.
    Standby,
    /// It refuses us, or what it says of itself is not what was configured.
    Refused,
    /// It said something that is not to be trusted.
    Paused,
    /// It rewrote what it had said; it is not read any more.
    Diverged,
}

impl FeedState {
    /// The word in `oracles.state`.
    pub(super) fn stored(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Paused => "paused",
            Self::Diverged => "diverged",
            _ => "active",
        }
    }
}

/// What is known of an oracle.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// Its id, or its URL where it has no feed; `None` before its first answer.
    pub(super) oracle_id: Option<String>,
    pub(super) feed: FeedState,
    /// Items that are not read yet.
    pub(super) lag: Option<i64>,
    reachable: Option<bool>,
    faults: i64,
    last_ok_at: Option<i64>,
    last_error_at: Option<i64>,
    last_error: Option<&'static str>,
}

impl View {
    /// A probe was answered or not.
    pub(super) fn probed(&mut self, reachable: bool, error: Option<&'static str>, now_s: i64) {
        self.reachable = Some(reachable);
        match error {
            Some(error) => self.failed(error, now_s),
            None => self.last_ok_at = Some(now_s),
        }
    }

    /// The feed was read.
    pub(super) fn read(&mut self, lag: i64, now_s: i64) {
        self.feed = FeedState::Read;
        self.lag = Some(lag.max(0));
        self.last_ok_at = Some(now_s);
    }

    /// The feed was not read.
    pub(super) fn feed_failed(&mut self, state: FeedState, error: &'static str, now_s: i64) {
        self.feed = state;
        self.failed(error, now_s);
    }

    fn failed(&mut self, error: &'static str, now_s: i64) {
        self.faults = self.faults.saturating_add(1);
        self.last_error_at = Some(now_s);
        self.last_error = Some(error);
    }

    pub(super) fn source_state(&self, name: String) -> SourceState {
        let state = match (self.feed, self.reachable) {
            (FeedState::Refused, _) => "refused",
            (FeedState::Paused, _) => "paused",
            (FeedState::Diverged, _) => "diverged",
            (FeedState::Failing, _) | (_, Some(false)) => "failing",
            (FeedState::Unknown, None) => "unknown",
            _ => "healthy",
        };
        SourceState {
            name,
            kind: "oracle",
            state,
            height: None,
            lag: self.lag,
            faults: self.faults,
            last_ok_at: self.last_ok_at,
            last_error_at: self.last_error_at,
            last_error: self.last_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_feed_does_outranks_the_probe() {
        let mut view = View::default();
        let state = |view: &View| view.source_state("x".into()).state;
        assert_eq!(state(&view), "unknown");
        view.probed(true, None, 10);
        assert_eq!(state(&view), "healthy");
        view.feed_failed(FeedState::Paused, "bad_signature", 11);
        assert_eq!(state(&view), "paused");
        view.read(7, 12);
        let shown = view.source_state("x".into());
        assert_eq!((shown.state, shown.lag, shown.faults), ("healthy", Some(7), 1));
        view.probed(false, Some("timeout"), 13);
        assert_eq!(state(&view), "failing");
    }
}
