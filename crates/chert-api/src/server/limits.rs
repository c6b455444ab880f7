//! Bounds of connections: what an operator may change, and what the protocols are held to.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

/// Longest head of an HTTP/1 request, in bytes. Above it hyper answers 431 itself, without a body;
/// `middleware` refuses smaller heads with a problem document.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest headers of an HTTP/2 request, names and values, in bytes.
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// Streams that a client opened and reset before we looked at them; one more ends the connection
/// (CVE-2023-44487, "rapid reset").
const PENDING_RESETS_MAX: usize = 20;
/// Streams that we had to reset because of what the client sent; one more ends the connection
/// (CVE-2025-8671, "made you reset").
const OWN_RESETS_MAX: usize = 100;
/// What a client may send on a stream before we took it, in bytes: the longest body.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Largest frame, in bytes: the smallest that the protocol knows.
const FRAME_BYTES_MAX: u32 = 16 * 1024;
/// What of an answer is held ready for a stream, in bytes.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// An HTTP/2 connection is asked so often whether its client is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// And is closed where no answer comes within this time.
const PING_WAIT: Duration = Duration::from_secs(15);

const _: () = assert!(STREAM_WINDOW_BYTES as usize >= crate::body::BODY_BYTES_MAX);

/// Bounds of connections that an operator may change; `config/api.toml` documents them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections of one client at once, an IPv6 /64 being one; 0 for no limit. Trusted proxies
    /// have none.
    pub per_client_max: usize,
    /// A request's head must be there after this time; so must a TLS handshake. Up to half as much
    /// more may pass before it is noticed, as for the next two.
    pub head_time_max: Duration,
    /// A connection without a request is closed after this time.
    pub idle_time_max: Duration,
    /// A client that takes nothing of its answer for this time loses its connection.
    pub stall_time_max: Duration,
    /// A request's body must be there after this time.
    pub body_time_max: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            per_client_max: 256,
            head_time_max: Duration::from_secs(10),
            idle_time_max: Duration::from_secs(75),
            stall_time_max: Duration::from_secs(60),
            body_time_max: Duration::from_secs(5),
        }
    }
}

impl ConnectionLimits {
    /// How often a connection is looked at.
    pub(super) fn look_every(&self) -> Duration {
        let shortest = self.head_time_max.min(self.idle_time_max).min(self.stall_time_max);
        (shortest / 2).max(Duration::from_millis(10))
    }
}

/// Both protocols, bounded.
pub(super) fn protocols() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // `activity` watches the time of heads, without a timer for each request.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(OWN_RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT);
    builder
}
