//! Bulk backfill from rows in memory, against COPY into the same tables and CREATE INDEX.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chert_devnet::Profile;
use chert_store::BatchRows;
use sqlx::Connection;

use crate::anchor::{AnchorRows, Totals, ensure_same_rows};
use crate::bench::Bench;
use crate::blocks::{append, batches, blocks_of, chain, open_writer, rows_of};
use crate::postgres::execute;
use crate::report::{Goal, Outcome};
use crate::scale::{BULK_BATCH_BLOCKS, TXS_PER_BLOCK, transactions_text};
use crate::statistics::{median, per_second};

const OURS: &str = "bulk";
const ANCHOR: &str = "bulk_twin";
/// The indexes that the store does without in bulk mode; what they are is asked of the database.
const INDEXES: &str = "SELECT indexname::text, indexdef FROM pg_indexes
    WHERE indexname IN ('transactions_tx_key', 'address_txs_key', 'blocks_hash')
    ORDER BY indexname DESC";

struct Rows {
    ours: Vec<BatchRows>,
    anchor: Vec<AnchorRows>,
    addresses: AnchorRows,
}

pub(super) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let blocks = bench.scale.bulk_blocks;
    bench.step(format_args!("ingest.bulk: encoding {}", transactions_text(blocks)));
    let rows = tokio::task::spawn_blocking(move || encode(blocks)).await??;
    let (mut rounds, mut splits) = (Vec::new(), Vec::new());
    for round in 0..bench.scale.rounds {
        bench.step(format_args!("ingest.bulk: round {}", round + 1));
        let ((committed, ours), anchor) = if round % 2 == 0 {
            let ours = backfill(bench, &rows.ours).await?;
            (ours, copy(bench, &rows).await?)
        } else {
            let anchor = copy(bench, &rows).await?;
            (backfill(bench, &rows.ours).await?, anchor)
        };
        let transactions = blocks * TXS_PER_BLOCK;
        rounds.push((per_second(transactions, ours), per_second(transactions, anchor)));
        splits.push((committed.as_secs_f64(), ours.as_secs_f64(), anchor.as_secs_f64()));
        let mut ours = bench.postgres.connect(OURS).await?;
        let mut anchor = bench.postgres.connect(ANCHOR).await?;
        ensure_same_rows(&mut ours, &mut anchor, 0).await?;
        ours.close().await?;
        anchor.close().await?;
        bench.postgres.drop(OURS).await?;
        bench.postgres.drop(ANCHOR).await?;
    }
    let second = |of: fn(&(f64, f64, f64)) -> f64| median(&Vec::from_iter(splits.iter().map(of)));
    let note = format!(
        "enter_bulk, commits of 500 blocks, leave_bulk (indexes, totals, VACUUM ANALYZE) \
                against COPY of the same rows in the same batches, CREATE INDEX of the same three \
                indexes with the same memory, and COPY of the finished address totals; both with \
                synchronous_commit off, as bulk mode has it; the anchor over a Unix socket; decoding \
                and encoding outside; ours {:.1} s, {:.1} s of it commits, the anchor {:.1} s",
        second(|split| split.1),
        second(|split| split.0),
        second(|split| split.2)
    );
    bench.add(Outcome::new(
        "ingest.bulk",
        "tx/s",
        &rounds,
        Goal::AtLeast(0.6),
        format!("{} into an empty store", transactions_text(blocks)),
        note,
    ));
    Ok(())
}

fn encode(blocks: u64) -> anyhow::Result<Rows> {
    let chain = chain(Profile::fixed(TXS_PER_BLOCK), blocks);
    let mut totals = Totals::default();
    let (mut ours, mut anchor) = (Vec::new(), Vec::new());
    for heights in batches(0..=blocks, BULK_BATCH_BLOCKS) {
        let blocks = blocks_of(&chain, heights)?;
        ours.push(rows_of(&blocks)?);
        anchor.push(AnchorRows::encode(&blocks, None, &mut totals)?);
    }
    let addresses = AnchorRows::of_addresses(totals.rows(&mut HashSet::new()));
    Ok(Rows { ours, anchor, addresses })
}

/// Until the last commit, and until the store is live.
async fn backfill(bench: &Bench, batches: &[BatchRows]) -> anyhow::Result<(Duration, Duration)> {
    let url = bench.postgres.create(OURS).await?;
    let mut writer = open_writer(&url).await?;
    bench.postgres.settle().await?;
    let started = Instant::now();
    writer.enter_bulk().await?;
    for rows in batches {
        writer.commit(&append(rows, false)).await?;
    }
    let committed = started.elapsed();
    writer.leave_bulk().await?;
    Ok((committed, started.elapsed()))
}

async fn copy(bench: &Bench, rows: &Rows) -> anyhow::Result<Duration> {
    bench.postgres.create(ANCHOR).await?;
    let mut db = bench.postgres.connect_local(ANCHOR).await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(INDEXES).fetch_all(&mut db).await?;
    anyhow::ensure!(indexes.len() == 3, "the schema has other indexes: {indexes:?}");
    bench.postgres.settle().await?;
    let started = Instant::now();
    for (name, _) in &indexes {
        execute(&mut db, format!("DROP INDEX {name}")).await?;
    }
    for batch in &rows.anchor {
        batch.commit(&mut db, false).await?;
    }
    let mut tx = db.begin().await?;
    execute(&mut tx, "SET LOCAL maintenance_work_mem = '512MB'".to_owned()).await?;
    for (_, definition) in indexes {
        execute(&mut tx, definition).await?;
    }
    tx.commit().await?;
    rows.addresses.commit(&mut db, true).await?;
    let elapsed = started.elapsed();
    db.close().await?;
    Ok(elapsed)
}
