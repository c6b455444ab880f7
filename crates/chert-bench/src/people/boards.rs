//! Boards made anew after a change, and an identity that hides.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Context;
use chert_store::entities::identity::RegistryCommit;
use chert_store::{FeedOutcome, Store};
use silica_models::{Address, IdentityId, IdentityRecord, Visibility, WalletLink};
use sqlx::PgConnection;

use crate::bench::Bench;
use crate::blocks::now_s;
use crate::report::{Goal, Outcome};
use crate::statistics::{median, ms, percentile};

use super::load::People;

/// All boards are to follow a change within this.
const REFRESH_GOAL_MS: f64 = 5_000.0;
/// With so many contributors; with fewer, meeting it would say nothing.
const GOAL_CONTRIBUTORS: i64 = 100_000;
/// Changes while boards are being kept up to date: one so often,
const CHANGE_EVERY: Duration = Duration::from_millis(250);
/// of the figures of so many contributors per scope and kind,
const CHANGED: i64 = 50;
/// for so many lengths of a load per round: 30 s at full scale.
const LIVE_LOADS: u32 = 6;
/// How often boards are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// From one refresh to the next, as the indexer does by default.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// What hiding is compared with; nothing was promised.
const HIDE_SCALE_MS: f64 = 1_000.0;
/// Between two refreshes boards rest; the clock handed in is so much later each time.
const STEP_MS: i64 = 60_000;

/// One subject of each scope and kind has more of everything, so that every board changes.
const CHANGE: &str = "UPDATE pouw_scores s SET
        tasks_all = tasks_all + 1, rewards_all = rewards_all + 1, credits_all = credits_all + 1,
        tasks_24 = tasks_24 + 1, rewards_24 = rewards_24 + 1, credits_24 = credits_24 + 1,
        tasks_168 = tasks_168 + 1, rewards_168 = rewards_168 + 1, credits_168 = credits_168 + 1,
        tasks_720 = tasks_720 + 1, rewards_720 = rewards_720 + 1, credits_720 = credits_720 + 1,
        rac_weight = rac_weight * 1.01
    FROM (SELECT DISTINCT ON (b.scope, b.work_kind) b.scope, b.work_kind, b.subject
          FROM pouw_scores b
          WHERE b.scope = 0
             OR EXISTS (SELECT 1 FROM public_identities i WHERE i.identity_id = b.subject)
          ORDER BY b.scope, b.work_kind, b.tasks_all DESC) t
    WHERE (s.scope, s.work_kind, s.subject) = (t.scope, t.work_kind, t.subject)";

pub(super) async fn refresh(bench: &mut Bench, people: &People) -> anyhow::Result<()> {
    bench.step("people.refresh: all boards after a change");
    let store = people.store()?;
    let mut db = bench.postgres.connect(&people.name).await?;
    let (mut rounds, mut boards, mut now_ms) = (Vec::new(), 0, now_s() * 1_000);
    // One more, unmeasured, before the others.
    for round in 0..=bench.scale.rounds {
        sqlx::query(CHANGE).execute(&mut db).await?;
        sqlx::query("UPDATE feeds SET generation = generation + 1 WHERE feed = 'work'")
            .execute(&mut db)
            .await?;
        now_ms += STEP_MS;
        let started = Instant::now();
        boards = store.refresh_leaderboards(now_ms).await?.boards;
        anyhow::ensure!(boards > 0, "no board has changed");
        if round > 0 {
            rounds.push((ms(started.elapsed()), REFRESH_GOAL_MS));
        }
    }
    let note = format!(
        "Store::refresh_leaderboards after the figures of one contributor per scope and kind have \
         changed: {boards} new boards read, ranked, encoded and committed; nothing else runs; \
         anchor: the goal, which is meant for {GOAL_CONTRIBUTORS} contributors"
    );
    let enough = bench.scale.people.contributors >= GOAL_CONTRIBUTORS;
    let goal = if enough { Goal::AtMost(1.0) } else { Goal::None };
    let dataset = format!("{}, warm", people.text);
    bench.add(Outcome::new("people.refresh", "ms", &rounds, goal, dataset, note));
    Ok(())
}

/// [`CHANGED`] contributors of each scope and kind have one more task, others each time.
const NEXT_CHANGE: &str = "WITH changed AS (
        UPDATE pouw_scores s SET
            tasks_all = tasks_all + 1, rewards_all = rewards_all + 1000000007,
            credits_all = credits_all + 13.25,
            tasks_24 = tasks_24 + 1, rewards_24 = rewards_24 + 1000000007,
            credits_24 = credits_24 + 13.25,
            tasks_168 = tasks_168 + 1, rewards_168 = rewards_168 + 1000000007,
            credits_168 = credits_168 + 13.25,
            tasks_720 = tasks_720 + 1, rewards_720 = rewards_720 + 1000000007,
            credits_720 = credits_720 + 13.25
        FROM (VALUES (0::smallint, 0::smallint), (0, 1), (1, 0), (1, 1)) k(scope, work_kind)
        CROSS JOIN LATERAL (
            SELECT b.scope, b.work_kind, b.subject FROM pouw_scores b
            WHERE b.scope = k.scope AND b.work_kind = k.work_kind
              AND b.subject > substring(sha256(int8send($1)) FOR 16)
            ORDER BY b.subject LIMIT $2) t
        WHERE (s.scope, s.work_kind, s.subject) = (t.scope, t.work_kind, t.subject)
        RETURNING 1)
    UPDATE feeds SET generation = generation + 1
    WHERE feed = 'work' AND EXISTS (SELECT 1 FROM changed) RETURNING generation";

/// The generation that the newest snapshots of all boards show.
const SHOWN: &str = "WITH RECURSIVE boards AS (
        (SELECT board FROM leaderboard_snapshots ORDER BY board LIMIT 1)
        UNION ALL
        SELECT (SELECT s.board FROM leaderboard_snapshots s WHERE s.board > b.board
                ORDER BY s.board LIMIT 1)
        FROM boards b WHERE b.board IS NOT NULL)
    SELECT min((SELECT s.generation FROM leaderboard_snapshots s WHERE s.board = b.board
                ORDER BY s.snapshot_id DESC LIMIT 1))
    FROM boards b WHERE b.board IS NOT NULL";

/// How old a change is when the last of all boards shows it, while changes come all the time.
pub(super) async fn live(bench: &mut Bench, people: &People) -> anyhow::Result<()> {
    bench.step("people.refresh_live: all boards while figures change all the time");
    let store = people.store()?;
    let (rounds, all) = tokio::select! {
        measured = live_rounds(bench, people) => measured?,
        stopped = keep_refreshing(&store) => match stopped.context("refreshing the boards")? {},
        stopped = keep_pruning(&store) => match stopped.context("pruning the boards")? {},
    };
    let note = format!(
        "from the commit of a change to the commit of the last board that shows it, p95 of each \
         round; {CHANGED} contributors per scope and kind change every {} ms, and {} changes were \
         followed; the slowest of all {:.0} ms, median {:.0} ms; nothing else runs; anchor: the \
         goal, which is meant for {GOAL_CONTRIBUTORS} contributors",
        CHANGE_EVERY.as_millis(),
        all.len(),
        ms(percentile(&all, 100)),
        ms(percentile(&all, 50)),
    );
    let enough = bench.scale.people.contributors >= GOAL_CONTRIBUTORS;
    let goal = if enough { Goal::AtMost(1.0) } else { Goal::None };
    let dataset = format!("{}, warm", people.text);
    bench.add(Outcome::new("people.refresh_live", "ms", &rounds, goal, dataset, note));
    Ok(())
}

/// As the indexer does it: one refresh after another,
async fn keep_refreshing(store: &Store) -> anyhow::Result<Infallible> {
    loop {
        let began = Instant::now();
        store.refresh_leaderboards(now_s() * 1_000).await?;
        tokio::time::sleep(REFRESH_EVERY.saturating_sub(began.elapsed())).await;
    }
}

/// and what was replaced removed beside it.
async fn keep_pruning(store: &Store) -> anyhow::Result<Infallible> {
    loop {
        store.prune_leaderboards(now_s() * 1_000).await?;
        tokio::time::sleep(REFRESH_EVERY).await;
    }
}

type Ages = (Vec<(f64, f64)>, Vec<Duration>);

/// Makes changes and waits for them: the rounds' figures, and the ages of all changes.
async fn live_rounds(bench: &Bench, people: &People) -> anyhow::Result<Ages> {
    let mut db = bench.postgres.connect(&people.name).await?;
    let (mut rounds, mut all) = (Vec::new(), Vec::new());
    let (live, mut number) = (bench.scale.load * LIVE_LOADS, 0_i64);
    for round in 0..=bench.scale.rounds {
        let (mut waiting, mut ages) = (VecDeque::<(i64, Instant)>::new(), Vec::new());
        let began = Instant::now();
        let mut changed: Option<Instant> = None;
        while began.elapsed() < live || !waiting.is_empty() {
            anyhow::ensure!(began.elapsed() < live * 3, "the boards do not follow the figures");
            if began.elapsed() < live && changed.is_none_or(|at| at.elapsed() >= CHANGE_EVERY) {
                changed = Some(Instant::now());
                number += 1;
                let generation = sqlx::query_scalar(NEXT_CHANGE).bind(number).bind(CHANGED);
                waiting.push_back((generation.fetch_one(&mut db).await?, Instant::now()));
            }
            let shown: i64 = sqlx::query_scalar(SHOWN).fetch_one(&mut db).await?;
            while let Some((_, at)) = waiting.pop_front_if(|(generation, _)| *generation <= shown) {
                ages.push(at.elapsed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // The first is not measured.
        if round > 0 {
            rounds.push((ms(percentile(&ages, 95)), REFRESH_GOAL_MS));
            all.append(&mut ages);
        }
    }
    Ok((rounds, all))
}

pub(super) async fn hide(bench: &mut Bench, people: &People) -> anyhow::Result<()> {
    bench.step("people.hide: an identity on the boards hides");
    let store = people.store()?;
    let mut db = bench.postgres.connect(&people.name).await?;
    let mut times = Vec::new();
    // The most active ones; the first is not measured.
    for (number, id) in people.identities.iter().take(bench.scale.rounds + 1).enumerate() {
        let record = newer(&mut db, id).await?;
        // Otherwise there would be nothing to rebuild, and nothing to find afterwards.
        anyhow::ensure!(stands(&mut db, &record.identity_id).await?, "{id} is on no board");
        let started = Instant::now();
        put(&store, &record).await?;
        if number > 0 {
            times.push(started.elapsed());
        }
        let left = stands(&mut db, &record.identity_id).await?;
        anyhow::ensure!(!left, "{id} stands on a board although it is hidden");
    }
    let rounds: Vec<_> = times.iter().map(|time| (ms(*time), HIDE_SCALE_MS)).collect();
    let note = format!(
        "one Store::put_registry with the version of an identity that hides it, boards of \
         identities included, until it is committed; median {:.0} ms, slowest {:.0} ms; anchor: a \
         second",
        median(&times.iter().map(|time| ms(*time)).collect::<Vec<_>>()),
        ms(percentile(&times, 100))
    );
    let dataset = format!("{}, warm", people.text);
    bench.add(Outcome::new("people.hide", "ms", &rounds, Goal::None, dataset, note));
    Ok(())
}

/// Whether an identity is on a snapshot: places hold the subjects as they are.
async fn stands(db: &mut PgConnection, identity: &IdentityId) -> anyhow::Result<bool> {
    let found = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM leaderboard_snapshots s
                        JOIN leaderboard_places p USING (place_set)
                        WHERE s.board LIKE 'identities/%' AND position($1 IN p.body) > 0)",
    );
    Ok(found.bind(identity.as_bytes()).fetch_one(db).await?)
}

/// The next version of an identity: the same, but hidden.
async fn newer(db: &mut PgConnection, id: &str) -> anyhow::Result<IdentityRecord> {
    let identity_id = IdentityId::parse(id)?;
    let (name, created_at, version): (Option<String>, i64, i64) = sqlx::query_as(
        "SELECT display_name, created_at, profile_version FROM identities WHERE identity_id = $1",
    )
    .bind(identity_id.as_bytes())
    .fetch_one(&mut *db)
    .await?;
    let (address, link_type, proof_signature, linked_at): (String, String, Vec<u8>, i64) =
        sqlx::query_as(
            "SELECT wallet_address, link_type, proof_signature, created_at FROM wallet_links
             WHERE identity_id = $1",
        )
        .bind(identity_id.as_bytes())
        .fetch_one(&mut *db)
        .await?;
    let tip: i64 = sqlx::query_scalar("SELECT height FROM checkpoints WHERE pipeline = 'chain'")
        .fetch_one(db)
        .await?;
    let height = u64::try_from(tip)?;
    let link = WalletLink {
        address: Address::from_stored(address),
        link_type,
        proof_signature,
        created_at: linked_at,
        verified_at: Some(linked_at),
        height,
    };
    Ok(IdentityRecord {
        identity_id,
        display_name: name,
        avatar_hash: None,
        bio: None,
        visibility: Visibility::Private,
        links: vec![link],
        created_at,
        updated_at: now_s(),
        height,
        profile_version: u32::try_from(version + 1)?,
    })
}

async fn put(store: &Store, record: &IdentityRecord) -> anyhow::Result<()> {
    let checkpoint = store.checkpoint().await?;
    let tip = checkpoint.tip().context("the store has no blocks")?;
    let commit = RegistryCommit {
        under: (tip, &checkpoint.hash),
        records: std::slice::from_ref(record),
        rejected: &[],
        synced_to: tip,
        now_s: now_s(),
    };
    let outcome = store.put_registry(&commit).await?;
    anyhow::ensure!(outcome == FeedOutcome::Stored, "the registry was read under another block");
    Ok(())
}
