//! Boards made anew after a change, and an identity that hides.

use std::time::Instant;

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
                        JOIN leaderboard_places p USING (snapshot_id)
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
