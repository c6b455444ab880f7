//! Housekeeping in small steps: old events, forgotten look-ups, what sources say of themselves.

use std::convert::Infallible;
use std::time::Duration;

use chert_store::entities::event::prune_events;
use chert_store::entities::source::SourceState;

use crate::Indexer;

const ROUND: Duration = Duration::from_secs(2);
/// Rounds between two prunings.
const PRUNE_EVERY: u64 = 15;
/// Rows one pruning statement removes at most.
const PRUNE_ROWS: i64 = 5_000;
/// Figures of addresses never seen on the chain are kept this long.
const UNSEEN_BALANCE_S: i64 = 24 * 3_600;

/// Works for ever; dropped with the session.
pub(crate) async fn run(indexer: &Indexer) -> Infallible {
    let mut rounds = 0_u64;
    loop {
        if let Err(error) = round(indexer, rounds).await {
            tracing::debug!(%error, "maintenance put off");
        }
        rounds += 1;
        tokio::time::sleep(ROUND).await;
    }
}

async fn round(indexer: &Indexer, rounds: u64) -> Result<(), chert_store::StoreError> {
    let states: Vec<SourceState> = indexer
        .sources
        .views()
        .into_iter()
        .map(|view| SourceState {
            name: view.name,
            kind: "node",
            state: view.health.code(),
            height: view.height.and_then(|h| i64::try_from(h).ok()),
            lag: None,
            faults: i64::try_from(view.faults).unwrap_or(i64::MAX),
            last_ok_at: view.last_ok_at,
            last_error_at: view.last_error_at,
            last_error: view.last_error,
        })
        .collect();
    indexer.store.put_sources("node", &states).await?;
    let oracles: Vec<SourceState> = indexer.oracles.iter().map(|o| o.state()).collect();
    indexer.store.put_sources("oracle", &oracles).await?;
    if rounds % PRUNE_EVERY == PRUNE_EVERY - 1 {
        let now_s = (indexer.settings.now_ms)() / 1_000;
        let kept_s = i64::try_from(indexer.settings.event_retention.as_secs()).unwrap_or(i64::MAX);
        let mut db = indexer.store.pool().acquire().await?;
        prune_events(&mut db, now_s.saturating_sub(kept_s), PRUNE_ROWS).await?;
        drop(db);
        indexer.store.prune_unseen_balances(now_s - UNSEEN_BALANCE_S, PRUNE_ROWS).await?;
    }
    Ok(())
}
