//! Ordered pages of blocks, fetched ahead with as many requests at once as it pays to have.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use silica_models::{Block, Height};
use tokio::task::JoinHandle;

use crate::{Fault, SourceError, SourceSet};

/// How far ahead the fetcher may go.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Most blocks on a page.
    pub page_blocks_max: u64,
    /// Transactions a page should hold: pages shrink where blocks are full, so that memory is
    /// bounded by what the blocks weigh and not by their number.
    pub page_transactions: u64,
    /// Most pages fetched or waiting at once.
    pub pages_max: usize,
}

/// Passes over all sources before a page is given up for now.
const PAGE_ATTEMPTS: u32 = 4;
const PAGE_RETRY: Duration = Duration::from_millis(150);

/// A page as its task delivers it: the source, the records of each block, what was made of it.
type Prepared<T> = Result<(usize, Vec<u64>, T), SourceError>;

struct InFlight<T> {
    first: Height,
    task: JoinHandle<Prepared<T>>,
}

impl<T> Drop for InFlight<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Fetches `next..=last` in pages and turns each into a `T` on the way (decoding and encoding run
/// beside the consumer's commits). Pages come out in order.
pub struct Fetcher<T> {
    sources: Arc<SourceSet>,
    limits: FetchLimits,
    prepare: Arc<dyn Fn(Vec<Block>) -> T + Send + Sync>,
    next: Height,
    last: Height,
    page_blocks: u64,
    pages_at_once: usize,
    in_flight: VecDeque<InFlight<T>>,
}

impl<T: Send + 'static> Fetcher<T> {
    /// A fetcher of `next..=last`.
    pub fn new(
        sources: Arc<SourceSet>,
        limits: FetchLimits,
        next: Height,
        last: Height,
        prepare: impl Fn(Vec<Block>) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            sources,
            limits,
            prepare: Arc::new(prepare),
            next,
            last,
            page_blocks: limits.page_blocks_max.clamp(1, 50),
            pages_at_once: 1,
            in_flight: VecDeque::new(),
        }
    }

    /// Requests under way at once at present.
    pub fn pages_at_once(&self) -> usize {
        self.pages_at_once
    }

    /// The next page and the source it came from; `None` when `last` has been delivered. After an
    /// error the same page is tried again by the next call. Dropping the future loses nothing.
    pub async fn next_page(&mut self) -> Result<Option<(usize, T)>, SourceError> {
        self.fill();
        let Some(head) = self.in_flight.front_mut() else { return Ok(None) };
        // The consumer is faster than the source: more at once may help.
        let ready = (&mut head.task).now_or_never();
        let outcome = match ready {
            Some(outcome) => outcome,
            None => {
                self.pages_at_once = (self.pages_at_once + 1).min(self.limits.pages_max);
                let Some(head) = self.in_flight.front_mut() else { return Ok(None) };
                (&mut head.task).await
            }
        };
        let first = self.in_flight.pop_front().map_or(self.next, |done| done.first);
        let outcome = outcome
            .unwrap_or_else(|e| Err(SourceError::new(Fault::Malformed, format!("decoder: {e}"))));
        match outcome {
            Ok((source, records, page)) => {
                self.resize(&records);
                self.fill();
                Ok(Some((source, page)))
            }
            Err(error) => {
                self.in_flight.clear();
                self.next = first;
                self.pages_at_once = (self.pages_at_once / 2).max(1);
                self.page_blocks = (self.page_blocks / 2).max(1);
                Err(error)
            }
        }
    }

    fn resize(&mut self, records: &[u64]) {
        let total: u64 = records.iter().sum::<u64>().max(1);
        let fit = (records.len() as u64).saturating_mul(self.limits.page_transactions) / total;
        // Grow by doubling so that one empty stretch does not ask for a huge page of full blocks.
        self.page_blocks =
            fit.clamp(1, self.page_blocks * 2).min(self.limits.page_blocks_max).max(1);
    }

    fn fill(&mut self) {
        while self.in_flight.len() < self.pages_at_once && self.next <= self.last {
            let first = self.next;
            let last = self.last.min(first + self.page_blocks - 1);
            self.next = last + 1;
            let (sources, prepare) = (Arc::clone(&self.sources), Arc::clone(&self.prepare));
            let task = tokio::spawn(async move {
                let (source, blocks) = fetch(&sources, first, last).await?;
                let records = blocks.iter().map(|b| b.record_count() as u64).collect();
                Ok((source, records, prepare(blocks)))
            });
            self.in_flight.push_back(InFlight { first, task });
        }
        metrics::gauge!("chert_indexer_fetch_pages_at_once").set(self.pages_at_once as f64);
    }
}

async fn fetch(
    sources: &SourceSet,
    first: Height,
    last: Height,
) -> Result<(usize, Vec<Block>), SourceError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match sources.blocks(first, last).await {
            Err(error) if attempt < PAGE_ATTEMPTS => {
                tokio::time::sleep(error.retry_after.unwrap_or(PAGE_RETRY * attempt)).await;
            }
            other => return other,
        }
    }
}
