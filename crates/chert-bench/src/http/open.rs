//! Open loop: requests are due at a constant rate whatever the server does, and latency counts
//! from the moment a request was due (no coordinated omission).
//!
//! One blocking thread per connection: the kernel's timers are exact to some 0.1 ms, those of an
//! event loop to 1 ms.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::connection::BlockingConnection;
use crate::statistics::percentile;

/// Requests under way at most; more wait, which their latency shows.
const CONNECTIONS: usize = 48;
/// Requests still due after this many lengths of the series are given up and counted as late.
const PATIENCE: u32 = 3;
/// The connections are made and the first requests are due after this.
const LEAD: Duration = Duration::from_millis(50);

/// Latencies of one open loop.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// When a request was due, and how long its answer took from then.
    pub(crate) samples: Vec<(Instant, Duration)>,
    /// Answers other than 200.
    pub(crate) errors: u64,
}

impl Series {
    /// A percentile of all latencies, in milliseconds.
    pub(crate) fn percentile_ms(&self, per_cent: usize) -> f64 {
        let latencies: Vec<Duration> = self.samples.iter().map(|(_, latency)| *latency).collect();
        crate::statistics::ms(percentile(&latencies, per_cent))
    }

    /// Only the requests that were due in one of the spans.
    pub(crate) fn during(&self, spans: &[(Instant, Instant)]) -> Self {
        let inside = |at: Instant| spans.iter().any(|(from, to)| (*from..=*to).contains(&at));
        let samples = self.samples.iter().filter(|(due, _)| inside(*due)).copied().collect();
        Self { samples, errors: self.errors }
    }

    fn append(&mut self, other: Self) {
        self.samples.extend(other.samples);
        self.errors += other.errors;
    }
}

struct Plan {
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    next: AtomicU32,
    count: u32,
    gap: Duration,
    begin: Instant,
    give_up: Instant,
}

/// Sends `per_s` requests a second for so long.
pub(crate) async fn open_loop(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    per_s: u32,
    duration: Duration,
) -> anyhow::Result<Series> {
    tokio::task::spawn_blocking(move || {
        let gap = Duration::from_secs(1) / per_s.max(1);
        let count = u32::try_from(duration.as_nanos() / gap.as_nanos().max(1))?;
        let begin = Instant::now() + LEAD;
        let give_up = begin + duration * PATIENCE;
        let next = AtomicU32::new(0);
        let plan = Plan { address, requests, next, count, gap, begin, give_up };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| work(&plan))).collect();
            let mut all = Series::default();
            for worker in workers {
                let part = worker.join().map_err(|_| anyhow::anyhow!("a load thread panicked"))?;
                all.append(part?);
            }
            Ok(all)
        })
    })
    .await?
}

fn work(plan: &Plan) -> anyhow::Result<Series> {
    let mut connection = BlockingConnection::open(plan.address)?;
    let mut series = Series::default();
    loop {
        let ticket = plan.next.fetch_add(1, Ordering::Relaxed);
        if ticket >= plan.count {
            return Ok(series);
        }
        let due = plan.begin + plan.gap * ticket;
        let now = Instant::now();
        if now > plan.give_up {
            series.samples.push((due, now - due));
            continue;
        }
        std::thread::sleep(due.saturating_duration_since(now));
        let index = usize::try_from(ticket)? % plan.requests.len().max(1);
        let Some(request) = plan.requests.get(index) else {
            anyhow::bail!("nothing to request");
        };
        let head = connection.send(request)?;
        series.samples.push((due, due.elapsed()));
        series.errors += u64::from(head.status != 200);
    }
}
