//! Items of an oracle's feed as the indexer hands them to the store, and the rows that follow.

use anyhow::Context;
use chert_store::copy::CopyBuffer;
use chert_store::entities::work::{Parsed, WorkItem};
use serde_json::value::RawValue;
use silica_models::{
    AddressKey, FeedItem, SignatureStatus, WorkKind, WorkRecord, submission_id_of, work_type_of,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::statistics::Random;

/// Work of this last hour.
const HOUR_MS: u64 = 3_600_000;
const NUW_TASKS: [&str; 3] = ["zk_batch_verify", "sig_batch_verify", "merkle_batch"];
const PROJECTS: [(&str, &str); 2] =
    [("Rosetta@home", "boinc_rosetta"), ("Einstein@Home", "boinc_einstein")];

/// A contributor.
pub(super) struct Contributor {
    address: String,
    key: AddressKey,
    identity: Option<Vec<u8>>,
}

/// Everybody who contributed, the most active ones first.
pub(super) async fn list_contributors(db: &mut PgConnection) -> anyhow::Result<Vec<Contributor>> {
    let rows: Vec<(String, Uuid, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT a.miner_address, a.account_key, w.identity_id
         FROM (SELECT subject, sum(tasks_all) AS tasks FROM pouw_scores
               WHERE scope = 0 GROUP BY subject) s
         JOIN pouw_accounts a ON uuid_send(a.account_key) = s.subject
         LEFT JOIN wallet_links w ON w.wallet_key = a.account_key
         ORDER BY s.tasks DESC, s.subject",
    )
    .fetch_all(db)
    .await?;
    let of = |(address, key, identity): (String, Uuid, Option<Vec<u8>>)| Contributor {
        address,
        key: AddressKey(*key.as_bytes()),
        identity,
    };
    Ok(rows.into_iter().map(of).collect())
}

/// A submission: what stays the same in all its revisions.
pub(super) struct Work {
    contributor: usize,
    task: i64,
    kind: WorkKind,
    submitted_ms: u64,
    validated_ms: u64,
    figure: u64,
}

/// Makes submissions up.
pub(super) struct Maker {
    pub(super) oracle_id: String,
    pub(super) contributors: Vec<Contributor>,
    random: Random,
    now_ms: u64,
    made: i64,
}

impl Maker {
    pub(super) fn new(
        oracle_id: &str,
        contributors: Vec<Contributor>,
        now_s: i64,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!contributors.is_empty(), "nobody contributed");
        let now_ms = u64::try_from(now_s)? * 1_000;
        let random = Random::new(9);
        Ok(Self { oracle_id: oracle_id.to_owned(), contributors, random, now_ms, made: 0 })
    }

    /// A new submission of a contributor drawn as the loaded ones are.
    pub(super) fn work(&mut self) -> Work {
        self.made += 1;
        let share = u128::from(self.random.below(1 << 20));
        let index = (share.pow(3) * self.contributors.len() as u128) >> 60;
        let kind = if self.random.below(10) < 6 { WorkKind::Boinc } else { WorkKind::Nuw };
        let submitted_ms = self.now_ms - HOUR_MS - self.random.below(HOUR_MS);
        Work {
            contributor: usize::try_from(index).unwrap_or(0),
            task: self.made,
            kind,
            submitted_ms,
            validated_ms: submitted_ms + self.random.below(HOUR_MS),
            figure: 1 + self.random.below(1_000),
        }
    }

    /// The item `seq` that states a revision of it: 1 validated with a pending reward, 2 with a
    /// final one.
    pub(super) fn item(&self, work: &Work, seq: i64, revision: u64) -> anyhow::Result<WorkItem> {
        let contributor = self.contributors.get(work.contributor).context("no such contributor")?;
        let index = usize::try_from(work.figure).unwrap_or(0);
        let (task_type, project) = match work.kind {
            WorkKind::Nuw => (NUW_TASKS.get(index % NUW_TASKS.len()), None),
            WorkKind::Boinc => {
                let project = PROJECTS.get(index % PROJECTS.len());
                (project.map(|(_, task_type)| task_type), project.map(|(name, _)| *name))
            }
        };
        let task_id = format!("bench-{}", work.task);
        let miner_id = format!("{}:rig1", contributor.address);
        let id = submission_id_of(&self.oracle_id, work.kind, &task_id, &miner_id, 1);
        let credits = project.map(|_| work.figure.to_string());
        let item = serde_json::json!({
            "seq": seq, "kind": "work",
            "prev_hash": hex::encode([1; 32]), "hash": hex::encode(hash(seq)),
            "signature": hex::encode([3; 64]),
            "record": {
                "submission_id": hex::encode(id), "revision": revision,
                "work_kind": work.kind.as_str(), "task_type": task_type, "task_id": task_id,
                "attempt": 1, "miner_id": miner_id, "account_address": contributor.address,
                "worker_name": "rig1", "project_name": project,
                "status": "validated",
                "reward_status": if revision == 1 { "pending" } else { "finalized" },
                "difficulty": work.figure.to_string(),
                "credits_claimed": credits, "credits_granted": credits,
                "cpu_time_seconds": (work.figure * 7).to_string(),
                "compute_time_ms": work.figure * 7_000,
                "assigned_at": work.submitted_ms - 600_000, "submitted_at": work.submitted_ms,
                "validated_at": work.validated_ms,
                "validation": {"method": "quorum", "confidence_bps": 9_900, "checks_passed": 3},
                "reward": {"amount": (work.figure * 1_000).to_string()},
            },
        });
        let raw = RawValue::from_string(item.to_string())?;
        let item = WorkItem::of(FeedItem::parse(&raw)?, SignatureStatus::Verified, &self.oracle_id);
        match &item.parsed {
            Parsed::Work(_) => Ok(item),
            other => anyhow::bail!("an item made here is not understood: {other:?}"),
        }
    }
}

/// Any, but of each item another.
fn hash(seq: i64) -> [u8; 32] {
    let mut bytes = [7; 32];
    for (byte, part) in bytes.iter_mut().zip(seq.to_be_bytes()) {
        *byte = part;
    }
    bytes
}

/// The columns below, of this table.
pub(super) fn copy_statement(table: &str) -> String {
    format!(
        "COPY {table} (submission_id, oracle_id, miner_address, account_key, identity_id, miner_id, \
         worker_name, work_kind, task_type, work_type, task_id, attempt, project, project_slug, \
         status, reward_status, difficulty, credits, credits_claimed, reward, cpu_time_seconds, \
         compute_time_ms, assigned_at, submitted_at, validated_at, validated_s, signature_status, \
         claim_key, detail, feed_epoch, revision, feed_seq, updated_at) FROM STDIN (FORMAT binary)"
    )
}

/// Rows of `work_submissions`, written independently of the store's own code.
pub(super) struct Rows {
    pub(super) buffer: CopyBuffer,
    now_s: i64,
}

impl Rows {
    pub(super) fn new(now_s: i64) -> Self {
        Self { buffer: CopyBuffer::new(33), now_s }
    }

    /// The row of an item. A revision becomes a row of its own, under another id.
    pub(super) fn add(
        &mut self,
        maker: &Maker,
        work: &Work,
        item: &WorkItem,
    ) -> anyhow::Result<()> {
        let Parsed::Work(record) = &item.parsed else { anyhow::bail!("not a submission") };
        let contributor = maker.contributors.get(work.contributor).context("no contributor")?;
        let record: &WorkRecord = record;
        let id = match record.revision {
            1 => record.submission_id,
            _ => record.submission_id.map(|byte| !byte),
        };
        let units = |text: Option<u64>| text.map(u128::from);
        let credits = record.project_name.as_ref().map(|_| work.figure);
        self.buffer
            .row()
            .bytes(Some(&id))
            .text(Some(&maker.oracle_id))
            .text(Some(record.account.as_str()))
            .key(contributor.key)
            .bytes(contributor.identity.as_deref())
            .text(Some(&record.miner_id))
            .text(record.worker_name.as_deref())
            .i16(record.kind.as_i16())
            .text(Some(&record.task_type))
            .text(Some(&work_type_of(&record.task_type)))
            .text(Some(&record.task_id))
            .i32(record.attempt)
            .text(record.project_name.as_deref())
            .text(record.project_slug().as_deref())
            .i16(record.status.as_i16())
            .i16(record.reward_status.as_i16())
            .numeric(units(Some(work.figure)))
            .numeric(units(credits))
            .numeric(units(credits))
            .numeric(units(Some(work.figure * 1_000)))
            .numeric(units(Some(work.figure * 7)))
            .i64(i64::try_from(work.figure * 7_000)?)
            .i64(i64::try_from(work.submitted_ms - 600_000)?)
            .i64(i64::try_from(work.submitted_ms)?)
            .i64(i64::try_from(work.validated_ms)?)
            .i64(i64::try_from(work.validated_ms / 1_000)?)
            .i16(SignatureStatus::Verified.as_i16())
            .bytes(Some(&record.claim_key()))
            .json(Some(&record.detail.to_string()))
            .i32(1)
            .i64(record.revision)
            .i64(item.seq)
            .i64(self.now_s);
        Ok(())
    }
}
