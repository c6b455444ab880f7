//! Registry records, governance and work planted straight through the store's commits, for tests
//! that derive every number by hand. The chain below is a real one, indexed and then left alone.

use anyhow::{Context, ensure};
use chert_store::entities::governance::{GovernanceReading, PowerReading, ProposalReading};
use chert_store::entities::identity::RegistryCommit;
use chert_store::entities::oracle::OracleRow;
use chert_store::entities::work::{PageOutcome, WorkItem, WorkPage};
use chert_store::{BatchRows, Change, FeedOutcome, NodeView, PoolSettings, VerifyScope, Writer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use silica_models::{
    Address, Block, FeedItem, IdentityRecord, Proposal, SignatureStatus, Vote, VotingPower,
    WorkKind, submission_id_of,
};

use crate::stage::{Stage, small_chain};

/// Blocks below everything that is planted.
const HISTORY: u64 = 40;
const FINALITY: u64 = 12;
/// The oracle that feeds the planted work; two of them for doubled claims.
pub const ORACLES: [&str; 2] =
    ["ea4a6c63e29c520abef5507b132ec5f9954776ae", "1111111111111111111111111111111111111111"];
const FEED: &str = "00112233445566778899aabbccddeeff";

/// A stage whose chain stands still, and what is planted on it.
pub struct People {
    /// Chain, node, database.
    pub stage: Stage,
    /// What the wall clock says to every commit, Unix seconds.
    pub now_s: i64,
    proposals: Vec<ProposalReading>,
    seq: [i64; 2],
}

impl People {
    /// An indexed chain without people. `now_s` is the moment at which everything is read.
    pub async fn new(now_s: i64) -> anyhow::Result<Self> {
        let stage = Stage::new(small_chain(5, HISTORY)).await?;
        // Without an indexer: what the dev chain's own registry says is not part of the story.
        let mut writer = Writer::open(&PoolSettings::new(&stage.database.url), FINALITY).await?;
        let mut rows = BatchRows::default();
        for height in 0..=HISTORY {
            let block = stage.chain.block(height).context("a block of the chain")?.to_string();
            rows.add(&Block::parse(&RawValue::from_string(block)?)?)?;
        }
        let change =
            Change { unwind_to: None, rows: &rows, follow: false, allow_deep: false, now_s };
        writer.commit(&change).await?;
        let network = Some("chert-devnet-1".to_owned());
        writer.heartbeat(&NodeView { height: HISTORY, network, ..NodeView::default() }).await?;
        drop(writer);
        let people = Self { stage, now_s, proposals: Vec::new(), seq: [0; 2] };
        for oracle in ORACLES {
            people
                .stage
                .store
                .put_oracle(&OracleRow {
                    oracle_id: oracle.to_owned(),
                    name: format!("oracle {}", &oracle[..4]),
                    base_url: "http://127.0.0.1:1".to_owned(),
                    public_key: None,
                    mode: "feed",
                    state: "active",
                    software_version: None,
                    network_id: None,
                    now_s,
                })
                .await?;
            people.stage.store.open_feed(oracle, FEED, 1, 1, now_s).await?;
        }
        people.stage.store.roll_pouw_clock(now_s).await?;
        Ok(people)
    }

    /// Commits registry records given as the node's JSON.
    pub async fn registry(&self, records: &[Value]) -> anyhow::Result<()> {
        let records: Vec<IdentityRecord> = records
            .iter()
            .map(|record| IdentityRecord::parse(&record.to_string()))
            .collect::<Result<_, _>>()?;
        let (height, hash) = self.stage.tip().await?;
        let outcome = self
            .stage
            .store
            .put_registry(&RegistryCommit {
                under: (height, &hex::decode(&hash)?),
                records: &records,
                rejected: &[],
                synced_to: height,
                now_s: self.now_s,
            })
            .await?;
        ensure!(outcome == FeedOutcome::Stored, "registry: {outcome:?}");
        Ok(())
    }

    /// Adds or replaces a proposal and its votes, both as the node's JSON.
    pub async fn proposal(&mut self, proposal: Value, votes: &[Value]) -> anyhow::Result<()> {
        let proposal = Proposal::parse(&proposal.to_string())?;
        let votes: Vec<Vote> = votes
            .iter()
            .map(|vote| Vote::parse(&vote.to_string(), &proposal.proposal_id))
            .collect::<Result<_, _>>()?;
        self.proposals.retain(|known| known.proposal.proposal_id != proposal.proposal_id);
        self.proposals.push(ProposalReading { proposal, details: true, votes: Some(votes) });
        let (height, hash) = self.stage.tip().await?;
        let outcome = self
            .stage
            .store
            .put_governance(&GovernanceReading {
                under: (height, &hex::decode(&hash)?),
                spoken_to: height,
                at_s: self.now_s,
                proposals: &self.proposals,
                complete: true,
                validators: None,
                rejected: &[],
                now_s: self.now_s,
            })
            .await?;
        ensure!(outcome == FeedOutcome::Stored, "governance: {outcome:?}");
        Ok(())
    }

    /// Sets the voting power of an address, and what it delegates to whom.
    pub async fn power(
        &self,
        address: &str,
        own: u128,
        delegated_in: u128,
        delegates: &[(&str, u128)],
    ) -> anyhow::Result<()> {
        let address = Address::parse(address)?;
        let delegations = delegates
            .iter()
            .map(|(to, amount)| {
                Ok(silica_models::Delegation {
                    delegator: address.clone(),
                    delegatee: Address::parse(to)?,
                    amount: *amount,
                    delegated_at: self.now_s,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        let power = VotingPower { own, delegated_in, total: own + delegated_in };
        let (height, hash) = self.stage.tip().await?;
        let reading = PowerReading { address, power, delegations };
        let outcome = self
            .stage
            .store
            .put_powers((height, &hex::decode(&hash)?), &[reading], self.now_s)
            .await?;
        ensure!(outcome == FeedOutcome::Stored, "powers: {outcome:?}");
        Ok(())
    }

    /// Commits the next page of an oracle's feed: work records without their ids, which are added.
    pub async fn work(&mut self, oracle: usize, records: &[Value]) -> anyhow::Result<()> {
        let oracle_id = ORACLES[oracle];
        let after = self.seq[oracle];
        let mut items = Vec::new();
        for record in records {
            self.seq[oracle] += 1;
            items.push(item(oracle_id, self.seq[oracle], record)?);
        }
        let page = WorkPage {
            oracle_id: oracle_id.to_owned(),
            feed_id: FEED.to_owned(),
            feed_epoch: 1,
            after,
            items,
            head_seq: self.seq[oracle],
            oldest_seq: 1,
            now_s: self.now_s,
        };
        let outcome = self.stage.store.put_work_page(&page).await?;
        ensure!(matches!(outcome, PageOutcome::Stored(_)), "work page: {outcome:?}");
        Ok(())
    }

    /// Computes the boards, as the indexer does every second.
    pub async fn boards(&self) -> anyhow::Result<()> {
        self.stage.store.roll_pouw_clock(self.now_s).await?;
        self.stage.store.refresh_leaderboards(self.now_s * 1_000).await?;
        self.stage.store.refresh_oracle_performance(self.now_s).await?;
        Ok(())
    }

    /// Derived equals rebuilt.
    pub async fn verify(&self) -> anyhow::Result<()> {
        let (_, findings) = self.stage.store.verify(VerifyScope::Derived).await?;
        ensure!(findings.is_empty(), "verify found {findings:?}");
        Ok(())
    }
}

fn item(oracle_id: &str, seq: i64, record: &Value) -> anyhow::Result<WorkItem> {
    let mut record = record.clone();
    let kind = if record["work_kind"] == "boinc" { WorkKind::Boinc } else { WorkKind::Nuw };
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let id = submission_id_of(oracle_id, kind, &text("task_id"), &text("miner_id"), 0);
    record["submission_id"] = json!(hex::encode(id));
    record["attempt"] = json!(0);
    let line = json!({"seq": seq, "kind": "work", "recorded_at": "2026-01-01T00:00:00Z",
                      "record": record});
    let raw = RawValue::from_string(line.to_string())?;
    let item = FeedItem::parse(&raw)?;
    Ok(WorkItem::of(item, SignatureStatus::Unsigned, oracle_id))
}

/// RFC 3339 text of Unix seconds, for records.
pub fn at(unix_s: i64) -> String {
    let time = chrono::DateTime::from_timestamp(unix_s, 0).expect("a time of this century");
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A registry record. `links`: addresses linked, with the time each says it was created.
pub fn record(
    id: &str,
    name: &str,
    visibility: &str,
    (version, height, created_at, updated_at): (u32, u64, i64, i64),
    links: &[(&str, i64)],
) -> Value {
    let links: Vec<Value> = links
        .iter()
        .map(|(address, created_at)| {
            json!({"wallet_address": address, "link_type": "mining", "proof_signature": "0xabcd",
                   "created_at": created_at, "verified_at": created_at,
                   "updated_at_block": height})
        })
        .collect();
    json!({"identity_id": id, "display_name": name, "avatar_hash": null, "bio": null,
           "stats_visibility": visibility, "wallet_links": links, "created_at": created_at,
           "updated_at": updated_at, "updated_at_block": height, "profile_version": version})
}

/// A validated work record of the network's own kind; `reward` base units.
pub fn nuw(task: &str, account: &str, revision: u32, validated_at: i64, reward: &str) -> Value {
    json!({"revision": revision, "work_kind": "nuw", "task_type": "zk_verify", "task_id": task,
           "miner_id": format!("{account}:rig1"), "account_address": account,
           "status": "validated", "reward_status": "pending", "reward": {"amount": reward},
           "submitted_at": at(validated_at - 2), "validated_at": at(validated_at)})
}

/// A validated BOINC record.
pub fn boinc(task: &str, account: &str, revision: u32, validated_at: i64, credits: &str) -> Value {
    json!({"revision": revision, "work_kind": "boinc", "task_type": "boinc_rosetta",
           "task_id": task, "miner_id": format!("{account}:rig1"), "account_address": account,
           "project_name": "Rosetta@Home", "result_name": format!("result_{task}"),
           "status": "validated", "reward_status": "finalized", "reward": {"amount": "1000"},
           "credits_granted": credits, "submitted_at": at(validated_at - 60),
           "validated_at": at(validated_at)})
}
