//! An index of empty blocks that feeds write to, and what they write.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use chert_store::entities::governance::query::{GovernanceStats, get_stats};
use chert_store::entities::governance::{GovernanceReading, PowerReading, ProposalReading};
use chert_store::entities::identity::RegistryCommit;
use chert_store::privacy::{Closed, Viewer};
use chert_store::{
    BatchRows, Change, FeedOutcome, PoolSettings, RejectedRecord, Store, VerifyScope, Writer,
};
use chert_testkit::TestDatabase;
use serde_json::{json, value::RawValue};
use silica_models::{
    Address, Block, Delegation, IdentityId, IdentityRecord, Proposal, Validator, Visibility, Vote,
    VoteChoice, VotingPower, WalletLink,
};

pub const START: i64 = 1_783_000_000;
pub const BLOCK_S: i64 = 60;

/// An index of empty blocks, and the store that feeds write to.
pub struct Stage {
    pub store: Store,
    pub writer: Writer,
    // Dropped last.
    _database: TestDatabase,
}

pub fn hash(height: u64, branch: u64) -> String {
    format!("{:064x}", u128::from(height) << 64 | u128::from(branch) << 1 | 1)
}

impl Stage {
    pub async fn new() -> Self {
        let database = TestDatabase::create().await;
        let settings = PoolSettings::new(&database.url);
        let writer = Writer::open(&settings, 1_000).await.unwrap();
        let store = Store::connect_lazy(&settings).unwrap();
        let mut stage = Self { store, writer, _database: database };
        stage.grow(None, 0, 0).await;
        stage
    }

    /// Appends blocks of a branch up to `to`, after abandoning everything above `unwind_to`.
    pub async fn grow(&mut self, unwind_to: Option<u64>, to: u64, branch: u64) {
        let mut rows = BatchRows::default();
        let tip = self.writer.checkpoint().tip();
        let first = unwind_to.or(tip).map_or(0, |height| height + 1);
        let mut parent = match first {
            0 => None,
            _ => self.writer.find_hash(first - 1).await.unwrap().map(|h| h.to_string()),
        };
        for height in first..=to {
            let seconds = START + i64::try_from(height).unwrap() * BLOCK_S;
            let block = json!({
                "block_number": height, "block_hash": hash(height, branch),
                "previous_block_hash": parent.unwrap_or_default(), "transactions": [],
                "timestamp": seconds, "validator_address": "VAL0", "gas_used": 0,
                "gas_limit": 1,
            });
            let raw = RawValue::from_string(block.to_string()).unwrap();
            rows.add(&Block::parse(&raw).unwrap()).unwrap();
            parent = Some(hash(height, branch));
        }
        let change = Change { unwind_to, rows: &rows, follow: true, allow_deep: true, now_s: 1 };
        self.writer.commit(&change).await.unwrap();
    }

    pub fn now_s(&self) -> i64 {
        START + self.writer.checkpoint().height * BLOCK_S
    }

    pub async fn put(&self, proposals: &[ProposalReading], complete: bool) -> FeedOutcome {
        self.put_with(proposals, complete, &[], None).await
    }

    pub async fn put_with(
        &self,
        proposals: &[ProposalReading],
        complete: bool,
        rejected: &[RejectedRecord],
        validators: Option<&[Validator]>,
    ) -> FeedOutcome {
        let checkpoint = self.writer.checkpoint();
        let reading = GovernanceReading {
            under: (checkpoint.tip().unwrap(), &checkpoint.hash),
            spoken_to: checkpoint.tip().unwrap(),
            at_s: self.now_s(),
            proposals,
            complete,
            validators,
            rejected,
            now_s: self.now_s(),
        };
        self.store.put_governance(&reading).await.unwrap()
    }

    pub async fn register(&self, records: &[IdentityRecord]) {
        let checkpoint = self.writer.checkpoint();
        let commit = RegistryCommit {
            under: (checkpoint.tip().unwrap(), &checkpoint.hash),
            records,
            rejected: &[],
            synced_to: checkpoint.tip().unwrap(),
            now_s: self.now_s(),
        };
        assert_eq!(self.store.put_registry(&commit).await.unwrap(), FeedOutcome::Stored);
    }

    pub async fn put_powers(&self, readings: &[PowerReading]) -> FeedOutcome {
        let checkpoint = self.writer.checkpoint();
        let under = (checkpoint.tip().unwrap(), checkpoint.hash.as_slice());
        self.store.put_powers(under, readings, self.now_s()).await.unwrap()
    }

    pub async fn stats(&self, id: u8) -> Result<GovernanceStats, Closed> {
        let (_, stats) = get_stats(self.store.readers(), &identity(id)).await.unwrap();
        stats.open(Viewer::Anonymous)
    }

    pub async fn assert_sound(&self) {
        let (_, found) = self.store.verify(VerifyScope::Derived).await.unwrap();
        assert_eq!(found, [], "differs from a rebuild");
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.store.pool()).await.unwrap()
    }
}

pub fn identity(id: u8) -> IdentityId {
    IdentityId([id; 32])
}

pub fn wallet(number: u8) -> Address {
    Address::parse(&format!("0x{}", format!("{number:02x}").repeat(20))).unwrap()
}

pub fn record(id: u8, height: u64, version: u32, wallets: &[u8]) -> IdentityRecord {
    let at = START + i64::try_from(height).unwrap() * BLOCK_S;
    let link = |number: &u8| WalletLink {
        address: wallet(*number),
        link_type: "main".to_owned(),
        proof_signature: vec![1],
        created_at: at,
        verified_at: None,
        height,
    };
    IdentityRecord {
        identity_id: identity(id),
        display_name: Some(format!("Somebody {id}")),
        avatar_hash: None,
        bio: None,
        visibility: Visibility::Public,
        links: wallets.iter().map(link).collect(),
        created_at: START,
        updated_at: at,
        height,
        profile_version: version,
    }
}

pub fn proposal(id: &str, state: &str, proposer: u8) -> Proposal {
    let text = json!({
        "proposal_id": id, "proposer": wallet(proposer).as_str(), "description": "text",
        "vote_start": START + 10, "vote_end": START + 100_000, "votes_for": 5,
        "votes_against": 0, "votes_abstain": 0, "state": state, "created_at": START + 5,
        "targets": ["a"], "values": ["1"], "calldatas": ["00"],
    });
    Proposal::parse(&text.to_string()).unwrap()
}

pub fn vote(voter: u8, choice: VoteChoice, power: u128, cast_at: i64) -> Vote {
    Vote { proposal_id: String::new(), voter: wallet(voter), choice, power, reason: None, cast_at }
}

pub fn reading(id: &str, state: &str, proposer: u8, votes: Vec<Vote>) -> ProposalReading {
    ProposalReading { proposal: proposal(id, state, proposer), details: true, votes: Some(votes) }
}

pub fn power(number: u8, own: u128, to: &[(u8, u128)]) -> PowerReading {
    let delegation = |(delegatee, amount): &(u8, u128)| Delegation {
        delegator: wallet(number),
        delegatee: wallet(*delegatee),
        amount: *amount,
        delegated_at: START,
    };
    let mut delegations: Vec<Delegation> = to.iter().map(delegation).collect();
    // What others gave is in the node's list, too.
    delegations.push(Delegation {
        delegator: wallet(200),
        delegatee: wallet(number),
        amount: 4,
        delegated_at: START,
    });
    PowerReading {
        address: wallet(number),
        power: VotingPower { own, delegated_in: 4, total: own + 4 },
        delegations,
    }
}
