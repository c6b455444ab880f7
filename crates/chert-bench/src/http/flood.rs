//! Open loop over as many connections as it takes: for more load than a server can bear, where a
//! fixed number of connections would hold the load back.
//!
//! On one thread's event loop, whose timers are exact to some milliseconds; latency counts from the
//! moment a request was due.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::Connection;
use crate::statistics::{ms, percentile};

/// Requests under way at most; one that is due beyond them is not sent.
const CONNECTIONS_MAX: usize = 2_048;
/// Connections that are made before the first request is due.
const CONNECTIONS_FIRST: usize = 256;
const TICK: Duration = Duration::from_millis(1);
/// No answer takes longer, or it is lost.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Flooded {
    /// Latencies of those answered 200.
    pub(crate) accepted: Vec<Duration>,
    /// Answered 503.
    pub(crate) shed: u64,
    /// Answered otherwise, or not.
    pub(crate) lost: u64,
    /// Never sent: as many were under way as may be.
    pub(crate) unsent: u64,
}

impl Flooded {
    /// A percentile of the accepted ones, in milliseconds.
    pub(crate) fn percentile_ms(&self, per_cent: usize) -> f64 {
        ms(percentile(&self.accepted, per_cent))
    }

    /// Share of all that was shed, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(crate) fn shed_share(&self) -> f64 {
        let all = self.accepted.len() as f64 + (self.shed + self.lost) as f64;
        self.shed as f64 / all.max(1.0)
    }

    fn count(&mut self, status: u16, latency: Duration) {
        match status {
            200 => self.accepted.push(latency),
            503 => self.shed += 1,
            _ => self.lost += 1,
        }
    }
}

/// One request that ended: its connection where it is still good, its status or 0, its latency.
type Ended = (Option<Connection>, u16, Duration);

/// Sends `per_s` requests a second for so long.
pub(crate) async fn flood(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    per_s: u32,
    duration: Duration,
) -> anyhow::Result<Flooded> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(address, requests, per_s, duration))
    })
    .await?
}

async fn run(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    per_s: u32,
    duration: Duration,
) -> anyhow::Result<Flooded> {
    anyhow::ensure!(!requests.is_empty(), "nothing to request");
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_FIRST {
        idle.push(Connection::open(address).await?);
    }
    let gap = Duration::from_secs(1) / per_s.max(1);
    let count = u32::try_from(duration.as_nanos() / gap.as_nanos().max(1))?;
    let (sender, mut ended) = mpsc::channel::<Ended>(CONNECTIONS_MAX);
    let mut flooded = Flooded::default();
    let mut under_way = 0_usize;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let begin = Instant::now();
    let mut next = 0_u32;
    while next < count || under_way > 0 {
        tokio::select! {
            Some((connection, status, latency)) = ended.recv() => {
                under_way -= 1;
                idle.extend(connection);
                flooded.count(status, latency);
            }
            _ = tick.tick() => {
                while next < count && begin + gap * next <= Instant::now() {
                    let due = begin + gap * next;
                    let request = usize::try_from(next)? % requests.len();
                    next += 1;
                    if under_way == CONNECTIONS_MAX {
                        flooded.unsent += 1;
                        continue;
                    }
                    under_way += 1;
                    let (requests, sender) = (Arc::clone(&requests), sender.clone());
                    let connection = idle.pop();
                    tokio::spawn(async move {
                        let bytes = requests.get(request).map_or(&[][..], Vec::as_slice);
                        // Nobody listens any more once the run was given up.
                        let _ = sender.send(one(address, connection, bytes, due).await).await;
                    });
                }
            }
        }
    }
    Ok(flooded)
}

async fn one(
    address: SocketAddr,
    connection: Option<Connection>,
    request: &[u8],
    due: Instant,
) -> Ended {
    let work = async {
        let mut connection = match connection {
            Some(connection) => connection,
            None => Connection::open(address).await?,
        };
        let head = connection.send(request).await?;
        anyhow::Ok((connection, head.status))
    };
    match tokio::time::timeout(ANSWER_WAIT, work).await {
        Ok(Ok((connection, status))) => (Some(connection), status, due.elapsed()),
        _ => (None, 0, due.elapsed()),
    }
}
