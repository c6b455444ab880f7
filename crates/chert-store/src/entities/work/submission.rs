//! A submission as it is stored: everything but what the database derives.

use serde_json::Value;
use silica_models::{
    Decimal, RewardStatus, SignatureStatus, TxId, WorkRecord, WorkStatus, work_type_of,
};
use uuid::Uuid;

/// Times after this are refused (2100-01-01, Unix milliseconds): the weight of a credit grows with
/// its day, and rows must stay small.
const TIME_MS_MAX: i64 = 4_102_444_800_000;

/// Columns of `work_submissions`. Decimals as canonical text, times as Unix milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Submission {
    pub(super) submission_id: Vec<u8>,
    pub(super) miner_address: String,
    pub(super) account_key: Uuid,
    pub(super) miner_id: String,
    pub(super) worker_name: Option<String>,
    pub(super) work_kind: i16,
    pub(super) task_type: String,
    pub(super) work_type: String,
    pub(super) task_id: String,
    pub(super) attempt: i32,
    pub(super) project: Option<String>,
    pub(super) project_slug: Option<String>,
    pub(super) status: i16,
    pub(super) reward_status: i16,
    pub(super) difficulty: Option<String>,
    pub(super) credits: Option<String>,
    pub(super) credits_claimed: Option<String>,
    pub(super) reward: Option<String>,
    pub(super) cpu_time_seconds: Option<String>,
    pub(super) compute_time_ms: Option<i64>,
    pub(super) assigned_at: Option<i64>,
    pub(super) submitted_at: Option<i64>,
    pub(super) validated_at: Option<i64>,
    pub(super) tx_hash: Option<Vec<u8>>,
    pub(super) claimed_height: Option<i64>,
    /// Corroborated by the index; only read here.
    pub(super) block_height: Option<i64>,
    pub(super) signature_status: i16,
    pub(super) claim_key: Vec<u8>,
    pub(super) anomaly: Option<String>,
    pub(super) detail: Value,
    pub(super) feed_epoch: i32,
    pub(super) revision: i64,
    pub(super) feed_seq: i64,
}

/// What a submission counts for depends on these, and on its identity and claim, which the database
/// derives. The view `work_contributions` says how.
#[derive(Debug, PartialEq)]
pub(super) struct Footing<'a> {
    status: i16,
    lost: bool,
    pending: bool,
    account_key: Uuid,
    work_kind: i16,
    task_type: &'a str,
    project_slug: Option<&'a str>,
    amounts: [Option<&'a str>; 3],
    compute_time_ms: Option<i64>,
    times: [Option<i64>; 3],
}

/// Why a record cannot be taken in although it is well-formed.
pub(super) fn refusal(record: &WorkRecord) -> Option<&'static str> {
    let times = [record.assigned_at_ms, record.submitted_at_ms, record.validated_at_ms];
    if times.iter().flatten().any(|t| !(0..=TIME_MS_MAX).contains(t)) {
        return Some("a time is after the year 2099");
    }
    if record.task_type.is_empty() {
        return Some("task_type is empty");
    }
    if record.status == WorkStatus::Validated && record.validated_at_ms.is_none() {
        return Some("validated_at is missing");
    }
    None
}

fn text(decimal: Option<Decimal>) -> Option<String> {
    decimal.map(|d| d.to_string())
}

impl Submission {
    pub(super) fn new(
        record: &WorkRecord,
        feed_epoch: i32,
        feed_seq: i64,
        signature: SignatureStatus,
    ) -> Self {
        Self {
            submission_id: record.submission_id.to_vec(),
            miner_address: record.account.as_str().to_owned(),
            account_key: record.account.key().to_uuid(),
            miner_id: record.miner_id.clone(),
            worker_name: record.worker_name.clone(),
            work_kind: record.kind.as_i16(),
            task_type: record.task_type.clone(),
            work_type: work_type_of(&record.task_type),
            task_id: record.task_id.clone(),
            attempt: record.attempt,
            project: record.project_name.clone(),
            project_slug: record.project_slug(),
            status: record.status.as_i16(),
            reward_status: record.reward_status.as_i16(),
            difficulty: text(record.difficulty),
            credits: text(record.credits_granted),
            credits_claimed: text(record.credits_claimed),
            reward: record.reward_amount.map(|r| r.to_string()),
            cpu_time_seconds: text(record.cpu_time_seconds),
            compute_time_ms: record.compute_time_ms,
            assigned_at: record.assigned_at_ms,
            submitted_at: record.submitted_at_ms,
            validated_at: record.validated_at_ms,
            tx_hash: record.tx_hash.as_ref().map(|t| t.as_bytes().to_vec()),
            claimed_height: record.claimed_height,
            block_height: None,
            signature_status: signature.as_i16(),
            claim_key: record.claim_key().to_vec(),
            anomaly: None,
            detail: record.detail.clone(),
            feed_epoch,
            revision: record.revision,
            feed_seq,
        }
    }

    /// Both states; what is stored was written from these types.
    pub(super) fn state(&self) -> (WorkStatus, RewardStatus) {
        let status = WorkStatus::from_i16(self.status).unwrap_or(WorkStatus::Assigned);
        let reward = RewardStatus::from_i16(self.reward_status).unwrap_or(RewardStatus::None);
        (status, reward)
    }

    /// The oracle says the same of it in both.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let bare = |submission: &Self| Self {
            block_height: None,
            signature_status: 0,
            anomaly: None,
            feed_seq: 0,
            ..submission.clone()
        };
        bare(self) == bare(other)
    }

    /// Whose work it is, is decided by this moment, Unix seconds.
    pub(super) fn held_at(&self) -> Option<i64> {
        self.validated_at.or(self.submitted_at).map(|ms| ms.div_euclid(1_000))
    }

    /// Narrow key of the claimed transaction.
    pub(super) fn tx_key(&self) -> Option<i64> {
        self.tx_hash.clone().map(|hash| TxId::from_bytes(hash).index_key())
    }

    /// `None` where it counts nowhere: it is not decided.
    pub(super) fn footing(&self) -> Option<Footing<'_>> {
        let (status, reward) = self.state();
        let decided =
            matches!(status, WorkStatus::Validated | WorkStatus::Rejected | WorkStatus::TimedOut);
        decided.then(|| Footing {
            status: self.status,
            lost: reward.is_lost(),
            pending: reward == RewardStatus::Pending,
            account_key: self.account_key,
            work_kind: self.work_kind,
            task_type: &self.task_type,
            project_slug: self.project_slug.as_deref(),
            amounts: [&self.difficulty, &self.credits, &self.reward].map(Option::as_deref),
            compute_time_ms: self.compute_time_ms,
            times: [self.assigned_at, self.submitted_at, self.validated_at],
        })
    }
}
