//! Random lives of oracles, accounts and the chain: after any of it, what is maintained equals what
//! a rebuild gives, to the byte.
//!
//! `CHERT_WORK_SEEDS` says how many lives, `CHERT_WORK_FROM` the first; a failure names its seed.

use std::collections::BTreeMap;

use silica_models::{
    Address, Decimal, RewardStatus, SignatureStatus, WorkKind, WorkRecord, WorkStatus,
    submission_id_of,
};
use uuid::Uuid;

use super::world::{Dice, START_S, World, account, tx_id};
use crate::entities::work::{Anchors, PageOutcome, Parsed, reattribute, rebuild_work};
use crate::entities::{Entity, UnwindContext};

const ORACLES: [&str; 3] = ["oracle-a", "oracle-b", "oracle-c"];
const ACCOUNTS: u64 = 5;
const IDENTITIES: u64 = 3;
const TRANSACTIONS: u64 = 6;
const STEPS: usize = 45;

struct Life {
    world: World,
    dice: Dice,
    /// Newest revision said of each submission.
    said: BTreeMap<[u8; 32], WorkRecord>,
    feeds: BTreeMap<&'static str, u64>,
    tip: i64,
}

fn wallet(n: u64) -> Uuid {
    account(n).key().to_uuid()
}

impl Life {
    fn now_ms(&mut self) -> i64 {
        // Within the windows mostly, sometimes long before.
        let days = if self.dice.chance(80) { 35 } else { 400 };
        (self.world.now_s - self.dice.signed(days * 86_400)) * 1_000 + self.dice.signed(1_000)
    }

    fn new_record(&mut self, oracle: &str) -> WorkRecord {
        let boinc = self.dice.chance(50);
        let (kind, types) = match boinc {
            true => (WorkKind::Boinc, ["boinc_rosetta", "boinc_einstein"]),
            false => (WorkKind::Nuw, ["zk_verify", "sig_batch_verify"]),
        };
        let owner: Address = account(self.dice.roll(ACCOUNTS));
        let task_id = format!("task {}", self.dice.roll(8));
        let attempt = i32::try_from(self.dice.roll(2)).expect("small");
        let miner_id = format!("{owner}:rig{}", self.dice.roll(2));
        let projects = ["Rosetta@Home", "rosetta@home", "Einstein@Home"];
        let number = attempt.unsigned_abs();
        WorkRecord {
            submission_id: submission_id_of(oracle, kind, &task_id, &miner_id, number),
            kind,
            task_type: (*self.dice.pick(&types)).into(),
            project_name: boinc.then(|| (*self.dice.pick(&projects)).into()),
            attempt,
            miner_id,
            ..super::world::record(oracle, &task_id, &owner, 0)
        }
    }

    /// Changes what a revision may change.
    fn vary(&mut self, record: &mut WorkRecord) {
        let at = self.now_ms();
        record.status = *self.dice.pick(WorkStatus::ALL);
        if self.dice.chance(50) {
            record.status = WorkStatus::Validated;
        }
        record.reward_status = *self.dice.pick(RewardStatus::ALL);
        record.submitted_at_ms = self.dice.chance(90).then_some(at);
        record.assigned_at_ms = self.dice.chance(50).then_some(at - 5_000);
        record.validated_at_ms =
            record.status.is_decided().then(|| at + self.dice.signed(3_000_000) - 1_000);
        let credits = format!("{}.{}", self.dice.roll(500), self.dice.roll(1_000_000_000));
        record.credits_granted =
            self.dice.chance(70).then(|| Decimal::parse(&credits).expect("valid"));
        record.difficulty = self.dice.chance(30).then(|| Decimal::from_atto(1));
        record.reward_amount = Some(if self.dice.chance(5) { u128::MAX } else { 1_000 });
        record.tx_hash = self.dice.chance(30).then(|| tx_id(self.dice.roll(TRANSACTIONS)));
        if self.dice.chance(5) {
            record.account = account(self.dice.roll(ACCOUNTS));
        }
    }

    fn item(&mut self, oracle: &str) -> (SignatureStatus, Parsed) {
        let signature = *self.dice.pick(&[SignatureStatus::Verified, SignatureStatus::Unsigned]);
        if self.dice.chance(3) {
            return (signature, Parsed::Malformed("nonsense".into()));
        }
        let fresh = self.new_record(oracle);
        let mut record = self.said.get(&fresh.submission_id).cloned().unwrap_or(fresh);
        if !self.dice.chance(10) {
            self.vary(&mut record);
        }
        // Mostly the next revision; sometimes the same again or one long known.
        record.revision = match self.dice.roll(20) {
            0 => record.revision.max(1),
            1 => (record.revision - 1).max(1),
            _ => record.revision + 1,
        };
        self.said.insert(record.submission_id, record.clone());
        (signature, Parsed::Work(Box::new(record)))
    }

    async fn step(&mut self) {
        match self.dice.roll(10) {
            0 => self.relink().await,
            1 => self.extend_chain().await,
            2 => self.unwind_chain().await,
            3 => {
                let hours = [1, 2, 30, 200, 900];
                self.world.now_s += 3_600 * *self.dice.pick(&hours);
                let now_s = self.world.now_s;
                self.world.store.roll_pouw_clock(now_s).await.expect("rolled");
            }
            choice => {
                let oracle = *self.dice.pick(&ORACLES);
                let feed = self.feeds.entry(oracle).or_default();
                *feed += u64::from(choice == 4 && self.dice.chance(30));
                let feed_id = format!("feed {feed}");
                let items = (0..=self.dice.roll(25)).map(|_| self.item(oracle)).collect();
                let outcome = self.world.put(oracle, &feed_id, items).await;
                assert!(matches!(outcome, PageOutcome::Stored(_)), "{outcome:?}");
            }
        }
    }

    /// Gives a wallet to an identity for a while, or takes what it had.
    async fn relink(&mut self) {
        let wallet = wallet(self.dice.roll(ACCOUNTS));
        let identity = vec![u8::try_from(self.dice.roll(IDENTITIES) + 1).expect("small"); 32];
        let from = self.now_ms() / 1_000;
        let until = self.dice.chance(50).then(|| from + self.dice.signed(40 * 86_400));
        let mut tx = self.world.store.pool().begin().await.expect("begun");
        if self.dice.chance(40) {
            let sql =
                "DELETE FROM wallet_link_intervals WHERE wallet_key = $1 AND identity_id = $2";
            sqlx::query(sql).bind(wallet).bind(&identity).execute(&mut *tx).await.expect("done");
        } else {
            let sql = "INSERT INTO wallet_link_intervals (identity_id, wallet_key, from_height,
                           from_time, to_height, to_time, wallet_address)
                       VALUES ($1, $2, $3, $4, $3, $5, '') ON CONFLICT DO NOTHING";
            let height = self.dice.signed(1_000);
            let insert = sqlx::query(sql).bind(&identity).bind(wallet).bind(height);
            insert.bind(from).bind(until).execute(&mut *tx).await.expect("done");
        }
        reattribute(&mut tx, &[wallet]).await.expect("moved");
        tx.commit().await.expect("committed");
    }

    async fn extend_chain(&mut self) {
        self.tip += 1;
        let id = tx_id(self.dice.roll(TRANSACTIONS));
        let mut tx = self.world.store.pool().begin().await.expect("begun");
        let sql = "INSERT INTO transactions (pos, tx_id, tx_key, amount, fee, transaction_type,
                       output_count) VALUES ($1 << 20, $2, $3, 0, 0, 'transfer', 0)";
        let insert = sqlx::query(sql).bind(self.tip).bind(id.as_bytes()).bind(id.index_key());
        insert.execute(&mut *tx).await.expect("inserted");
        Anchors::of(vec![id.index_key()]).apply(&mut tx, &super::context()).await.expect("applied");
        tx.commit().await.expect("committed");
    }

    async fn unwind_chain(&mut self) {
        self.tip = (self.tip - self.dice.signed(3)).max(0);
        let ancestor = u64::try_from(self.tip).expect("not negative");
        let mut context = UnwindContext::new(ancestor, self.world.now_s);
        let mut tx = self.world.store.pool().begin().await.expect("begun");
        let delete = sqlx::query("DELETE FROM transactions WHERE pos >= $1");
        delete.bind(context.first_pos()).execute(&mut *tx).await.expect("deleted");
        Anchors::unwind(&mut tx, &mut context).await.expect("unwound");
        tx.commit().await.expect("committed");
    }

    /// Every rollup as text, without what does not follow from the submissions.
    async fn dump(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut tables = Vec::new();
        for (table, sql) in [
            ("pouw_hourly", "SELECT t::text FROM pouw_hourly t ORDER BY 1"),
            ("pouw_daily", "SELECT t::text FROM pouw_daily t ORDER BY 1"),
            ("pouw_scores", "SELECT t::text FROM pouw_scores t ORDER BY 1"),
            ("oracle_hourly", "SELECT t::text FROM oracle_hourly t ORDER BY 1"),
            ("latency", "SELECT t::text FROM oracle_latency_hourly t ORDER BY 1"),
            (
                "pouw_stats",
                "SELECT (to_jsonb(t) - 'updated_at' - 'rank_percentile')::text FROM pouw_stats t
                 ORDER BY 1",
            ),
            ("pouw_totals", "SELECT (to_jsonb(t) - 'project')::text FROM pouw_totals t ORDER BY 1"),
        ] {
            let rows = sqlx::query_scalar(sql).fetch_all(self.world.store.pool()).await;
            tables.push((table, rows.expect("read")));
        }
        tables
    }
}

/// What a life must contain in sum, or it proves nothing.
const COVERAGE: [(&str, &str); 5] = [
    ("duplicates", "SELECT count(*) FROM work_submissions WHERE duplicate_claim"),
    ("anchored", "SELECT count(*) FROM work_submissions WHERE block_height IS NOT NULL"),
    ("attributed", "SELECT count(*) FROM work_submissions WHERE identity_id IS NOT NULL"),
    ("anomalies", "SELECT count(*) FROM work_submission_events WHERE anomaly IS NOT NULL"),
    ("in the shortest window", "SELECT count(*) FROM pouw_scores WHERE tasks_24 > 0"),
];

async fn play(seed: u64) -> Vec<i64> {
    let world = World::create().await;
    for oracle in ORACLES {
        world.add_oracle(oracle).await;
    }
    world.store.roll_pouw_clock(START_S).await.expect("rolled");
    let (said, feeds) = (BTreeMap::new(), BTreeMap::new());
    let mut life = Life { world, dice: Dice(seed), said, feeds, tip: 0 };
    for step in 0..STEPS {
        life.step().await;
        let differing = life.world.differing().await;
        assert_eq!(differing, [], "seed {seed}, step {step}");
    }
    let live = life.dump().await;
    let mut tx = life.world.store.pool().begin().await.expect("begun");
    rebuild_work(&mut tx).await.expect("rebuilt");
    tx.commit().await.expect("committed");
    assert_eq!(life.dump().await, live, "seed {seed}");
    let mut seen = Vec::new();
    for (_, sql) in COVERAGE {
        seen.push(life.world.number(sql).await);
    }
    life.world.close().await;
    seen
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_rollups_equal_rebuilt_ones() {
    let (from, seeds) = (variable("CHERT_WORK_FROM", 1), variable("CHERT_WORK_SEEDS", 4));
    let mut total = [0; COVERAGE.len()];
    for seed in from..from + seeds {
        for (sum, seen) in total.iter_mut().zip(play(seed).await) {
            *sum += seen;
        }
    }
    for ((what, _), seen) in COVERAGE.iter().zip(total) {
        println!("{what}: {seen}");
        assert!(seeds < 3 || seen > 0, "no {what}");
    }
}
