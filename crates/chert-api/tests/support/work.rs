//! Identities and useful work for tests, stored as the indexer stores them.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "tests")]

use chert_store::entities::identity::RegistryCommit;
use chert_store::entities::oracle::OracleRow;
use chert_store::entities::work::{PageOutcome, Parsed, WorkItem, WorkPage};
use chert_store::{FeedOutcome, Store};
use serde_json::json;
use silica_models::{
    Address, Decimal, IdentityId, IdentityRecord, RewardStatus, SignatureStatus, TxId, Visibility,
    WalletLink, WorkKind, WorkRecord, WorkStatus, submission_id_of,
};

use crate::support::TestServer;

/// The moment of these tests, on the hour and on the day.
pub const NOW: i64 = 1_795_305_600;
/// When identities were registered and their wallets linked.
pub const REGISTERED: i64 = NOW - 100 * DAY;
pub const DAY: i64 = 86_400;
pub const ORACLE: &str = "ea4a1c3f5b7d9e0f1a2b3c4d5e6f708192a376ae";
const FEED: &str = "feed-1";

pub fn identity(number: u8) -> IdentityId {
    IdentityId([number; 32])
}

pub fn account(number: u8) -> Address {
    Address::parse(&format!("0x{}", format!("{number:02x}").repeat(20))).unwrap()
}

/// An identity that has held the account of its number for a hundred days.
pub fn person(number: u8, version: u32, visibility: Visibility) -> IdentityRecord {
    let link = WalletLink {
        address: account(number),
        link_type: "mining".to_owned(),
        proof_signature: vec![1, 2, 3],
        created_at: REGISTERED,
        verified_at: None,
        height: 1,
    };
    IdentityRecord {
        identity_id: identity(number),
        display_name: Some(format!("Person {number}")),
        avatar_hash: None,
        bio: None,
        visibility,
        links: vec![link],
        created_at: REGISTERED,
        updated_at: REGISTERED + i64::from(version),
        height: 1,
        profile_version: version,
    }
}

/// A submission that was validated and paid at `at_s`, a second after it was handed in.
pub fn work(kind: WorkKind, task: &str, number: u8, at_s: i64) -> WorkRecord {
    let boinc = kind == WorkKind::Boinc;
    let miner = format!("miner-{number}");
    WorkRecord {
        submission_id: submission_id_of(ORACLE, kind, task, &miner, 0),
        revision: 1,
        kind,
        task_type: if boinc { "boinc_rosetta" } else { "zk_batch_verify" }.to_owned(),
        task_id: task.to_owned(),
        attempt: 0,
        miner_id: miner,
        account: account(number),
        worker_name: None,
        project_name: boinc.then(|| "Rosetta@Home".to_owned()),
        result_name: None,
        status: WorkStatus::Validated,
        reward_status: RewardStatus::Finalized,
        difficulty: Decimal::parse("1.5").ok(),
        credits_claimed: None,
        credits_granted: None,
        cpu_time_seconds: None,
        compute_time_ms: Some(1_450),
        assigned_at_ms: Some((at_s - 10) * 1000),
        submitted_at_ms: Some((at_s - 1) * 1000),
        validated_at_ms: Some(at_s * 1000),
        reward_amount: Some(100),
        tx_hash: None::<TxId>,
        claimed_height: None,
        detail: json!({"validation": {"method": "consensus"}}),
    }
}

/// What tests do to the store beside the server.
pub struct Desk {
    pub store: Store,
    seq: i64,
}

impl Desk {
    pub async fn new(server: &TestServer) -> Self {
        let store = Store::from_pool(server.pool.clone()).unwrap();
        let oracle = OracleRow {
            oracle_id: ORACLE.to_owned(),
            name: "Oracle 1".to_owned(),
            base_url: "http://oracle.example".to_owned(),
            public_key: Some([7; 32]),
            mode: "feed",
            state: "active",
            software_version: Some("1.4.0".to_owned()),
            network_id: None,
            now_s: NOW,
        };
        store.put_oracle(&oracle).await.unwrap();
        store.open_feed(ORACLE, FEED, 1, 0, NOW).await.unwrap();
        store.roll_pouw_clock(NOW).await.unwrap();
        Self { store, seq: 0 }
    }

    pub async fn register(&self, records: &[IdentityRecord]) {
        let checkpoint = self.store.checkpoint().await.unwrap();
        let height = u64::try_from(checkpoint.height).unwrap();
        let commit = RegistryCommit {
            under: (height, &checkpoint.hash),
            records,
            rejected: &[],
            synced_to: height,
            now_s: NOW,
        };
        assert_eq!(self.store.put_registry(&commit).await.unwrap(), FeedOutcome::Stored);
    }

    pub async fn report(&mut self, records: Vec<WorkRecord>) {
        let after = self.seq;
        let items: Vec<WorkItem> = records
            .into_iter()
            .map(|record| {
                self.seq += 1;
                WorkItem {
                    seq: self.seq,
                    kind: "work".to_owned(),
                    hash: Some([u8::try_from(self.seq % 251).unwrap(); 32]),
                    signature: SignatureStatus::Verified,
                    body: b"{}".to_vec(),
                    parsed: Parsed::Work(Box::new(record)),
                }
            })
            .collect();
        let page = WorkPage {
            oracle_id: ORACLE.to_owned(),
            feed_id: FEED.to_owned(),
            feed_epoch: 1,
            after,
            items,
            head_seq: self.seq,
            oldest_seq: 1,
            now_s: NOW,
        };
        let outcome = self.store.put_work_page(&page).await.unwrap();
        assert!(matches!(outcome, PageOutcome::Stored(_)), "{outcome:?}");
    }

    pub async fn refresh(&self, now_s: i64) {
        self.store.refresh_leaderboards(now_s * 1000).await.unwrap();
        self.store.prune_leaderboards(now_s * 1000).await.unwrap();
    }
}
