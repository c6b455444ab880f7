//! One submission and what became of it.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::pouw_query::submission::{
    SubmissionDetail, TimelineStep, find_submission,
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::pouw_history::{SubmissionItem, reward_text, status_text};
use super::text::Hex;
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::error::{Problem, ProblemBody};
use crate::params::Call;
use crate::state::ApiState;

/// Bytes of a submission's id.
const ID_BYTES: usize = 32;

/// A step of a submission's life.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineItem<'a> {
    /// When it happened, as the oracle states, Unix seconds.
    #[schema(example = 1783073729)]
    pub at: Option<i64>,
    /// State of the work from then on.
    #[schema(example = "validated")]
    pub status: &'static str,
    /// State of its reward from then on.
    #[schema(example = "pending")]
    pub reward_status: &'static str,
    /// The oracle's revision.
    #[schema(example = 3)]
    pub revision: i64,
    /// Counts the feeds that we saw of the oracle, from 1.
    #[schema(example = 1)]
    pub feed_epoch: i32,
    /// A code where the step is not a legal one, e.g. `illegal_transition`.
    pub anomaly: Option<&'a str>,
}

impl<'a> TimelineItem<'a> {
    fn new(step: &'a TimelineStep) -> Self {
        Self {
            at: step.at_ms.map(|ms| ms.div_euclid(1000)),
            status: status_text(step.status),
            reward_status: reward_text(step.reward_status),
            revision: step.revision,
            feed_epoch: step.feed_epoch,
            anomaly: step.anomaly.as_deref(),
        }
    }
}

/// A submission with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionView<'a> {
    /// What lists show.
    #[serde(flatten)]
    pub item: SubmissionItem<'a>,
    /// The public identity that held the account; null where there is none.
    #[schema(value_type = Option<String>)]
    pub identity_id: Option<Hex<'a>>,
    /// Its name.
    pub display_name: Option<&'a str>,
    /// Canonical type of the task.
    #[schema(example = "zk_batch_verify")]
    pub task_type: &'a str,
    /// The oracle's id of the task.
    #[schema(example = "nuw_1")]
    pub task_id: &'a str,
    /// Counts reassignments, from 0.
    #[schema(example = 0)]
    pub attempt: i32,
    /// Decimal text.
    #[schema(example = "160")]
    pub credits_claimed: Option<&'a str>,
    /// Decimal text.
    #[schema(example = "7200.5")]
    pub cpu_time_seconds: Option<&'a str>,
    /// Milliseconds.
    #[schema(example = 1450)]
    pub compute_time_ms: Option<i64>,
    /// Unix seconds.
    #[schema(example = 1783073690)]
    pub assigned_at: Option<i64>,
    /// Block that the oracle names; `block_height` is the one that we found.
    #[schema(example = 18427)]
    pub claimed_height: Option<i64>,
    /// Another oracle's earlier claim of the same work counts instead of this one.
    #[schema(example = false)]
    pub duplicate_claim: bool,
    /// A code where the latest revision is odd.
    pub anomaly: Option<&'a str>,
    /// The oracle's latest revision.
    #[schema(example = 3)]
    pub revision: i64,
    /// When we took it in, Unix seconds.
    #[schema(example = 1783073731)]
    pub updated_at: i64,
    /// Validation, reward and dispute as the oracle states them.
    #[schema(value_type = Object)]
    pub detail: &'a RawValue,
    /// The latest 200 steps, oldest first.
    pub timeline: Vec<TimelineItem<'a>>,
}

/// One submission.
///
/// With its timeline, and where it comes from. Names the identity only if that is public.
#[utoipa::path(
    get, path = "/v1/pouw/submissions/{submission_id}", tag = "pouw",
    params(("submission_id" = String, Path, description = "Submission, 64 hex digits",
            max_length = 66,
            example = "1a0e3298d5dac968fd38eb5248a2e60f65d17e5754c1b3207bf61895d9a4d924")),
    responses(
        (status = 200, description = "The submission", body = SubmissionView),
        (status = 404, description = "No such submission", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_submission(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = submission_id(call.segment())?;
    cache::pass_by(&call, load_submission(&api, id)).await
}

fn submission_id(text: &str) -> Result<[u8; ID_BYTES], Problem> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let mut id = [0_u8; ID_BYTES];
    hex::decode_to_slice(digits, &mut id)
        .map_err(|_| Problem::invalid("A submission is named by 64 hex digits."))?;
    Ok(id)
}

async fn load_submission(api: &ApiState, id: [u8; ID_BYTES]) -> Result<Answer, Problem> {
    let (checkpoint, found) = find_submission(api.store().readers(), &id).await?;
    let found = found.ok_or_else(|| Problem::not_found("There is no such submission."))?;
    Answer::json(&checkpoint, Freshness::Revalidate, &view(&found)?)
}

fn view(found: &SubmissionDetail) -> Result<SubmissionView<'_>, Problem> {
    Ok(SubmissionView {
        item: SubmissionItem::new(&found.row),
        identity_id: found.identity_id.as_deref().map(Hex),
        display_name: found.display_name.as_deref(),
        task_type: &found.task_type,
        task_id: &found.task_id,
        attempt: found.attempt,
        credits_claimed: found.credits_claimed.as_deref(),
        cpu_time_seconds: found.cpu_time_seconds.as_deref(),
        compute_time_ms: found.compute_time_ms,
        assigned_at: found.assigned_at_ms.map(|ms| ms.div_euclid(1000)),
        claimed_height: found.claimed_height,
        duplicate_claim: found.duplicate_claim,
        anomaly: found.anomaly.as_deref(),
        revision: found.revision,
        updated_at: found.updated_at,
        detail: serde_json::from_str(&found.detail).map_err(Problem::internal)?,
        timeline: found.timeline.iter().map(TimelineItem::new).collect(),
    })
}
