//! What follows from work in the background: the clock of the trailing windows, the boards, the
//! oracles' performance, and forgetting old items of feeds.

use std::convert::Infallible;
use std::time::Instant;

use chert_store::StoreError;

use crate::Indexer;
use crate::feeds::stand;

/// Items of oracle feeds are kept this long, as they came; what they said stays.
const FEED_ITEMS_KEPT_S: i64 = 90 * 24 * 3_600;
/// Seconds between two prunings.
const PRUNE_EVERY_S: u64 = 30;

/// Works for ever; dropped with the session, so that one process does it.
pub(crate) async fn run(indexer: &Indexer) -> Infallible {
    tokio::join!(keep_boards(indexer), keep_the_rest(indexer)).0
}

async fn keep_boards(indexer: &Indexer) -> Infallible {
    loop {
        let began = Instant::now();
        if let Err(error) = refresh(indexer).await {
            tracing::debug!(%error, "leaderboards put off");
        }
        // From beginning to beginning: a change that came just after a long refresh began must not
        // wait for a rest as well.
        let interval = indexer.settings.leaderboard_interval;
        tokio::time::sleep(interval.saturating_sub(began.elapsed())).await;
    }
}

/// What boards do not wait for.
async fn keep_the_rest(indexer: &Indexer) -> Infallible {
    let (settings, store) = (&indexer.settings, &indexer.store);
    let mut measured: Option<Instant> = None;
    let mut pruned = Instant::now();
    loop {
        let now_ms = (settings.now_ms)();
        if let Err(error) = store.prune_leaderboards(now_ms).await {
            tracing::debug!(%error, "pruning boards put off");
        }
        if measured.is_none_or(|at| at.elapsed() >= settings.performance_interval) {
            match store.refresh_oracle_performance(now_ms / 1_000).await {
                Ok(_) => measured = Some(Instant::now()),
                Err(error) => tracing::debug!(%error, "oracle performance put off"),
            }
        }
        if pruned.elapsed().as_secs() >= PRUNE_EVERY_S {
            pruned = Instant::now();
            if let Err(error) = store.prune_feed_items(now_ms / 1_000 - FEED_ITEMS_KEPT_S).await {
                tracing::debug!(%error, "pruning put off");
            }
        }
        tokio::time::sleep(settings.leaderboard_interval).await;
    }
}

async fn refresh(indexer: &Indexer) -> Result<(), StoreError> {
    // Nothing is attributed before the chain's first fill is done.
    if stand(indexer).await?.is_none() {
        return Ok(());
    }
    let now_ms = (indexer.settings.now_ms)();
    indexer.store.roll_pouw_clock(now_ms / 1_000).await?;
    let started = Instant::now();
    let done = indexer.store.refresh_leaderboards(now_ms).await?;
    if done.boards > 0 {
        metrics::counter!("chert_leaderboards_total").increment(u64::from(done.boards));
        metrics::histogram!("chert_leaderboard_seconds").record(started.elapsed().as_secs_f64());
    }
    Ok(())
}
