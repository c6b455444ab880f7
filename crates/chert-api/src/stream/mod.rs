//! The event log as streams: one reader of the log per process, any number of listeners.
//!
//! [`hub`] reads the log once, woken by the indexer's notification, and keeps the newest events in
//! a bounded window ([`window`]). Each stream ([`Subscription`]) is a position in the log and reads
//! on from the window at the pace of its client; nothing is kept for it but the few events that
//! leave next. Who is further behind reads pages from the database; who stays behind is cut off
//! with the id to resume after (`docs/decisions/0023-event-streams.md`).

mod confirm;
mod entry;
mod filter;
mod hub;
pub(crate) mod log;
mod places;
mod subscription;
mod window;

use std::time::Duration;

use bytes::Bytes;

pub use chert_store::entities::event::{Event, EventFilter, EventPage, EventType};
pub use entry::EventItem;
pub use filter::Filter;
pub(crate) use hub::{Hub, keep_reading};
pub(crate) use subscription::refuse_position;
pub use subscription::{Subscription, subscribe};

/// Bounds of the streams.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// Streams of the process at most.
    pub max_subscribers: usize,
    /// Streams of one client address (an IPv4 address or an IPv6 /64) at most.
    pub max_subscribers_per_ip: usize,
    /// A stream ends after this time; its client resumes where it ended.
    pub lifetime: Duration,
    /// A stream that says nothing sends a comment this often, so that nobody takes it for dead.
    pub heartbeat: Duration,
    /// Newest events kept in memory at most.
    pub window_events: usize,
    /// A stream that had reached the newest events and then is behind the window for longer than
    /// this is cut off.
    pub behind_max: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            max_subscribers: 10_000,
            max_subscribers_per_ip: 20,
            lifetime: Duration::from_secs(3_600),
            heartbeat: Duration::from_secs(15),
            window_events: 16_384,
            behind_max: Duration::from_secs(60),
        }
    }
}

/// An event as it is delivered to one reader.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Its number: resume after it.
    pub seq: i64,
    /// What happened.
    pub kind: EventType,
    /// The event as JSON, as in `GET /v1/events` (see [`EventItem`]).
    pub json: Bytes,
    /// The event as an SSE frame.
    pub(crate) frame: Bytes,
}

/// The end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Why it ended.
    pub reason: CutReason,
    /// Everything up to this number was delivered or is not wanted: resume after it.
    pub resume_after: i64,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutReason {
    /// The reader is too slow.
    Slow,
    /// The log does not go back to where the reader is.
    Expired,
    /// Streams do not last longer; resume at once.
    Lifetime,
    /// The identity that the stream is about hides its figures from this reader.
    Hidden,
    /// The wallets of the identity that signed the request changed: sign again.
    Relinked,
    /// The server stops; resume at once, elsewhere.
    Closing,
}

impl CutReason {
    /// Its name for clients and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Expired => "expired",
            Self::Lifetime => "lifetime",
            Self::Hidden => "hidden",
            Self::Relinked => "relinked",
            Self::Closing => "closing",
        }
    }
}
