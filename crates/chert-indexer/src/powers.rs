//! The power feed: reads the voting power and delegations of addresses that were linked, voted, or
//! that somebody asks for.

use std::convert::Infallible;
use std::time::Duration;

use chert_sources::Fault;
use chert_store::entities::governance::PowerReading;
use chert_store::{FeedOutcome, Listener, POWER_CHANNEL, StoreError};
use silica_models::Address;

use crate::Indexer;
use crate::balances::heard;
use crate::feeds::{Nodes, Pause, stand};

/// Addresses read in one request.
const ADDRESSES_AT_ONCE: i64 = 50;
/// Readings from a node that is ahead of the index are put off so often: they may be of blocks that
/// are reorganised away unseen.
const AHEAD_MAX: u32 = 3;
/// Poll of the queue where no notification arrives.
const IDLE: Duration = Duration::from_millis(500);

/// Reads powers for ever; dropped with the session, because only the writer of a database may
/// speak for its nodes.
pub(crate) async fn run(indexer: &Indexer) -> Infallible {
    let settings = &indexer.settings.feeds;
    let mut nodes = Nodes::new("power", indexer);
    let mut asked: Option<Listener> = None;
    let mut ahead = 0;
    loop {
        let pause = round(indexer, &mut nodes, &mut ahead).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "powers put off");
            Pause::Retry
        });
        let wait = match pause {
            Pause::None => {
                tokio::task::yield_now().await;
                continue;
            }
            Pause::UntilNews => IDLE,
            Pause::Retry => settings.retry,
            Pause::Absent => settings.absent_retry,
        };
        if asked.is_none() {
            asked = indexer.store.listen(POWER_CHANNEL).await.ok();
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // Who asks is not served sooner by a node that does not answer.
            lost = heard(asked.as_mut()), if pause == Pause::UntilNews => if lost { asked = None },
        }
    }
}

/// One request's worth of readings.
async fn round(indexer: &Indexer, nodes: &mut Nodes, ahead: &mut u32) -> Result<Pause, StoreError> {
    let addresses = indexer.store.list_queued_powers(ADDRESSES_AT_ONCE).await?;
    if addresses.is_empty() {
        return Ok(Pause::UntilNews);
    }
    let Some(stand) = stand(indexer).await? else { return Ok(Pause::UntilNews) };
    let vantage = match nodes.pick(indexer, &stand).await {
        Ok(vantage) => vantage,
        Err(pause) => return Ok(pause),
    };
    let answers = match vantage.source.powers(&addresses).await {
        Ok(answers) if answers.len() == addresses.len() => answers,
        Ok(_) => return Ok(Pause::Retry),
        Err(error) => {
            let pause = nodes.failed(indexer, &vantage, &error);
            if matches!(error.fault, Fault::Malformed | Fault::RpcError)
                && !error.is_unknown_method()
            {
                put_off(indexer, &addresses).await?;
            }
            return Ok(pause);
        }
    };
    if !vantage.holds().await {
        return Ok(Pause::Retry);
    }
    if *ahead < AHEAD_MAX && !vantage.is_at_tip().await {
        *ahead += 1;
        return Ok(Pause::Retry);
    }
    *ahead = 0;
    let readings: Vec<PowerReading> = addresses
        .into_iter()
        .zip(answers)
        .map(|(address, answer)| PowerReading {
            address,
            power: answer.power,
            delegations: answer.delegations,
        })
        .collect();
    let now_s = (indexer.settings.now_ms)() / 1_000;
    let under = (stand.height, stand.hash.as_bytes());
    let stored = indexer.store.put_powers(under, &readings, now_s).await?;
    metrics::counter!("chert_indexer_powers_total").increment(readings.len() as u64);
    nodes.answered(stand.height);
    Ok(if stored == FeedOutcome::Stored { Pause::None } else { Pause::Retry })
}

/// One address about which a node answers nonsense must not hold up the others for ever.
async fn put_off(indexer: &Indexer, addresses: &[Address]) -> Result<(), StoreError> {
    let now_s = (indexer.settings.now_ms)() / 1_000;
    indexer.store.postpone_powers(addresses, now_s).await
}
