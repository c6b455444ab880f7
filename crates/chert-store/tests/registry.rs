//! The identity registry in the store: what a commit leaves, what a reorganisation takes back, and
//! that everything derived equals a rebuild after any sequence of these.
#![allow(clippy::unwrap_used, reason = "tests")]

use chert_store::entities::identity::RegistryCommit;
use chert_store::entities::identity::query::{find_profile, list_wallets};
use chert_store::entities::identity::search::{Tier, list_named};
use chert_store::{
    BatchRows, Change, Feed, FeedOutcome, PoolSettings, RejectedRecord, Store, VerifyScope, Writer,
};
use chert_testkit::TestDatabase;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{json, value::RawValue};
use silica_models::{Address, Block, IdentityId, IdentityRecord, Visibility, WalletLink};

const START: i64 = 1_783_000_000;
const BLOCK_S: i64 = 60;

struct Stage {
    store: Store,
    writer: Writer,
    // Dropped last.
    _database: TestDatabase,
}

fn hash(height: u64, branch: u64) -> String {
    format!("{:064x}", u128::from(height) << 64 | u128::from(branch) << 1 | 1)
}

fn time_of(height: u64) -> i64 {
    START + i64::try_from(height).unwrap() * BLOCK_S
}

impl Stage {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        let settings = PoolSettings::new(&database.url);
        let writer = Writer::open(&settings, 1_000).await.unwrap();
        let store = Store::connect_lazy(&settings).unwrap();
        let mut stage = Self { store, writer, _database: database };
        stage.grow(None, 0, 0).await;
        stage
    }

    /// Appends empty blocks of a branch up to `to`, after abandoning everything above `unwind_to`.
    async fn grow(&mut self, unwind_to: Option<u64>, to: u64, branch: u64) {
        let mut rows = BatchRows::default();
        let first = unwind_to.or(self.writer.checkpoint().tip()).map_or(0, |height| height + 1);
        let mut parent = match first {
            0 => None,
            _ => self.writer.find_hash(first - 1).await.unwrap().map(|h| h.to_string()),
        };
        for height in first..=to {
            let block = json!({
                "block_number": height, "block_hash": hash(height, branch),
                "previous_block_hash": parent.unwrap_or_default(), "transactions": [],
                "timestamp": time_of(height), "validator_address": "VAL0", "gas_used": 0,
                "gas_limit": 1,
            });
            let raw = RawValue::from_string(block.to_string()).unwrap();
            rows.add(&Block::parse(&raw).unwrap()).unwrap();
            parent = Some(hash(height, branch));
        }
        let change = Change { unwind_to, rows: &rows, follow: true, allow_deep: true, now_s: 1 };
        self.writer.commit(&change).await.unwrap();
    }

    async fn put(&self, records: &[IdentityRecord]) -> FeedOutcome {
        let tip = self.writer.checkpoint().clone();
        let height = tip.tip().unwrap();
        let commit = RegistryCommit {
            under: (height, &tip.hash),
            records,
            rejected: &[],
            synced_to: height,
            now_s: time_of(height),
        };
        self.store.put_registry(&commit).await.unwrap()
    }

    /// Every row that the registry left.
    async fn dump(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT r FROM (
                 SELECT 'version ' || v::text AS r FROM identity_versions v
                 UNION ALL SELECT 'identity ' || i::text FROM identities i
                 UNION ALL SELECT 'link ' || l::text FROM wallet_links l
                 UNION ALL SELECT 'interval ' || i::text FROM wallet_link_intervals i) x
             ORDER BY r",
        )
        .fetch_all(self.store.pool())
        .await
        .unwrap()
    }

    async fn assert_derived(&self) {
        let (_, found) = self.store.verify(VerifyScope::Derived).await.unwrap();
        assert_eq!(found, []);
    }

    async fn holder(&self, wallet: &str, at_s: i64) -> Option<u8> {
        let key = Address::parse(wallet).unwrap().key().to_uuid();
        let id: Option<Vec<u8>> = sqlx::query_scalar("SELECT chert_identity_at($1, $2)")
            .bind(key)
            .bind(at_s)
            .fetch_one(self.store.pool())
            .await
            .unwrap();
        id.map(|id| id[0])
    }
}

fn id(number: u8) -> IdentityId {
    IdentityId([number; 32])
}

fn record(number: u8, height: u64, wallets: &[&str]) -> IdentityRecord {
    let link = |address: &&str| WalletLink {
        address: Address::parse(address).unwrap(),
        link_type: "main".to_owned(),
        proof_signature: vec![number, 0xab],
        created_at: START,
        verified_at: None,
        height,
    };
    IdentityRecord {
        identity_id: id(number),
        display_name: Some(format!("Müller {number}")),
        avatar_hash: Some([number; 32]),
        bio: None,
        visibility: Visibility::Public,
        links: wallets.iter().map(link).collect(),
        created_at: START,
        updated_at: time_of(height),
        height,
        profile_version: 1,
    }
}

#[tokio::test]
async fn the_newest_version_is_the_profile_and_pages_may_repeat() {
    let mut stage = Stage::new().await;
    stage.grow(None, 9, 0).await;
    let first = record(1, 3, &["0xAA", "0xBB"]);
    let mut second = record(1, 7, &["0xbb", "0xBB", "VALCC"]);
    second.display_name = None;
    second.visibility = Visibility::Private;
    second.profile_version = 2;
    // Newest first, one twice, one of a block above the reading, which waits.
    let above = record(2, 10, &[]);
    assert_eq!(
        stage.put(&[second.clone(), first.clone(), first.clone(), above]).await,
        FeedOutcome::Stored
    );
    let before = stage.dump().await;
    let (_, profile) = find_profile(stage.store.readers(), &id(1)).await.unwrap();
    let profile = profile.unwrap();
    assert_eq!((profile.display_name, profile.wallet_count), (None, 2));
    assert_eq!((profile.stats_visibility.as_str(), profile.last_synced_block), ("private", 7));
    let (_, wallets) = list_wallets(&stage.store, &id(1), None, 0, 10).await.unwrap();
    let mut wallets: Vec<_> = wallets.unwrap().into_iter().map(|w| w.wallet_address).collect();
    wallets.sort_unstable();
    assert_eq!(wallets, ["0xbb", "VALCC"]);
    assert!(find_profile(stage.store.readers(), &id(2)).await.unwrap().1.is_none());
    // The same again changes nothing; other content of the same version replaces it.
    stage.put(&[first, second.clone()]).await;
    assert_eq!(stage.dump().await, before);
    second.bio = Some("new".to_owned());
    stage.put(&[second]).await;
    let (_, profile) = find_profile(stage.store.readers(), &id(1)).await.unwrap();
    assert_eq!(profile.unwrap().bio.as_deref(), Some("new"));
    stage.assert_derived().await;
}

#[tokio::test]
async fn a_reading_of_a_left_branch_is_not_stored_and_progress_never_goes_back() {
    let mut stage = Stage::new().await;
    stage.grow(None, 5, 0).await;
    let tip = stage.writer.checkpoint().clone();
    stage.grow(Some(3), 6, 1).await;
    let rejected = |height| RejectedRecord {
        key: format!("r{height}"),
        height: Some(height),
        reason: "bad\0ness".to_owned(),
        raw: b"{}".to_vec(),
    };
    let mut commit = RegistryCommit {
        under: (5, &tip.hash),
        records: &[record(1, 2, &[])],
        rejected: &[],
        synced_to: 5,
        now_s: 9,
    };
    assert_eq!(stage.store.put_registry(&commit).await.unwrap(), FeedOutcome::Moved);
    assert_eq!(stage.dump().await, [""; 0]);
    let now = stage.writer.checkpoint().clone();
    commit.under = (6, &now.hash);
    let (low, high) = (rejected(2), rejected(6));
    let both = [low, high];
    commit.rejected = &both;
    assert_eq!(stage.store.put_registry(&commit).await.unwrap(), FeedOutcome::Stored);
    commit.synced_to = 2;
    stage.store.put_registry(&commit).await.unwrap();
    let feed = stage.store.feed_checkpoint(Feed::Identity).await.unwrap();
    assert_eq!((feed.height, &feed.hash, feed.synced_at), (5, &now.hash, 9));
    stage.grow(Some(4), 4, 2).await;
    let feed = stage.store.feed_checkpoint(Feed::Identity).await.unwrap();
    assert_eq!((feed.height, feed.hash), (4, stage.writer.checkpoint().hash.clone()));
    let kept: Vec<String> = sqlx::query_scalar("SELECT key FROM feed_quarantine")
        .fetch_all(stage.store.pool())
        .await
        .unwrap();
    assert_eq!(kept, ["r2"]);
}

#[tokio::test]
async fn linking_late_or_dating_back_moves_nothing() {
    let mut stage = Stage::new().await;
    stage.grow(None, 30, 0).await;
    let owner = record(1, 10, &["0xAA"]);
    let mut thief = record(2, 20, &["0xaa"]);
    thief.links[0].created_at = 0;
    thief.created_at = 0;
    let gone = record(1, 25, &[]);
    stage.put(&[owner, thief, gone]).await;
    // Before anybody was seen with it the late claim counts; it is nobody's loss.
    assert_eq!(stage.holder("0xAa", time_of(5)).await, Some(1));
    assert_eq!(stage.holder("0xAa", time_of(22)).await, Some(1));
    assert_eq!(stage.holder("0xAa", time_of(25)).await, Some(2));
    assert_eq!(stage.holder("0xAa", START - 1).await, Some(2));
    assert_eq!(stage.holder("0xBB", time_of(25)).await, None);
    stage.grow(Some(19), 19, 1).await;
    assert_eq!(stage.holder("0xAa", time_of(25)).await, Some(1));
    assert!(find_profile(stage.store.readers(), &id(2)).await.unwrap().1.is_none());
    stage.assert_derived().await;
}

/// One step of a history: blocks to add, and records in them (identity, wallets as bits,
/// visibility, back-dated by blocks).
type Step = (u64, Vec<(u8, u8, bool, u64)>);

fn any_history() -> impl Strategy<Value = Vec<Step>> {
    let records = proptest::collection::vec((0_u8..4, 0_u8..16, any::<bool>(), 0_u64..4), 0..5);
    proptest::collection::vec((1_u64..4, records), 1..8)
}

async fn play(history: Vec<Step>) {
    const WALLETS: [&str; 4] = ["0xAA", "0xBB", "VALCC", "treasury"];
    let mut stage = Stage::new().await;
    let mut states = vec![(0, stage.dump().await)];
    let mut tip = 0;
    for (blocks, records) in history {
        tip += blocks;
        stage.grow(None, tip, 0).await;
        let records: Vec<IdentityRecord> = records
            .into_iter()
            .map(|(number, bits, public, back)| {
                let wallets: Vec<&str> =
                    (0..4).filter(|bit| bits & 1 << bit != 0).map(|bit| WALLETS[bit]).collect();
                let height = tip - back.min(blocks - 1);
                let mut record = record(number, height, &wallets);
                record.profile_version = u32::from(bits);
                if !public {
                    record.visibility = Visibility::Private;
                }
                record
            })
            .collect();
        assert_eq!(stage.put(&records).await, FeedOutcome::Stored);
        stage.assert_derived().await;
        states.push((tip, stage.dump().await));
    }
    // A repair leaves what is right alone.
    stage.writer.repair_derived().await.unwrap();
    let mut branch = 1;
    while let Some((height, before)) = states.pop() {
        if height < tip {
            stage.grow(Some(height), height, branch).await;
        }
        assert_eq!(stage.dump().await, before);
        stage.assert_derived().await;
        branch += 1;
    }
}

#[test]
fn derived_rows_equal_a_rebuild_and_unwinding_restores_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 8, rng_seed: RngSeed::Fixed(7), ..Config::default() };
    let mut runner = TestRunner::new(config);
    runner
        .run(&any_history(), |history| {
            runtime.block_on(play(history));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn names_are_found_by_beginning_part_and_likeness() {
    let mut stage = Stage::new().await;
    stage.grow(None, 5, 0).await;
    let names = [
        "Quarry",
        "quarry-42",
        "QUÁRRY 7",
        "The Quarry",
        "quary",
        "a%b",
        "a_b",
        "axb",
        "Zoë Ab",
        "ﬁrst",
        "Ｗｉｄｅ",
        "Ab",
        "木星人",
        "no\u{200b}thing",
    ];
    let records: Vec<IdentityRecord> = (1..)
        .zip(names)
        .map(|(number, name)| {
            let mut record = record(number, 5, &[]);
            record.display_name = Some(name.to_owned());
            record
        })
        .collect();
    stage.put(&records).await;
    let find = async |text: &str| -> Vec<(String, Tier)> {
        let (_, found) = list_named(&stage.store, text, None, 100).await.unwrap();
        found.into_iter().map(|f| (f.display_name.unwrap(), f.tier)).collect()
    };
    let found = |expected: &[(&str, Tier)]| -> Vec<(String, Tier)> {
        expected.iter().map(|(name, tier)| ((*name).to_owned(), *tier)).collect()
    };
    use Tier::{Inside, Like, Prefix};
    let quarries = [
        ("Quarry", Prefix),
        ("QUÁRRY 7", Prefix),
        ("quarry-42", Prefix),
        ("The Quarry", Inside),
        ("quary", Like),
    ];
    assert_eq!(find(" quarry").await, found(&quarries));
    assert_eq!(find("QUÄRRY").await, found(&quarries));
    assert_eq!(find("ab").await, found(&[("Ab", Prefix), ("Zoë Ab", Inside)]));
    assert_eq!(find("zoe").await, found(&[("Zoë Ab", Prefix)]));
    assert_eq!(find("a%b").await, found(&[("a%b", Prefix)]));
    assert_eq!(find("a_").await, found(&[("a_b", Prefix)]));
    assert_eq!(find("first").await, found(&[("ﬁrst", Prefix)]));
    assert_eq!(find("wide").await, found(&[("Ｗｉｄｅ", Prefix)]));
    assert_eq!(find("nothing").await, found(&[("no\u{200b}thing", Prefix)]));
    assert_eq!(find("木星").await, found(&[("木星人", Prefix)]));
    assert_eq!(find("\u{200b}\u{200b}").await, []);
    assert_eq!(find("xyzzy").await, []);
    // Page by page it is the same list.
    let (_, all) = list_named(&stage.store, "quarry", None, 100).await.unwrap();
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let (_, page) = list_named(&stage.store, "quarry", after.clone(), 1).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        pages.extend(page);
    }
    assert_eq!(pages, all);
}
