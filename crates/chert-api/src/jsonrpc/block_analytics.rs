//! `get_block_analytics` (contract §8.4): what the explorer's charts show of the newest blocks. The
//! figures are those that the explorer's own local computation gives for the same blocks.

use std::collections::BTreeMap;

use chert_store::Checkpoint;
use chert_store::entities::counter::node_query::{
    Activity, ActivityRange, ActivityRow, Notable, NotableBlock, get_activity,
};
use serde::Serialize;

use super::Outcome;
use super::analytics::double;
use super::dispatch::Rpc;
use super::error::RpcError;
use super::transactions::ORIGIN;
use crate::answer::{Answer, Freshness, now_ms};
use crate::routes::text::{Count, Hex};
use crate::state::ApiState;

const RANGE_MS_DEFAULT: u64 = 3_600_000;
const BUCKET_MS_DEFAULT: u64 = 60_000;
/// Buckets of an answer; one more where the range begins inside a bucket.
const BUCKETS_MAX: i64 = 1_000;
/// Ten years.
const RANGE_MS_MAX: i64 = 10 * 366 * 86_400_000;
const LABEL_CHARS_MAX: usize = 32;
const TOP_VALIDATORS: usize = 3;
const MINUTE_MS: i64 = 60_000;
const MINUTES_PER_HOUR: i64 = 60;
const HOURS_PER_DAY: i64 = 24;

#[derive(Debug)]
struct Asked {
    range_ms: i64,
    bucket_ms: i64,
    label: String,
}

#[derive(Serialize)]
struct AnalyticsJson<'a> {
    range_ms: i64,
    bucket_ms: i64,
    requested_range_label: &'a str,
    sample_label: String,
    partial: bool,
    total_blocks: i64,
    total_transactions: i64,
    unique_validator_count: usize,
    non_empty_ratio: f64,
    avg_blocks_per_minute: f64,
    avg_transactions_per_minute: f64,
    avg_transactions_per_block: f64,
    latest_block_age_ms: Option<i64>,
    buckets: Vec<BucketJson<'a>>,
    top_validators: Vec<Maker<'a>>,
    notable_blocks: Vec<NotableJson<'a>>,
}

#[derive(Serialize)]
struct BucketJson<'a> {
    start_ms: i64,
    end_ms: i64,
    label: String,
    short_label: String,
    block_count: i64,
    tx_count: i64,
    non_empty_block_count: i64,
    finalized_block_count: i64,
    pending_block_count: i64,
    avg_tx_per_block: f64,
    avg_blocks_per_minute: f64,
    top_validators: Vec<Maker<'a>>,
    /// Never rendered, but it must be there.
    blocks: [u8; 0],
}

#[derive(Serialize)]
struct Maker<'a> {
    validator: &'a str,
    block_count: i64,
}

#[derive(Serialize)]
struct NotableJson<'a> {
    block: SummaryJson<'a>,
    label: &'static str,
    detail: String,
    tone: &'static str,
}

#[derive(Serialize)]
struct SummaryJson<'a> {
    height: i64,
    hash: Hex<'a>,
    parent_hash: Option<Hex<'a>>,
    timestamp: i64,
    transaction_count: i64,
    total_value: Count<'a>,
    status: &'static str,
    confirmation_score: f64,
    miner: &'a str,
}

/// Sums over some rows.
#[derive(Default)]
struct Sums<'a> {
    blocks: i64,
    transactions: i64,
    non_empty: i64,
    finalized: i64,
    makers: BTreeMap<&'a str, i64>,
}

impl<'a> Sums<'a> {
    fn add(&mut self, row: &'a ActivityRow) {
        self.blocks += row.blocks;
        self.transactions += row.transactions;
        self.non_empty += row.non_empty;
        self.finalized += row.finalized;
        let maker = row.validator.as_deref().filter(|text| !text.is_empty()).unwrap_or(ORIGIN);
        *self.makers.entry(maker).or_default() += row.blocks;
    }

    /// The three that made most; of equals the first by name.
    fn top(&self) -> Vec<Maker<'a>> {
        let mut makers: Vec<_> =
            self.makers.iter().map(|(name, blocks)| (*name, *blocks)).collect();
        makers.sort_by(|(name, blocks), (other, others)| {
            others.cmp(blocks).then_with(|| name.cmp(other))
        });
        makers.truncate(TOP_VALIDATORS);
        let top = makers.into_iter();
        top.map(|(validator, block_count)| Maker { validator, block_count }).collect()
    }
}

fn ratio(part: i64, whole: i64) -> f64 {
    if whole > 0 { double(part) / double(whole) } else { 0.0 }
}

/// `HH:MM` UTC.
fn clock_label(start_ms: i64) -> String {
    let minutes = start_ms.div_euclid(MINUTE_MS);
    let hours = minutes.div_euclid(MINUTES_PER_HOUR).rem_euclid(HOURS_PER_DAY);
    format!("{hours:02}:{:02}", minutes.rem_euclid(MINUTES_PER_HOUR))
}

/// Buckets from the first that counts to that of the newest block, empty ones included.
fn buckets<'a>(activity: &'a Activity, from_ms: i64, bucket_ms: i64) -> Vec<BucketJson<'a>> {
    let mut sums: BTreeMap<i64, Sums<'a>> = BTreeMap::new();
    for row in &activity.rows {
        sums.entry(row.bucket).or_default().add(row);
    }
    let (Some(earliest), Some((last, _))) =
        (activity.rows.iter().map(|row| row.first_ms).min(), sums.last_key_value())
    else {
        return Vec::new();
    };
    let first = earliest.max(from_ms).div_euclid(bucket_ms);
    let minutes = double(bucket_ms) / double(MINUTE_MS);
    let empty = Sums::default();
    let bucket = |number: i64| {
        let sums = sums.get(&number).unwrap_or(&empty);
        let start_ms = number * bucket_ms;
        BucketJson {
            start_ms,
            end_ms: start_ms + bucket_ms,
            label: clock_label(start_ms),
            short_label: clock_label(start_ms),
            block_count: sums.blocks,
            tx_count: sums.transactions,
            non_empty_block_count: sums.non_empty,
            finalized_block_count: sums.finalized,
            pending_block_count: sums.blocks - sums.finalized,
            avg_tx_per_block: ratio(sums.transactions, sums.blocks),
            avg_blocks_per_minute: double(sums.blocks) / minutes,
            top_validators: sums.top(),
            blocks: [],
        }
    };
    (first..=*last).map(bucket).collect()
}

fn notable<'a>(activity: &'a Activity, checkpoint: &Checkpoint) -> Vec<NotableJson<'a>> {
    let mut shown: Vec<&[u8]> = Vec::new();
    let mut notable = Vec::new();
    for block in &activity.notable {
        if shown.contains(&block.hash.as_slice()) {
            continue;
        }
        shown.push(&block.hash);
        let depth = checkpoint.height - block.height;
        let (label, detail, tone) = match block.reason {
            Notable::MostTransactions => {
                ("Highest throughput", format!("{} tx", block.tx_count), "cyan")
            }
            Notable::HighestValue => {
                ("Largest transferred value", format!("{} base units", block.total_amount), "green")
            }
            Notable::NewestPending => {
                ("Most recent pending block", format!("{depth} blocks deep"), "amber")
            }
            Notable::NewestFinalized => {
                ("Latest finalized block", format!("{depth} blocks deep"), "teal")
            }
        };
        notable.push(NotableJson { block: summary(block, checkpoint), label, detail, tone });
    }
    notable
}

fn summary<'a>(block: &'a NotableBlock, checkpoint: &Checkpoint) -> SummaryJson<'a> {
    let finalized = checkpoint.status(block.height) == "finalized";
    let depth = checkpoint.height - block.height;
    let score = ratio(depth, checkpoint.finality_depth).min(1.0);
    SummaryJson {
        height: block.height,
        hash: Hex(&block.hash),
        parent_hash: block.parent_hash.as_deref().map(Hex),
        timestamp: block.timestamp_ms,
        transaction_count: block.tx_count,
        total_value: Count(&block.total_amount),
        status: if finalized { "finalized" } else { "pending" },
        confirmation_score: if finalized { 1.0 } else { score },
        miner: block.validator.as_deref().filter(|text| !text.is_empty()).unwrap_or(ORIGIN),
    }
}

fn view<'a>(
    asked: &'a Asked,
    activity: &'a Activity,
    checkpoint: &Checkpoint,
    now_ms: i64,
) -> AnalyticsJson<'a> {
    let from_ms = now_ms - asked.range_ms;
    let mut all = Sums::default();
    activity.rows.iter().for_each(|row| all.add(row));
    let earliest = activity.rows.iter().map(|row| row.first_ms).min();
    let newest = activity.rows.iter().map(|row| row.last_ms).max();
    let buckets = buckets(activity, from_ms, asked.bucket_ms);
    let covered = i64::try_from(buckets.len()).unwrap_or(i64::MAX).max(1);
    let minutes = double(covered) * double(asked.bucket_ms) / double(MINUTE_MS);
    AnalyticsJson {
        range_ms: asked.range_ms,
        bucket_ms: asked.bucket_ms,
        requested_range_label: &asked.label,
        sample_label: format!("Indexed · {}", asked.label),
        partial: earliest.is_none_or(|earliest| earliest > from_ms),
        total_blocks: all.blocks,
        total_transactions: all.transactions,
        unique_validator_count: all.makers.len(),
        non_empty_ratio: ratio(all.non_empty, all.blocks),
        avg_blocks_per_minute: double(all.blocks) / minutes,
        avg_transactions_per_minute: double(all.transactions) / minutes,
        avg_transactions_per_block: ratio(all.transactions, all.blocks),
        latest_block_age_ms: newest.map(|newest| (now_ms - newest).max(0)),
        top_validators: all.top(),
        notable_blocks: notable(activity, checkpoint),
        buckets,
    }
}

fn asked(rpc: &Rpc) -> Result<Asked, RpcError> {
    let range_ms = rpc.params.whole(&["range_ms"], 0)?.unwrap_or(RANGE_MS_DEFAULT);
    let bucket_ms = rpc.params.whole(&["bucket_ms"], 1)?.unwrap_or(BUCKET_MS_DEFAULT);
    let label = rpc.params.text(&["requested_range_label"], 2)?;
    let within = |ms: u64| i64::try_from(ms).ok().filter(|ms| (1..=RANGE_MS_MAX).contains(ms));
    let (Some(range_ms), Some(bucket_ms)) = (within(range_ms), within(bucket_ms)) else {
        return Err(RpcError::params(format!(
            "range_ms and bucket_ms must be 1 to {RANGE_MS_MAX}"
        )));
    };
    if range_ms.div_euclid(bucket_ms) > BUCKETS_MAX {
        let detail = format!("range_ms may be at most {BUCKETS_MAX} times bucket_ms");
        return Err(RpcError::params(detail));
    }
    let label = label.unwrap_or_else(|| format!("{} min", range_ms / MINUTE_MS));
    Ok(Asked { range_ms, bucket_ms, label: label.chars().take(LABEL_CHARS_MAX).collect() })
}

/// `get_block_analytics`.
pub(super) async fn block_analytics(api: &ApiState, rpc: &Rpc) -> Outcome {
    let asked = asked(rpc)?;
    rpc.at_tip(api, &format!("{asked:?}"), async {
        let now_ms = now_ms();
        let range = ActivityRange {
            from_ms: now_ms - asked.range_ms,
            to_ms: now_ms,
            bucket_ms: asked.bucket_ms,
        };
        let (checkpoint, activity) = get_activity(api.store().readers(), range).await?;
        Answer::json(&checkpoint, Freshness::Tip, &view(&asked, &activity, &checkpoint, now_ms))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bucket: i64, validator: &str, blocks: i64, first_ms: i64) -> ActivityRow {
        ActivityRow {
            bucket,
            validator: Some(validator.to_owned()),
            blocks,
            transactions: blocks,
            non_empty: 1,
            finalized: 0,
            first_ms,
            last_ms: first_ms + 1,
        }
    }

    #[test]
    fn buckets_have_no_gaps_and_makers_are_ordered() {
        let rows =
            vec![row(10, "b", 2, 600_500), row(10, "a", 2, 601_000), row(13, "c", 5, 780_000)];
        let activity = Activity { rows, notable: Vec::new() };
        let buckets = buckets(&activity, 0, 60_000);
        let counts: Vec<i64> = buckets.iter().map(|bucket| bucket.block_count).collect();
        assert_eq!(counts, [4, 0, 0, 5]);
        assert!(buckets.is_sorted_by(|one, other| one.end_ms == other.start_ms));
        let names: Vec<&str> = buckets[0].top_validators.iter().map(|m| m.validator).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(buckets[0].label, "00:10");
    }
}
