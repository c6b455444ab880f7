//! The balance feed: reads the figures that batches may have changed or that somebody asks for.

use std::convert::Infallible;
use std::time::Duration;

use chert_sources::{Fault, SourceError};
use chert_store::entities::balance::BalanceReading;
use chert_store::{BALANCE_CHANNEL, Listener, StoreError};

use crate::Indexer;

/// Addresses read in one request.
const ADDRESSES_AT_ONCE: i64 = 100;
/// Poll of the queue where no notification arrives.
const IDLE: Duration = Duration::from_millis(500);
const AFTER_ERROR: Duration = Duration::from_millis(300);

/// Reads balances for ever; dropped with the session, because only the writer of a database may
/// speak for its nodes.
pub(crate) async fn run(indexer: &Indexer) -> Infallible {
    let mut asked: Option<Listener> = None;
    loop {
        let wait = match round(indexer).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::debug!(%error, "balances put off");
                AFTER_ERROR
            }
        };
        if wait.is_zero() {
            continue;
        }
        if asked.is_none() {
            asked = indexer.store.listen(BALANCE_CHANNEL).await.ok();
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = indexer.committed.notified() => {}
            lost = heard(asked.as_mut()) => if lost { asked = None },
        }
    }
}

/// Waits for a notification; `true` when the connection is lost.
pub(crate) async fn heard(listener: Option<&mut Listener>) -> bool {
    match listener {
        Some(listener) => !matches!(listener.changed().await, Ok(true)),
        None => std::future::pending().await,
    }
}

/// One request's worth of readings; `true` when there may be more to do at once.
async fn round(indexer: &Indexer) -> Result<bool, StoreError> {
    let queued = indexer.store.list_queued_balances(ADDRESSES_AT_ONCE).await?;
    if queued.is_empty() {
        return Ok(false);
    }
    let checkpoint = indexer.store.checkpoint().await?;
    let (Some(height), Some(hash)) = (checkpoint.tip(), checkpoint.tip_hash()) else {
        return Ok(false);
    };
    let addresses: Vec<_> = queued.iter().map(|q| q.address.clone()).collect();
    let Some(index) = indexer.sources.usable().first().copied() else { return Ok(false) };
    let Some(source) = indexer.sources.source(index) else { return Ok(false) };
    let answer = match source.balances(&addresses, (height, &hash)).await {
        Ok(answer) => answer,
        Err(error) => {
            indexer.sources.note_fault(index, &error);
            return Ok(false);
        }
    };
    if answer.node_height < height {
        let text = format!("balances at {} while block {height} is indexed", answer.node_height);
        indexer.sources.note_fault(index, &SourceError::new(Fault::Lagging, text));
        return Ok(false);
    }
    let readings: Vec<BalanceReading> = addresses
        .into_iter()
        .zip(answer.figures)
        .map(|(address, (balance, nonce))| BalanceReading { address, balance, nonce })
        .collect();
    let now_s = (indexer.settings.now_ms)() / 1_000;
    let stored = indexer
        .store
        .put_balances(height, hash.as_bytes(), &readings, !answer.settled, now_s)
        .await?;
    metrics::counter!("chert_indexer_balances_total").increment(readings.len() as u64);
    Ok(stored)
}
