//! The data: written into the base tables as sets of rows, everything else by the store's own
//! rebuild, so that the loader cannot disagree with the store about what follows from what.

mod indexes;

use std::time::Instant;

use anyhow::Context;
use chert_devnet::Profile;
use chert_store::{PoolSettings, Store};
use sqlx::{AssertSqlSafe, PgConnection};

pub(super) use self::indexes::Shelved;
use crate::bench::Bench;
use crate::blocks;
use crate::postgres::execute;
use crate::scale::{PeopleScale, TXS_PER_BLOCK};

const DATABASE: &str = "people";
/// Blocks of the chain: only something for heights to mean.
const BLOCKS: u64 = 200;
/// Submissions written by one statement.
const WORK_SLICE: i64 = 250_000;
/// Different identities that are asked for.
pub(super) const KEYS: i64 = 256;
/// Different proposals that are asked for: those with the most votes.
pub(super) const PROPOSALS: i64 = 16;
/// Work is loaded without the referential checks and waits that matter only to real data.
const SESSION: &str = "SET session_replication_role = replica; SET synchronous_commit = off;
    SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'; SET jit = off";

/// A loaded database.
pub(super) struct People {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) text: String,
    /// Hex ids of [`KEYS`] public identities that contribute; number k is identity
    /// 1 + k × `stride`.
    pub(super) identities: Vec<String>,
    pub(super) stride: i64,
    /// Ids of the [`PROPOSALS`] proposals with the most votes, in that order.
    pub(super) proposals: Vec<String>,
}

impl People {
    /// Loads it; boards included.
    pub(super) async fn load(bench: &Bench) -> anyhow::Result<Self> {
        let scale = bench.scale.people;
        let text = describe(&scale);
        bench.step(format_args!("loading {text}"));
        let url = bench.postgres.create(DATABASE).await?;
        let chain = blocks::chain(Profile::fixed(TXS_PER_BLOCK), BLOCKS);
        blocks::load(&url, &chain, BLOCKS, |_| {}).await?;
        let mut db = bench.postgres.connect(DATABASE).await?;
        script(&mut db, SESSION).await?;
        fill(bench, &mut db, &scale).await?;
        derive(bench, &mut db, &url).await?;
        let (name, stride) = (DATABASE.to_owned(), scale.contributors / KEYS / 10 * 10);
        anyhow::ensure!(stride > 0, "too few contributors for {KEYS} keys");
        let identities = list_identities(&mut db, stride).await?;
        let proposals = list_proposals(&mut db).await?;
        bench.postgres.settle().await?;
        Ok(Self { name, url, text, identities, stride, proposals })
    }

    /// The store on it, as the indexer opens it.
    pub(super) fn store(&self) -> anyhow::Result<Store> {
        let settings = PoolSettings { copies: true, ..PoolSettings::new(&self.url) };
        Ok(Store::connect_lazy(&settings)?)
    }
}

fn describe(scale: &PeopleScale) -> String {
    let thousands = |number: i64| match number {
        1_000_000.. => format!("{} M", number / 1_000_000),
        _ => format!("{} k", number / 1_000),
    };
    format!(
        "{} identities, {} contributors, {} submissions, {} votes",
        thousands(scale.identities),
        thousands(scale.contributors),
        thousands(scale.submissions),
        thousands(scale.votes)
    )
}

/// Runs the statements of a script in one transaction.
async fn script(db: &mut PgConnection, text: &'static str) -> anyhow::Result<()> {
    sqlx::raw_sql(text).execute(db).await?;
    Ok(())
}

/// The base tables.
async fn fill(bench: &Bench, db: &mut PgConnection, scale: &PeopleScale) -> anyhow::Result<()> {
    script(db, include_str!("frame.sql")).await?;
    sqlx::query(
        "INSERT INTO bench.size (now_s, tip, identities, contributors, submissions, votes, proposals)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(blocks::now_s())
    .bind(i64::try_from(BLOCKS)?)
    .bind(scale.identities)
    .bind(scale.contributors)
    .bind(scale.submissions)
    .bind(scale.votes)
    .bind(scale.proposals)
    .execute(&mut *db)
    .await?;
    script(db, include_str!("identities.sql")).await?;
    bench.step("    identities are in");
    let shelved = Shelved::take(db, &["votes", "work_submissions", "work_submission_events"]);
    let shelved = shelved.await?;
    script(db, include_str!("governance.sql")).await?;
    script(db, include_str!("oracles.sql")).await?;
    let mut told = Instant::now();
    for first in (1..=scale.submissions).step_by(usize::try_from(WORK_SLICE)?) {
        let last = scale.submissions.min(first + WORK_SLICE - 1);
        sqlx::query("UPDATE bench.size SET first_n = $1, last_n = $2")
            .bind(first)
            .bind(last)
            .execute(&mut *db)
            .await?;
        script(db, include_str!("work.sql")).await?;
        if told.elapsed().as_secs() >= 10 {
            bench.step(format_args!("    loaded {last} of {} submissions", scale.submissions));
            told = Instant::now();
        }
    }
    bench.step("    building indexes");
    shelved.put_back(db).await?;
    execute(db, "DROP SCHEMA bench CASCADE".to_owned()).await?;
    execute(db, "VACUUM ANALYZE".to_owned()).await
}

/// What follows from them.
async fn derive(bench: &Bench, db: &mut PgConnection, url: &str) -> anyhow::Result<()> {
    bench.step("    deriving everything else");
    let shelved = Shelved::take_secondary(db, "identities").await?;
    let mut writer = blocks::open_writer(url).await?;
    writer.repair_derived().await?;
    drop(writer);
    shelved.put_back(db).await?;
    for table in [
        "identities",
        "wallet_links",
        "pouw_scores",
        "pouw_daily",
        "pouw_stats",
        "votes",
        "proposal_tally_hourly",
        "governance_stats",
    ] {
        // Names of ours.
        let sql = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {table})"));
        let filled: bool = sqlx::query_scalar(sql).fetch_one(&mut *db).await?;
        anyhow::ensure!(filled, "the rebuild left {table} empty");
    }
    execute(db, "VACUUM ANALYZE".to_owned()).await?;
    let store = Store::connect_lazy(&PoolSettings::new(url))?;
    let boards = store.refresh_leaderboards(blocks::now_s() * 1_000).await?.boards;
    anyhow::ensure!(boards > 0, "no board was computed");
    execute(db, "VACUUM ANALYZE".to_owned()).await?;
    bench.step(format_args!("    {boards} boards stand"));
    Ok(())
}

async fn list_identities(db: &mut PgConnection, stride: i64) -> anyhow::Result<Vec<String>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT encode(i.identity_id, 'hex') FROM generate_series(0::bigint, $1 - 1) k
         JOIN public_identities i ON i.identity_id = sha256(int8send(1 + k * $2)) ORDER BY k",
    )
    .bind(KEYS)
    .bind(stride)
    .fetch_all(db)
    .await?;
    anyhow::ensure!(i64::try_from(ids.len())? == KEYS, "an identity asked for is not public");
    Ok(ids)
}

async fn list_proposals(db: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    let ids = sqlx::query_scalar(
        "SELECT '0x' || encode(sha256(convert_to('proposal ' || p, 'UTF8')), 'hex')
         FROM generate_series(1::bigint, $1) p ORDER BY p",
    );
    ids.bind(PROPOSALS).fetch_all(db).await.context("proposals")
}
