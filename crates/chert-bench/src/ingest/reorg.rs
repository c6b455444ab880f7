//! A reorganisation of 100 blocks, from proven to committed.

use std::time::Instant;

use chert_store::Change;

use super::LiveStore;
use crate::bench::Bench;
use crate::blocks::{blocks_of, now_s, open_writer, rows_of};
use crate::report::{Goal, Outcome};
use crate::scale::REORG_BLOCKS;
use crate::statistics::ms;

const GOAL_MS: f64 = 200.0;

pub(super) async fn run(bench: &mut Bench, store: &LiveStore) -> anyhow::Result<()> {
    bench.step("ingest.reorg: 100 blocks unwound, 101 applied");
    let mut writer = open_writer(&store.url).await?;
    let mut rounds = Vec::new();
    for _ in 0..bench.scale.reorgs {
        let ancestor = store.chain.tip().0 - REORG_BLOCKS;
        store.chain.reorg(REORG_BLOCKS, REORG_BLOCKS + 1);
        let blocks = blocks_of(&store.chain, ancestor + 1..=store.chain.tip().0)?;
        let rows = rows_of(&blocks)?;
        let change = Change {
            unwind_to: Some(ancestor),
            rows: &rows,
            follow: true,
            allow_deep: false,
            now_s: now_s(),
        };
        let started = Instant::now();
        writer.commit(&change).await?;
        rounds.push((ms(started.elapsed()), GOAL_MS));
    }
    let slowest = rounds.iter().map(|(ours, _)| *ours).fold(0.0, f64::max);
    let note = format!(
        "one Writer::commit that unwinds 100 blocks x 10 tx and applies 101, durable; median of \
         {}, slowest {slowest:.0} ms; anchor: the goal",
        rounds.len()
    );
    bench.add(Outcome::new(
        "ingest.reorg",
        "ms",
        &rounds,
        Goal::AtMost(1.0),
        store.dataset.clone(),
        note,
    ));
    Ok(())
}
