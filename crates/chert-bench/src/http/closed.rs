//! Closed loop: every connection sends its next request when it has the last answer. For
//! throughput only; its latencies would leave out the waiting of requests not yet sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::Connection;
use crate::statistics::per_second;

/// Requests that are not counted come first for so long.
const WARM_UP: Duration = Duration::from_millis(300);

/// What a closed loop reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    /// Answers of status 200 per second.
    pub(crate) per_second: f64,
    /// Other answers.
    pub(crate) errors: u64,
}

/// Threads of the client, each with an event loop of its own; with one, the client and not a bare
/// handler would be the limit on two cores.
const THREADS: usize = 2;

/// Loads a server for so long.
pub(crate) async fn closed_loop(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<Throughput> {
    // Threads of their own: the measuring program's other tasks must not delay the load.
    let threads = (0..THREADS).map(|_| {
        let requests = Arc::clone(&requests);
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(load(address, requests, connections / THREADS, duration))
        })
    });
    let mut sum = Throughput { per_second: 0.0, errors: 0 };
    for part in futures::future::try_join_all(threads).await? {
        let part = part?;
        sum.per_second += part.per_second;
        sum.errors += part.errors;
    }
    Ok(sum)
}

async fn load(
    address: SocketAddr,
    requests: Arc<Vec<Vec<u8>>>,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<Throughput> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + duration;
    let tasks = open.into_iter().enumerate().map(|(number, connection)| {
        let requests = Arc::clone(&requests);
        let start = number * requests.len() / connections.max(1);
        tokio::spawn(one(connection, requests, start, begin, end))
    });
    let tasks: Vec<_> = tasks.collect();
    let (mut good, mut errors) = (0, 0);
    for task in tasks {
        let (task_good, task_errors) = task.await?.context("closed-loop load")?;
        good += task_good;
        errors += task_errors;
    }
    Ok(Throughput { per_second: per_second(good, duration), errors })
}

async fn one(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    start: usize,
    begin: Instant,
    end: Instant,
) -> anyhow::Result<(u64, u64)> {
    let (mut good, mut errors) = (0, 0);
    for request in requests.iter().cycle().skip(start) {
        let head = connection.send(request).await?;
        let now = Instant::now();
        if now >= end {
            break;
        }
        match head.status {
            _ if now < begin => {}
            200 => good += 1,
            _ => errors += 1,
        }
    }
    Ok((good, errors))
}
