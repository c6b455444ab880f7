//! What the tests share: records, pages, and a store of their own.

use chert_testkit::TestDatabase;
use serde_json::json;
use silica_models::{
    Address, Decimal, RewardStatus, SignatureStatus, TxId, WorkKind, WorkRecord, WorkStatus,
    submission_id_of,
};

use crate::entities::oracle::OracleRow;
use crate::entities::work::{PageOutcome, Parsed, WorkItem, WorkPage, differing_work};
use crate::{PoolSettings, Store};

/// 2025-10-09, Unix seconds.
pub(super) const START_S: i64 = 1_760_000_000;

/// Small, seeded, good enough to choose with (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    pub(super) fn signed(&mut self, below: u64) -> i64 {
        i64::try_from(self.roll(below)).expect("small")
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.roll(u64::try_from(from.len()).expect("small"));
        &from[usize::try_from(index).expect("small")]
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

pub(super) fn account(n: u64) -> Address {
    Address::parse(&format!("0x{n:040x}")).expect("valid")
}

/// A validated submission; tests change what they are about.
pub(super) fn record(oracle_id: &str, task: &str, of: &Address, revision: i64) -> WorkRecord {
    let miner_id = format!("{of}:rig1");
    WorkRecord {
        submission_id: submission_id_of(oracle_id, WorkKind::Nuw, task, &miner_id, 0),
        revision,
        kind: WorkKind::Nuw,
        task_type: "zk_verify".into(),
        task_id: task.into(),
        attempt: 0,
        miner_id,
        account: of.clone(),
        worker_name: None,
        project_name: None,
        result_name: None,
        status: WorkStatus::Validated,
        reward_status: RewardStatus::Pending,
        difficulty: None,
        credits_claimed: None,
        credits_granted: Some(Decimal::parse("1.5").expect("valid")),
        cpu_time_seconds: None,
        compute_time_ms: Some(20),
        assigned_at_ms: None,
        submitted_at_ms: Some(START_S * 1_000),
        validated_at_ms: Some(START_S * 1_000 + 350),
        reward_amount: Some(5_000),
        tx_hash: None,
        claimed_height: None,
        detail: json!({}),
    }
}

pub(super) fn tx_id(n: u64) -> TxId {
    TxId::parse(&format!("{n:064x}")).expect("valid")
}

pub(super) fn item(seq: i64, signature: SignatureStatus, parsed: Parsed) -> WorkItem {
    let body = format!("{seq} {parsed:?}").into_bytes();
    WorkItem { seq, kind: "work".into(), hash: None, signature, body, parsed }
}

/// A database and one feed per oracle.
pub(super) struct World {
    pub(super) database: TestDatabase,
    pub(super) store: Store,
    pub(super) now_s: i64,
}

impl World {
    pub(super) async fn create() -> Self {
        let database = TestDatabase::create().await;
        let store = Store::connect_lazy(&PoolSettings::new(&database.url)).expect("a valid URL");
        Self { database, store, now_s: START_S }
    }

    pub(super) async fn close(self) {
        self.store.pool().close().await;
        self.database.close().await.expect("closed");
    }

    pub(super) async fn add_oracle(&self, oracle_id: &str) {
        let row = OracleRow {
            oracle_id: oracle_id.into(),
            name: oracle_id.into(),
            base_url: "http://oracle".into(),
            public_key: None,
            mode: "feed",
            state: "active",
            software_version: None,
            network_id: None,
            now_s: self.now_s,
        };
        self.store.put_oracle(&row).await.expect("stored");
    }

    /// Puts the items after the feed's cursor.
    pub(super) async fn put(
        &self,
        oracle_id: &str,
        feed_id: &str,
        parsed: Vec<(SignatureStatus, Parsed)>,
    ) -> PageOutcome {
        let feed =
            self.store.open_feed(oracle_id, feed_id, 1, 100, self.now_s).await.expect("open");
        let items = parsed.into_iter().zip(feed.cursor_seq + 1..);
        let page = WorkPage {
            oracle_id: oracle_id.into(),
            feed_id: feed_id.into(),
            feed_epoch: feed.feed_epoch,
            after: feed.cursor_seq,
            items: items.map(|((signature, p), seq)| item(seq, signature, p)).collect(),
            head_seq: 100,
            oldest_seq: 1,
            now_s: self.now_s,
        };
        self.store.put_work_page(&page).await.expect("stored")
    }

    pub(super) async fn put_signed(
        &self,
        oracle_id: &str,
        records: Vec<WorkRecord>,
    ) -> PageOutcome {
        let items = records
            .into_iter()
            .map(|r| (SignatureStatus::Verified, Parsed::Work(Box::new(r))))
            .collect();
        self.put(oracle_id, "feed", items).await
    }

    /// What differs from a rebuild.
    pub(super) async fn differing(&self) -> Vec<(&'static str, i64)> {
        let mut db = self.store.pool().acquire().await.expect("connected");
        differing_work(&mut db).await.expect("compared")
    }

    pub(super) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.store.pool()).await.expect("a number")
    }
}
