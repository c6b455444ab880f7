//! What happens on one connection, so that one where nothing happens can be ended.
//!
//! Counted rather than timed: the hot path writes a few numbers that no other connection shares,
//! and [`Watch`] looks at them every few seconds. A timer per request would cost more than all of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, Version, header};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::limits::ConnectionLimits;

/// Writes up to this size are the protocol's own (pings and their like), not a part of an answer;
/// in bytes.
const SMALL_WRITE_BYTES: usize = 64;

/// What one connection did so far.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Answers under way that may take as long as they like.
    streams: AtomicU64,
    /// Something came while no request was under way: the beginning of a head.
    head_begun: AtomicBool,
    /// A part of an answer left.
    wrote: AtomicBool,
    /// There is something to write, and the client does not take it.
    blocked: AtomicBool,
    /// HTTP/2, where what comes need not be a head.
    multiplexed: AtomicBool,
}

impl Activity {
    /// Something was read.
    pub(super) fn read(&self) {
        if self.begun.load(Ordering::Relaxed) == self.ended.load(Ordering::Relaxed) {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }

    /// So many bytes were written.
    pub(super) fn wrote(&self, bytes: usize) {
        self.blocked.store(false, Ordering::Relaxed);
        if bytes > SMALL_WRITE_BYTES {
            self.wrote.store(true, Ordering::Relaxed);
        }
    }

    /// Nothing could be written.
    pub(super) fn blocked(&self) {
        self.blocked.store(true, Ordering::Relaxed);
    }

    /// A request's head is there.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> Exchange {
        if version == Version::HTTP_2 {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        Exchange { activity: Arc::clone(self), streams: false }
    }
}

/// A request and its answer, until the answer is out or given up.
#[derive(Debug)]
pub(super) struct Exchange {
    activity: Arc<Activity>,
    streams: bool,
}

impl Exchange {
    /// The answer's body, which ends the exchange with itself.
    pub(super) fn answer(mut self, headers: &HeaderMap, body: Body) -> Answer {
        if is_stream(headers) {
            self.streams = true;
            self.activity.streams.fetch_add(1, Ordering::Relaxed);
        }
        Answer { body, _exchange: self }
    }
}

/// Whether an answer goes on for as long as both sides like.
fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.starts_with(b"text/event-stream") || kind.starts_with(b"application/grpc")
    })
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.streams {
            self.activity.streams.fetch_sub(1, Ordering::Relaxed);
        }
        self.activity.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A body that tells when it is out.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _exchange: Exchange,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// Close it in order: nobody needs it.
    Idle,
    /// End it: the client does not do its part; why.
    Cut(&'static str),
}

/// Looks at a connection again and again.
#[derive(Debug)]
pub(super) struct Watch {
    activity: Arc<Activity>,
    every: Duration,
    limits: ConnectionLimits,
    seen: (u64, u64),
    /// Looks in a row that found the same.
    waited_for_head: u32,
    idle: u32,
    stalled: u32,
}

impl Watch {
    pub(super) fn new(activity: Arc<Activity>, limits: ConnectionLimits) -> Self {
        let every = limits.look_every();
        let seen = (0, 0);
        Self { activity, every, limits, seen, waited_for_head: 0, idle: 0, stalled: 0 }
    }

    /// How often to look.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// Looks once.
    pub(super) fn look(&mut self) -> Verdict {
        let activity = &self.activity;
        let begun = activity.begun.load(Ordering::Relaxed);
        let ended = activity.ended.load(Ordering::Relaxed);
        let wrote = activity.wrote.swap(false, Ordering::Relaxed);
        if (begun, ended) != self.seen {
            self.seen = (begun, ended);
            (self.waited_for_head, self.idle, self.stalled) = (0, 0, 0);
            return Verdict::Fine;
        }
        if wrote {
            (self.waited_for_head, self.idle, self.stalled) = (0, 0, 0);
            return Verdict::Fine;
        }
        let open = begun.saturating_sub(ended);
        // A body may be out of our hands and still not with the client.
        let blocked = activity.blocked.load(Ordering::Relaxed);
        if blocked || open > activity.streams.load(Ordering::Relaxed) {
            self.stalled += 1;
            return cut(self.every * self.stalled >= self.limits.stall_time_max, "stalled");
        }
        if open > 0 {
            return Verdict::Fine;
        }
        let half_a_head = activity.head_begun.load(Ordering::Relaxed)
            && !activity.multiplexed.load(Ordering::Relaxed);
        if begun == 0 || half_a_head {
            self.waited_for_head += 1;
            return cut(
                self.every * self.waited_for_head >= self.limits.head_time_max,
                "slow_head",
            );
        }
        self.idle += 1;
        if self.every * self.idle >= self.limits.idle_time_max {
            return Verdict::Idle;
        }
        Verdict::Fine
    }
}

fn cut(really: bool, why: &'static str) -> Verdict {
    if really { Verdict::Cut(why) } else { Verdict::Fine }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> (Arc<Activity>, Watch) {
        let limits = ConnectionLimits {
            head_time_max: Duration::from_secs(2),
            idle_time_max: Duration::from_secs(3),
            stall_time_max: Duration::from_secs(4),
            ..ConnectionLimits::default()
        };
        let activity = Arc::new(Activity::default());
        (Arc::clone(&activity), Watch::new(activity, limits))
    }

    /// Looks until something is to be done; after how many looks, one a second.
    fn until_done(watch: &mut Watch) -> (u32, Verdict) {
        for look in 1..20 {
            match watch.look() {
                Verdict::Fine => {}
                verdict => return (look, verdict),
            }
        }
        (20, Verdict::Fine)
    }

    #[test]
    fn heads_must_come_and_idle_connections_go() {
        let (_activity, mut watch) = watched();
        assert_eq!(until_done(&mut watch), (2, Verdict::Cut("slow_head")), "nothing ever came");

        let (activity, mut watch) = watched();
        activity.read();
        drop(activity.begin(Version::HTTP_11));
        assert_eq!(until_done(&mut watch), (4, Verdict::Idle), "one look more, for the request");
        activity.read();
        assert_eq!(until_done(&mut watch), (2, Verdict::Cut("slow_head")), "half a head");
        drop(activity.begin(Version::HTTP_2));
        activity.read();
        assert_eq!(until_done(&mut watch), (4, Verdict::Idle), "a ping is no head");
    }

    #[test]
    fn answers_must_be_taken_and_streams_may_rest() {
        let (activity, mut watch) = watched();
        let exchange = activity.begin(Version::HTTP_11);
        let answer = exchange.answer(&HeaderMap::new(), Body::empty());
        assert_eq!(until_done(&mut watch), (5, Verdict::Cut("stalled")));
        for _ in 0..10 {
            activity.wrote(1_000);
            assert_eq!(watch.look(), Verdict::Fine, "it is being taken");
        }
        activity.wrote(17);
        assert_eq!(until_done(&mut watch), (4, Verdict::Cut("stalled")), "a ping is no progress");
        drop(answer);
        activity.blocked();
        assert_eq!(until_done(&mut watch), (5, Verdict::Cut("stalled")), "it lies in a buffer");
        activity.wrote(1);
        assert_eq!(until_done(&mut watch), (3, Verdict::Idle));

        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            "text/event-stream".parse().expect("ok"),
        )]);
        let stream = activity.begin(Version::HTTP_11).answer(&headers, Body::empty());
        assert_eq!(until_done(&mut watch), (20, Verdict::Fine));
        let _plain = activity.begin(Version::HTTP_2).answer(&HeaderMap::new(), Body::empty());
        assert_eq!(until_done(&mut watch).1, Verdict::Cut("stalled"), "beside a stream, too");
        drop(stream);
    }
}
