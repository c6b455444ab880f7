//! A store into which everything writes that has something to tell.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use chert_store::entities::event::{Event, EventFilter};
use chert_store::entities::governance::{GovernanceReading, ProposalReading};
use chert_store::entities::identity::RegistryCommit;
use chert_store::entities::oracle::OracleRow;
use chert_store::entities::work::{Parsed, WorkItem, WorkPage};
use chert_store::{BatchRows, Change, FeedOutcome, PoolSettings, Store, StoreError, Writer};
use chert_testkit::TestDatabase;
use serde_json::{Value, json, value::RawValue};
use silica_models::{
    Address, Block, IdentityId, IdentityRecord, Proposal, RewardStatus, SignatureStatus, TxId,
    Visibility, Vote, VoteChoice, WalletLink, WorkKind, WorkRecord, WorkStatus, submission_id_of,
};

pub const NOW_S: i64 = 1_783_000_000;
pub const ORACLE: &str = "0123456789012345678901234567890123456789";

/// Small, seeded, good enough to choose with (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    pub fn small(&mut self, below: u64) -> u8 {
        u8::try_from(self.roll(below)).unwrap()
    }
}

pub fn wallet(number: u8) -> Address {
    Address::parse(&format!("0x{}", format!("{number:02x}").repeat(20))).unwrap()
}

pub fn hash(height: u64, branch: u64) -> String {
    format!("{:064x}", u128::from(height) << 64 | u128::from(branch) << 1 | 1)
}

/// A transfer, a payment to several, a gift of the protocol, or what nobody understands.
pub fn transaction(dice: &mut Dice) -> Value {
    let id = format!("{:016x}{:016x}", dice.roll(u64::MAX), dice.roll(u64::MAX));
    let (from, to, third) = (wallet(dice.small(5)), wallet(dice.small(5)), wallet(dice.small(5)));
    match dice.roll(6) {
        0 => json!({"tx_id": {"odd": true}}),
        1 => json!({"tx_id": id, "sender": from.as_str(), "fee": 2, "nonce": dice.roll(9),
                    "outputs": [{"recipient": to.as_str(), "amount": 4},
                                {"recipient": third.as_str(), "amount": 5}]}),
        2 => json!({"tx_id": id, "recipient": to.as_str(), "amount": 7,
                    "timestamp": "2026-07-01T00:00:00Z", "transaction_type": "reward"}),
        _ => json!({"tx_id": id, "sender": from.as_str(), "recipient": to.as_str(),
                    "amount": 1 + dice.roll(100), "fee": 1}),
    }
}

pub struct World {
    pub url: String,
    pub store: Store,
    /// With connections of its own: sqlx leaves one whose BEGIN was given up in a transaction.
    pub reader: Store,
    // Dropped last.
    pub database: TestDatabase,
}

impl World {
    pub async fn new() -> (Self, Writer) {
        let database = TestDatabase::create().await;
        let settings = PoolSettings::new(&database.url);
        let mut writer = Writer::open(&settings, 1_000).await.unwrap();
        let store = Store::connect_lazy(&settings).unwrap();
        grow(&mut writer, None, vec![Vec::new()], 0).await.unwrap();
        let row = OracleRow {
            oracle_id: ORACLE.into(),
            name: "oracle".into(),
            base_url: "http://oracle".into(),
            public_key: None,
            mode: "feed",
            state: "active",
            software_version: None,
            network_id: None,
            now_s: NOW_S,
        };
        store.put_oracle(&row).await.unwrap();
        let reader = Store::connect_lazy(&settings).unwrap();
        (Self { url: database.url.clone(), store, reader, database }, writer)
    }

    /// The whole log, in pages of `limit`.
    pub async fn log(&self, filter: &EventFilter, limit: i64) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        let mut after = 0;
        loop {
            let page = self.reader.list_events(after, filter, limit).await.unwrap();
            assert!(page.events.len() <= usize::try_from(limit).unwrap());
            assert!(page.events.iter().all(|e| e.seq > after && e.seq <= page.scanned_to));
            events.extend(page.events);
            if page.scanned_to >= page.head.last_seq {
                return events;
            }
            assert!(page.scanned_to > after, "no way on from {after}");
            after = page.scanned_to;
        }
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.store.pool()).await.unwrap()
    }

    pub async fn govern(&self, proposals: &[ProposalReading]) -> Result<FeedOutcome, StoreError> {
        let checkpoint = self.store.checkpoint().await?;
        let reading = GovernanceReading {
            under: (checkpoint.tip().unwrap(), &checkpoint.hash),
            spoken_to: checkpoint.tip().unwrap(),
            at_s: NOW_S,
            proposals,
            complete: true,
            validators: None,
            rejected: &[],
            now_s: NOW_S,
        };
        self.store.put_governance(&reading).await
    }

    pub async fn register(&self, records: &[IdentityRecord]) -> Result<FeedOutcome, StoreError> {
        let checkpoint = self.store.checkpoint().await?;
        let commit = RegistryCommit {
            under: (checkpoint.tip().unwrap(), &checkpoint.hash),
            records,
            rejected: &[],
            synced_to: checkpoint.tip().unwrap(),
            now_s: NOW_S,
        };
        self.store.put_registry(&commit).await
    }

    /// Puts records after the feed's cursor; `more` items are said to follow.
    pub async fn tell(&self, records: Vec<WorkRecord>, more: i64) -> Result<(), StoreError> {
        let feed = self.store.open_feed(ORACLE, "feed", 1, 1, NOW_S).await?;
        let item = |(record, seq): (WorkRecord, i64)| WorkItem {
            seq,
            kind: "work".into(),
            hash: None,
            signature: SignatureStatus::Verified,
            body: seq.to_string().into_bytes(),
            parsed: Parsed::Work(Box::new(record)),
        };
        let items: Vec<WorkItem> =
            records.into_iter().zip(feed.cursor_seq + 1..).map(item).collect();
        let page = WorkPage {
            oracle_id: ORACLE.into(),
            feed_id: "feed".into(),
            feed_epoch: feed.feed_epoch,
            after: feed.cursor_seq,
            head_seq: feed.cursor_seq + i64::try_from(items.len()).unwrap() + more,
            items,
            oldest_seq: 1,
            now_s: NOW_S,
        };
        self.store.put_work_page(&page).await.map(drop)
    }
}

/// Appends blocks with these transactions, after abandoning everything above `unwind_to`.
pub async fn grow(
    writer: &mut Writer,
    unwind_to: Option<u64>,
    blocks: Vec<Vec<Value>>,
    branch: u64,
) -> Result<(), StoreError> {
    let mut rows = BatchRows::default();
    let tip = writer.checkpoint().tip();
    let first = unwind_to.or(tip).map_or(0, |height| height + 1);
    let mut parent = match first {
        0 => None,
        _ => writer.find_hash(first - 1).await?.map(|h| h.to_string()),
    };
    for (height, transactions) in (first..).zip(blocks) {
        let block = json!({
            "block_number": height, "block_hash": hash(height, branch),
            "previous_block_hash": parent.unwrap_or_default(), "transactions": transactions,
            "timestamp": NOW_S - 10_000 + i64::try_from(height).unwrap(),
            "validator_address": "VAL0", "gas_used": 0, "gas_limit": 1,
        });
        let raw = RawValue::from_string(block.to_string()).unwrap();
        rows.add(&Block::parse(&raw).unwrap())?;
        parent = Some(hash(height, branch));
    }
    let change = Change { unwind_to, rows: &rows, follow: true, allow_deep: true, now_s: NOW_S };
    writer.commit(&change).await.map(drop)
}

pub fn record(id: u8, height: u64, version: u32, visible: bool) -> IdentityRecord {
    let link = |number: u8| WalletLink {
        address: wallet(number),
        link_type: "main".to_owned(),
        proof_signature: vec![1],
        created_at: NOW_S - 9_000,
        verified_at: None,
        height,
    };
    IdentityRecord {
        identity_id: IdentityId([id; 32]),
        display_name: Some(format!("Somebody {version}")),
        avatar_hash: None,
        bio: None,
        visibility: if visible { Visibility::Public } else { Visibility::Private },
        links: (0..u8::try_from(version % 2 + 1).unwrap()).map(|n| link(id + n)).collect(),
        created_at: NOW_S - 9_000,
        updated_at: NOW_S - 5_000 + i64::from(version),
        height,
        profile_version: version,
    }
}

pub fn proposal(id: &str, state: &str, votes: Vec<Vote>) -> ProposalReading {
    let text = json!({
        "proposal_id": id, "proposer": wallet(1).as_str(), "title": "Title",
        "description": "text", "vote_start": NOW_S - 100, "vote_end": NOW_S + 100_000,
        "votes_for": 5, "votes_against": 0, "votes_abstain": 0, "state": state,
        "created_at": NOW_S - 200, "targets": ["a"], "values": ["1"], "calldatas": ["00"],
    });
    ProposalReading {
        proposal: Proposal::parse(&text.to_string()).unwrap(),
        details: true,
        votes: Some(votes),
    }
}

pub fn vote(voter: u8, choice: VoteChoice) -> Vote {
    Vote {
        proposal_id: String::new(),
        voter: wallet(voter),
        choice,
        power: 10,
        reason: None,
        cast_at: NOW_S - 50,
    }
}

pub fn work(task: u8, revision: i64, state: (WorkStatus, RewardStatus), at_s: i64) -> WorkRecord {
    let account = wallet(task % 5);
    let miner_id = format!("{account}:rig1");
    let task = format!("task {task}");
    WorkRecord {
        submission_id: submission_id_of(ORACLE, WorkKind::Nuw, &task, &miner_id, 0),
        revision,
        kind: WorkKind::Nuw,
        task_type: "zk_verify".into(),
        task_id: task,
        attempt: 0,
        miner_id,
        account,
        worker_name: None,
        project_name: None,
        result_name: None,
        status: state.0,
        reward_status: state.1,
        difficulty: None,
        credits_claimed: None,
        credits_granted: None,
        cpu_time_seconds: None,
        compute_time_ms: Some(20),
        assigned_at_ms: None,
        submitted_at_ms: Some(at_s * 1_000),
        validated_at_ms: Some(at_s * 1_000 + 350),
        reward_amount: Some(5_000),
        tx_hash: Some(TxId::parse(&"ab".repeat(32)).unwrap()),
        claimed_height: None,
        detail: json!({}),
    }
}
