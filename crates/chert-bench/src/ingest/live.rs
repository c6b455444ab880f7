//! Live batches through the writer, against COPY of the same rows into a twin database.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use chert_store::{BatchRows, Writer};
use silica_models::{AddressKey, Block};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{DATABASE, LiveStore};
use crate::anchor::{AnchorRows, Live, Totals, ensure_same_rows, events_of};
use crate::bench::Bench;
use crate::blocks::{append, batches, blocks_of, now_s, open_writer, rows_of};
use crate::report::{Goal, Outcome};
use crate::scale::{LIVE_BATCH_BLOCKS, Scale, TXS_PER_BLOCK};
use crate::statistics::per_second;

const TWIN: &str = "live_twin";
/// Batches of the whole measurement: one round more than is measured. The first touch of a page
/// after a checkpoint writes the whole page to the log, which would hide what is compared.
pub(super) fn batches_total(scale: &Scale) -> u64 {
    (1 + scale.rounds as u64) * scale.live_batches
}

pub(super) async fn run(bench: &mut Bench, store: &LiveStore) -> anyhow::Result<()> {
    bench.step("ingest.live: batches of 100 blocks, against COPY into a twin database");
    bench.postgres.copy(DATABASE, TWIN).await?;
    let first = bench.scale.live_blocks + 1;
    let mut sides = Sides {
        writer: open_writer(&store.url).await?,
        twin: bench.postgres.connect_local(TWIN).await?,
        known: HashSet::new(),
        store,
        next: first,
        event_seq: 0,
    };
    sides.known = sides.load_known().await?;
    let last_seq = sqlx::query_scalar("SELECT last_seq FROM event_head");
    sides.event_seq = last_seq.fetch_one(&mut sides.twin).await?;
    bench.postgres.settle().await?;
    sides.round(bench.scale.live_batches, true).await?;
    let mut rounds = Vec::new();
    for round in 0..bench.scale.rounds {
        let blocks = bench.scale.live_batches * LIVE_BATCH_BLOCKS;
        let (ours, anchor) = sides.round(bench.scale.live_batches, round % 2 == 0).await?;
        let transactions = blocks * TXS_PER_BLOCK;
        rounds.push((per_second(transactions, ours), per_second(transactions, anchor)));
    }
    let mut ours = bench.postgres.connect(DATABASE).await?;
    ensure_same_rows(&mut ours, &mut sides.twin, first).await?;
    drop((ours, sides));
    bench.postgres.drop(TWIN).await?;
    let note = "commits of 100 blocks x 10 tx by Writer::commit (all tables, totals, counters, \
                balance queue, events, checkpoint) against binary COPY of the same base rows, in \
                index order, and of new addresses into the same indexed tables, one durable \
                transaction per batch, over a Unix socket (the store connects by TCP); decoding and \
                encoding outside; rows compared afterwards";
    bench.add(Outcome::new(
        "ingest.live",
        "tx/s",
        &rounds,
        Goal::AtLeast(0.7),
        store.dataset.clone(),
        note.to_owned(),
    ));
    Ok(())
}

struct Sides<'a> {
    writer: Writer,
    twin: PgConnection,
    known: HashSet<AddressKey>,
    store: &'a LiveStore,
    next: u64,
    /// Last number of the event log on both sides.
    event_seq: i64,
}

impl Sides<'_> {
    async fn load_known(&mut self) -> anyhow::Result<HashSet<AddressKey>> {
        let keys: Vec<Uuid> = sqlx::query_scalar("SELECT address_key FROM addresses")
            .fetch_all(&mut self.twin)
            .await?;
        Ok(keys.into_iter().map(|key| AddressKey(*key.as_bytes())).collect())
    }

    /// The next batches on both sides; the time of each side's commits.
    async fn round(
        &mut self,
        count: u64,
        ours_first: bool,
    ) -> anyhow::Result<(Duration, Duration)> {
        let heights = self.next..=self.next + count * LIVE_BATCH_BLOCKS - 1;
        self.next = heights.end() + 1;
        let (ours, anchor) = self.encode(heights)?;
        let mut times = (Duration::ZERO, Duration::ZERO);
        for turn in [ours_first, !ours_first] {
            let started = Instant::now();
            if turn {
                for rows in &ours {
                    self.writer.commit(&append(rows, true)).await?;
                }
                times.0 = started.elapsed();
            } else {
                for rows in &anchor {
                    rows.commit(&mut self.twin, true).await?;
                }
                times.1 = started.elapsed();
            }
        }
        Ok(times)
    }

    fn encode(
        &mut self,
        heights: RangeInclusive<u64>,
    ) -> anyhow::Result<(Vec<BatchRows>, Vec<AnchorRows>)> {
        let (mut ours, mut anchor) = (Vec::new(), Vec::new());
        for heights in batches(heights, LIVE_BATCH_BLOCKS) {
            let blocks: Vec<Block> = blocks_of(&self.store.chain, heights)?;
            ours.push(rows_of(&blocks)?);
            let mut totals = Totals::default();
            let live = Live { event_seq: self.event_seq, now_s: now_s() };
            for block in &blocks {
                self.event_seq += events_of(block)?;
            }
            let rows = AnchorRows::encode(&blocks, Some(live), &mut totals)?;
            anchor.push(rows.with_addresses(totals.rows(&mut self.known)));
        }
        Ok((ours, anchor))
    }
}
