//! Pages of an oracle's work feed through the store, against COPY of the same rows.

use std::time::{Duration, Instant};

use chert_store::Store;
use chert_store::entities::oracle::OracleRow;
use chert_store::entities::work::{PageOutcome, WorkPage};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::bench::Bench;
use crate::blocks::now_s;
use crate::postgres::execute;
use crate::report::{Goal, Outcome};
use crate::statistics::{median, per_second};

use super::load::{People, Shelved};
use super::work_items::{Maker, Rows, Work, copy_statement, list_contributors};

/// Records of a page: what the contract's feeds give.
const PAGE_ITEMS: i64 = 1_000;
const ORACLE_ID: &str = "be9c4be9c4be9c4be9c4be9c4be9c4be9c4be9c4";
const FEED_ID: &str = "bench";
/// The same rows with the same indexes.
const TWIN: &str = "twin_submissions";

pub(super) async fn run(bench: &mut Bench, people: &People) -> anyhow::Result<()> {
    bench.step("people.feed_ingest: pages of 1000 records, against COPY");
    let mut sides = Sides::open(bench, people).await?;
    bench.postgres.settle().await?;
    let pages = bench.scale.people.feed_pages;
    let (mut rounds, mut fresh, mut revised) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=bench.scale.rounds {
        let ours_first = round % 2 == 1;
        let work: Vec<Work> = (0..pages * PAGE_ITEMS).map(|_| sides.maker.work()).collect();
        let (ours, anchor) = sides.pages(&work, 1, ours_first).await?;
        // The first round is not measured.
        if round == 0 {
            sides.ensure_same_rows().await?;
            sides.pages(&work, 2, ours_first).await?;
            continue;
        }
        let (ours_again, anchor_again) = sides.pages(&work, 2, ours_first).await?;
        let records = u64::try_from(pages * PAGE_ITEMS)?;
        fresh.push(per_second(records, ours));
        revised.push(per_second(records, ours_again));
        let both = (ours + ours_again, anchor + anchor_again);
        rounds.push((per_second(2 * records, both.0), per_second(2 * records, both.1)));
    }
    let note = format!(
        "Store::put_work_page, {pages} pages of 1000 fresh submissions, then as many revisions of \
         them ({:.0} and {:.0} records/s): items, submissions, history and every rollup; against \
         binary COPY of as many rows into a table with the same rows and indexes as \
         work_submissions, one durable transaction per page, over a Unix socket (the store \
         connects by TCP); parsing and encoding outside; rows compared",
        median(&fresh),
        median(&revised)
    );
    let (goal, dataset) = (Goal::AtLeast(0.35), format!("{}, warm", people.text));
    bench.add(Outcome::new("people.feed_ingest", "rec/s", &rounds, goal, dataset, note));
    Ok(())
}

struct Sides {
    store: Store,
    twin: PgConnection,
    maker: Maker,
    feed_epoch: i32,
    cursor: i64,
    now_s: i64,
}

impl Sides {
    async fn open(bench: &Bench, people: &People) -> anyhow::Result<Self> {
        let (store, now_s) = (people.store()?, now_s());
        let mut twin = bench.postgres.connect_local(&people.name).await?;
        make_twin(&mut twin).await?;
        let oracle = OracleRow {
            oracle_id: ORACLE_ID.to_owned(),
            name: "bench".to_owned(),
            base_url: "https://oracle.invalid/bench".to_owned(),
            public_key: Some([7; 32]),
            mode: "feed",
            state: "active",
            software_version: None,
            network_id: None,
            now_s,
        };
        store.put_oracle(&oracle).await?;
        let feed = store.open_feed(ORACLE_ID, FEED_ID, 1, 1, now_s).await?;
        let maker = Maker::new(ORACLE_ID, list_contributors(&mut twin).await?, now_s)?;
        let (feed_epoch, cursor) = (feed.feed_epoch, feed.cursor_seq);
        Ok(Self { store, twin, maker, feed_epoch, cursor, now_s })
    }

    /// A revision of each submission on both sides; the time of each side's commits.
    async fn pages(
        &mut self,
        work: &[Work],
        revision: u64,
        ours_first: bool,
    ) -> anyhow::Result<(Duration, Duration)> {
        let (mut ours, mut anchor) = (Vec::new(), Vec::new());
        for work in work.chunks(usize::try_from(PAGE_ITEMS)?) {
            let mut rows = Rows::new(self.now_s);
            let (after, mut items) = (self.cursor, Vec::with_capacity(work.len()));
            for work in work {
                self.cursor += 1;
                let item = self.maker.item(work, self.cursor, revision)?;
                rows.add(&self.maker, work, &item)?;
                items.push(item);
            }
            ours.push(WorkPage {
                oracle_id: ORACLE_ID.to_owned(),
                feed_id: FEED_ID.to_owned(),
                feed_epoch: self.feed_epoch,
                after,
                items,
                head_seq: self.cursor,
                oldest_seq: 1,
                now_s: self.now_s,
            });
            anchor.push(rows);
        }
        let mut times = (Duration::ZERO, Duration::ZERO);
        for turn in [ours_first, !ours_first] {
            let started = Instant::now();
            if turn {
                for page in &ours {
                    let outcome = self.store.put_work_page(page).await?;
                    let stored = matches!(&outcome, PageOutcome::Stored(counts)
                        if counts.applied == page.items.len() && counts.anomalies == 0);
                    anyhow::ensure!(stored, "a page was not taken in as it is: {outcome:?}");
                }
                times.0 = started.elapsed();
            } else {
                for rows in &anchor {
                    let mut tx = self.twin.begin().await?;
                    rows.buffer.send(&mut tx, &copy_statement(TWIN)).await?;
                    tx.commit().await?;
                }
                times.1 = started.elapsed();
            }
        }
        Ok(times)
    }

    /// Fails where the anchor writes other rows than the store.
    async fn ensure_same_rows(&mut self) -> anyhow::Result<()> {
        let mut seen = Vec::new();
        for table in ["work_submissions", TWIN] {
            let sql = AssertSqlSafe(format!(
                "SELECT concat(count(*), ' rows, digest ',
                               sum(hashtextextended((to_jsonb(r) - 'id')::text, 0)))
                 FROM {table} r WHERE oracle_id = $1"
            ));
            let digest: String =
                sqlx::query_scalar(sql).bind(ORACLE_ID).fetch_one(&mut self.twin).await?;
            seen.push(digest);
        }
        anyhow::ensure!(seen.first() == seen.last(), "the anchor wrote other rows: {seen:?}");
        Ok(())
    }
}

/// A copy of `work_submissions` with its rows and indexes.
async fn make_twin(db: &mut PgConnection) -> anyhow::Result<()> {
    execute(db, format!("CREATE TABLE {TWIN} (LIKE work_submissions INCLUDING ALL)")).await?;
    execute(db, "SET maintenance_work_mem = '512MB'".to_owned()).await?;
    let shelved = Shelved::take(db, &[TWIN]).await?;
    let copy = "OVERRIDING SYSTEM VALUE SELECT * FROM work_submissions ORDER BY id";
    execute(db, format!("INSERT INTO {TWIN} {copy}")).await?;
    // Numbers go on after the copied ones: they are unique.
    let rows = "(SELECT 1 + max(id) FROM work_submissions)";
    let sequence = format!("pg_get_serial_sequence('{TWIN}', 'id')");
    execute(db, format!("SELECT setval({sequence}, {rows})")).await?;
    shelved.put_back(db).await?;
    execute(db, format!("VACUUM ANALYZE {TWIN}")).await
}
