//! Blocks of the development chain, decoded as the indexer decodes them, and bulk loading.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::Context;
use chert_devnet::{Chain, ChainConfig, Profile};
use chert_store::{BatchRows, Change, PoolSettings, StoreError, Writer};
use futures::{StreamExt, TryStreamExt};
use silica_models::Block;

use crate::scale::{BULK_BATCH_BLOCKS, FINALITY_DEPTH};

/// Batches made ahead of the writer.
const BATCHES_AHEAD: usize = 3;
/// A session that was dropped keeps the writer lock until the server notices.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(50);
const CHAIN_SEED: u64 = 7;

/// A chain with so many blocks above genesis.
pub(crate) fn chain(profile: Profile, blocks: u64) -> Chain {
    Chain::new(ChainConfig { seed: CHAIN_SEED, history: blocks, profile, ..ChainConfig::default() })
}

/// One block of the canonical chain.
pub(crate) fn block_at(chain: &Chain, height: u64) -> anyhow::Result<Block> {
    let value = chain.block(height).with_context(|| format!("the chain has no block {height}"))?;
    let raw = serde_json::value::to_raw_value(&value)?;
    Ok(Block::parse(&raw)?)
}

/// Consecutive blocks.
pub(crate) fn blocks_of(chain: &Chain, heights: RangeInclusive<u64>) -> anyhow::Result<Vec<Block>> {
    heights.map(|height| block_at(chain, height)).collect()
}

/// Their rows for every entity.
pub(crate) fn rows_of(blocks: &[Block]) -> anyhow::Result<BatchRows> {
    let mut rows = BatchRows::default();
    for block in blocks {
        rows.add(block)?;
    }
    Ok(rows)
}

/// Cuts heights into batches.
pub(crate) fn batches(
    heights: RangeInclusive<u64>,
    blocks: u64,
) -> impl Iterator<Item = RangeInclusive<u64>> {
    let last = *heights.end();
    let step = usize::try_from(blocks).unwrap_or(1).max(1);
    heights.step_by(step).map(move |first| first..=last.min(first + blocks - 1))
}

/// Opens the writer; waits for the lock of a session that just ended.
pub(crate) async fn open_writer(url: &str) -> anyhow::Result<Writer> {
    let started = Instant::now();
    loop {
        match Writer::open(&PoolSettings::new(url), FINALITY_DEPTH).await {
            Err(StoreError::WriterLocked) if started.elapsed() < LOCK_WAIT => {
                tokio::time::sleep(LOCK_POLL).await;
            }
            other => return Ok(other?),
        }
    }
}

/// A change that appends blocks.
pub(crate) fn append(rows: &BatchRows, follow: bool) -> Change<'_> {
    Change { unwind_to: None, rows, follow, allow_deep: false, now_s: now_s() }
}

/// Unix seconds.
pub(crate) fn now_s() -> i64 {
    chert_indexer::wall_clock_ms() / 1_000
}

/// Commits the chain's blocks from the checkpoint up to `last`, decoding ahead.
pub(crate) async fn extend(
    writer: &mut Writer,
    chain: &Chain,
    last: u64,
    batch_blocks: u64,
    mut committed: impl FnMut(u64),
) -> anyhow::Result<()> {
    let first = writer.checkpoint().tip().map_or(0, |tip| tip + 1);
    if first > last {
        return Ok(());
    }
    let made = futures::stream::iter(batches(first..=last, batch_blocks)).map(|heights| {
        let chain = chain.clone();
        async move {
            let work = move || blocks_of(&chain, heights).and_then(|blocks| rows_of(&blocks));
            tokio::task::spawn_blocking(work).await?
        }
    });
    let mut made = made.buffered(BATCHES_AHEAD);
    while let Some(rows) = made.try_next().await? {
        writer.commit(&append(&rows, false)).await?;
        committed(rows.last_height().unwrap_or(last));
    }
    Ok(())
}

/// Fills an empty database with the chain up to `last`, in bulk, and makes it ready to serve.
pub(crate) async fn load(
    url: &str,
    chain: &Chain,
    last: u64,
    mut step: impl FnMut(String),
) -> anyhow::Result<()> {
    let mut writer = open_writer(url).await?;
    anyhow::ensure!(writer.enter_bulk().await?, "the database is not empty");
    let mut told = Instant::now();
    extend(&mut writer, chain, last, BULK_BATCH_BLOCKS, |height| {
        if told.elapsed() > Duration::from_secs(10) {
            step(format!("    loaded block {height} of {last}"));
            told = Instant::now();
        }
    })
    .await?;
    step("    building indexes and totals".to_owned());
    writer.leave_bulk().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_the_heights_once() {
        let cut: Vec<_> = batches(3..=9, 3).collect();
        assert_eq!(cut, vec![3..=5, 6..=8, 9..=9]);
    }
}
