//! How oracles perform (contract §4.6), computed in the background from the hourly rollups.
//!
//! A figure without a sample is absent and never zero: an oracle that decided nothing has no
//! acceptance rate, and one that was never probed no availability.

use serde::{Deserialize, Serialize};

use crate::read::timed;
use crate::{Store, StoreError};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// Growth of the buckets of `oracle_latency_hourly`.
const BUCKET_GROWTH: f64 = 1.02;
/// Figures over many decisions change slowly and cost more: one second of pause per so many,
const DECISIONS_PER_PAUSE_S: i64 = 1_000;
/// at most this.
const PAUSE_S_MAX: i64 = 600;
/// Open submissions that are counted at most.
const BACKLOG_ROWS_MAX: i64 = 1_000_000;
/// Oracles that are refreshed at most; configurations name a handful.
const ORACLES_MAX: i64 = 1_000;

/// The stretch of time that figures are of: whole UTC hours, the running one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// Since the first decision.
    All,
}

impl Window {
    /// Every window.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::All];

    /// Name in the table and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::All => "all",
        }
    }

    fn hours(self) -> Option<i64> {
        match self {
            Self::Day => Some(24),
            Self::Week => Some(168),
            Self::Month => Some(720),
            Self::All => None,
        }
    }
}

/// Figures of an oracle in a window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Decided submissions.
    pub sample_size: i64,
    /// Of them validated,
    pub validated: i64,
    /// rejected,
    pub rejected: i64,
    /// and out of time.
    pub timed_out: i64,
    /// Validated of all decided, to four decimals.
    pub acceptance_rate: Option<f64>,
    /// Milliseconds from submission to decision, to 2 %.
    pub validation_ms: Percentiles,
    /// Decided per hour, to four decimals.
    pub throughput_per_hour: Option<f64>,
    /// Accounts with a decided submission, by UTC days that the window touches.
    pub distinct_miners: Option<i64>,
    /// Decimal text.
    pub credits_granted: Option<String>,
    /// Base units, decimal text.
    pub rewards: Option<String>,
    /// Submitted and not decided, now.
    pub backlog: i64,
    /// Age of the oldest of them.
    pub oldest_open_age_s: Option<i64>,
    /// Successful of all probes, to four decimals.
    pub availability: Option<f64>,
    /// Restarts that probes noticed.
    pub restarts: Option<i64>,
    /// Items of its feed that have not been taken in.
    pub feed_lag_items: Option<i64>,
    /// Unix seconds when the last item was taken in.
    pub last_item_at: Option<i64>,
    /// Of everything its feeds ever gave; absent without a feed.
    pub integrity: Option<Integrity>,
}

/// Percentiles of a latency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half took no longer.
    pub p50: Option<i64>,
    /// 95 % took no longer.
    pub p95: Option<i64>,
    /// 99 % took no longer.
    pub p99: Option<i64>,
}

/// Items of feeds by how trustworthy they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrity {
    /// With a good signature.
    pub verified: i64,
    /// Without one.
    pub unsigned: i64,
    /// With a bad one.
    pub invalid: i64,
    /// Stretches that had expired before they could be read.
    pub gaps: i64,
    /// Items that could not be understood.
    pub quarantined: i64,
}

/// `part / whole` to four decimals; `None` of nothing.
fn ratio(part: i64, whole: i64) -> Option<f64> {
    if whole <= 0 {
        return None;
    }
    let scaled = (i128::from(part) * 10_000 + i128::from(whole) / 2) / i128::from(whole);
    let scaled = i32::try_from(scaled).ok().map(f64::from);
    // Above what 32 bits hold, four decimals are noise.
    #[expect(clippy::cast_precision_loss, reason = "a rate, rounded anyway")]
    let rounded = scaled.map_or_else(|| (part / whole) as f64, |scaled| scaled / 10_000.0);
    Some(rounded)
}

impl Percentiles {
    /// From a histogram, lowest bucket first: the middle of the bucket that holds the percentile.
    fn of(histogram: &[(i16, i64)]) -> Self {
        let total: i64 = histogram.iter().map(|(_, count)| count).sum();
        let at = |hundredths: i64| {
            if total <= 0 {
                return None;
            }
            let nth =
                (total * hundredths).div_euclid(100) + i64::from(total * hundredths % 100 > 0);
            let mut seen = 0;
            let found = histogram.iter().find(|(_, count)| {
                seen += count;
                seen >= nth
            });
            found.map(|(bucket, _)| middle_ms(*bucket))
        };
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

fn middle_ms(bucket: i16) -> i64 {
    let middle = BUCKET_GROWTH.powf(f64::from(bucket) + 0.5) - 1.0;
    #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer")]
    let ms = middle.round() as i64;
    ms
}

impl Store {
    /// Computes the figures of every oracle and window that are due; gives how many were.
    pub async fn refresh_oracle_performance(&self, now_s: i64) -> Result<u32, StoreError> {
        let known = sqlx::query!(
            r#"SELECT o.oracle_id, w.name AS "window!", p.computed_at AS "computed_at?",
                      (p.body->>'sample_size')::bigint AS sample_size
               FROM (SELECT oracle_id FROM oracles ORDER BY oracle_id LIMIT $1) o
               CROSS JOIN UNNEST($2::text[]) w(name)
               LEFT JOIN oracle_performance p ON p.oracle_id = o.oracle_id AND p."window" = w.name
               ORDER BY o.oracle_id, w.name"#,
            ORACLES_MAX,
            &Window::ALL.map(|w| w.as_str().to_owned())
        )
        .fetch_all(self.pool())
        .await?;
        let mut refreshed = 0;
        for row in known {
            let due = is_due(row.computed_at, row.sample_size.unwrap_or(0), now_s);
            let window = Window::ALL.into_iter().find(|w| w.as_str() == row.window);
            if let Some(window) = window.filter(|_| due) {
                let figures = timed!(
                    "compute_performance",
                    self.compute_performance(&row.oracle_id, window, now_s)
                );
                let figures = figures.await?;
                self.put_performance(&row.oracle_id, window, &figures, now_s).await?;
                refreshed += 1;
            }
        }
        Ok(refreshed)
    }

    async fn compute_performance(
        &self,
        oracle_id: &str,
        window: Window,
        now_s: i64,
    ) -> Result<Performance, StoreError> {
        let hour = now_s.div_euclid(HOUR_S);
        // Hours after this one are in the window.
        let after = window.hours().map_or(i64::MIN, |hours| hour - hours);
        let day_first = window.hours().map_or(i64::MIN, |_| (after + 1) * HOUR_S / DAY_S);
        let sums = sqlx::query!(
            r#"SELECT COALESCE(sum(validated), 0)::bigint AS "validated!",
                      COALESCE(sum(rejected), 0)::bigint AS "rejected!",
                      COALESCE(sum(timed_out), 0)::bigint AS "timed_out!",
                      trim_scale(sum(credits))::text AS credits,
                      trim_scale(sum(rewards))::text AS rewards,
                      min(hour) AS first_hour,
                      (SELECT count(DISTINCT account_key) FROM pouw_daily
                       WHERE oracle_id = $1 AND day >= $4) AS "miners!"
               FROM oracle_hourly WHERE oracle_id = $1 AND hour > $2 AND hour <= $3"#,
            oracle_id,
            after,
            hour,
            day_first
        )
        .fetch_one(self.pool())
        .await?;
        let histogram = sqlx::query!(
            r#"SELECT bucket, sum(decided)::bigint AS "decided!" FROM oracle_latency_hourly
               WHERE oracle_id = $1 AND hour > $2 AND hour <= $3 GROUP BY bucket ORDER BY bucket"#,
            oracle_id,
            after,
            hour
        )
        .fetch_all(self.pool())
        .await?;
        let histogram: Vec<(i16, i64)> =
            histogram.into_iter().map(|r| (r.bucket, r.decided)).collect();
        let decided = sums.validated + sums.rejected + sums.timed_out;
        let hours = window.hours().or(sums.first_hour.map(|first| hour - first + 1));
        let figures = Performance {
            sample_size: decided,
            validated: sums.validated,
            rejected: sums.rejected,
            timed_out: sums.timed_out,
            acceptance_rate: ratio(sums.validated, decided),
            validation_ms: Percentiles::of(&histogram),
            throughput_per_hour: hours.filter(|_| decided > 0).and_then(|h| ratio(decided, h)),
            distinct_miners: (decided > 0).then_some(sums.miners),
            credits_granted: sums.credits.filter(|_| decided > 0),
            rewards: sums.rewards.filter(|_| decided > 0),
            ..Performance::default()
        };
        self.add_condition(oracle_id, (after, hour), now_s, figures).await
    }

    /// Adds what is true now, and what probes of the hours after the first up to the second found.
    async fn add_condition(
        &self,
        oracle_id: &str,
        hours: (i64, i64),
        now_s: i64,
        figures: Performance,
    ) -> Result<Performance, StoreError> {
        let now = sqlx::query!(
            r#"SELECT p.probes AS "probes!", p.good AS "good!", p.restarts AS "restarts!",
                      b.backlog AS "backlog!", b.oldest_ms, f.feeds AS "feeds!",
                      f.verified AS "verified!", f.unsigned AS "unsigned!",
                      f.invalid AS "invalid!", f.quarantined AS "quarantined!", f.last_item_at,
                      (SELECT GREATEST(head_seq - cursor_seq, 0) FROM oracle_feeds
                       WHERE oracle_id = $1 ORDER BY feed_epoch DESC LIMIT 1) AS lag_items,
                      (SELECT count(*) FROM oracle_feed_gaps WHERE oracle_id = $1) AS "gaps!"
               FROM (SELECT COALESCE(sum(probes), 0)::bigint AS probes,
                            COALESCE(sum(good), 0)::bigint AS good,
                            COALESCE(sum(restarts), 0)::bigint AS restarts
                     FROM oracle_probes_hourly
                     WHERE oracle_id = $1 AND hour > $2 AND hour <= $3) p,
                    (SELECT count(*) AS backlog, min(submitted_at) AS oldest_ms
                     FROM (SELECT submitted_at FROM work_submissions
                           WHERE oracle_id = $1 AND status = 1
                           ORDER BY submitted_at LIMIT $4) o) b,
                    (SELECT count(*) AS feeds, COALESCE(sum(verified), 0)::bigint AS verified,
                            COALESCE(sum(unsigned), 0)::bigint AS unsigned,
                            COALESCE(sum(invalid), 0)::bigint AS invalid,
                            COALESCE(sum(quarantined), 0)::bigint AS quarantined,
                            max(last_item_at) AS last_item_at
                     FROM oracle_feeds WHERE oracle_id = $1) f"#,
            oracle_id,
            hours.0,
            hours.1,
            BACKLOG_ROWS_MAX
        )
        .fetch_one(self.pool())
        .await?;
        Ok(Performance {
            backlog: now.backlog,
            oldest_open_age_s: now.oldest_ms.map(|ms| (now_s - ms.div_euclid(1000)).max(0)),
            availability: ratio(now.good, now.probes),
            restarts: (now.probes > 0).then_some(now.restarts),
            feed_lag_items: now.lag_items,
            last_item_at: now.last_item_at,
            integrity: (now.feeds > 0).then_some(Integrity {
                verified: now.verified,
                unsigned: now.unsigned,
                invalid: now.invalid,
                gaps: now.gaps,
                quarantined: now.quarantined,
            }),
            ..figures
        })
    }

    async fn put_performance(
        &self,
        oracle_id: &str,
        window: Window,
        figures: &Performance,
        now_s: i64,
    ) -> Result<(), StoreError> {
        let body = serde_json::to_value(figures)
            .map_err(|e| StoreError::Batch(format!("oracle_performance.body: {e}")))?;
        sqlx::query!(
            r#"INSERT INTO oracle_performance (oracle_id, "window", computed_at, body)
               VALUES ($1, $2, $3, $4)
               ON CONFLICT (oracle_id, "window")
               DO UPDATE SET computed_at = EXCLUDED.computed_at, body = EXCLUDED.body"#,
            oracle_id,
            window.as_str(),
            now_s,
            body
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

/// Whether figures of so many decisions are to be computed again.
fn is_due(computed_at: Option<i64>, sample_size: i64, now_s: i64) -> bool {
    let pause_s = (sample_size / DECISIONS_PER_PAUSE_S).clamp(0, PAUSE_S_MAX);
    // A clock that was set back must not stop the figures.
    computed_at.is_none_or(|at| !(0..pause_s).contains(&(now_s - at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_four_decimals_and_need_a_sample() {
        assert_eq!(ratio(0, 0), None);
        assert_eq!(ratio(0, 3), Some(0.0));
        assert_eq!(ratio(2, 3), Some(0.6667));
        assert_eq!(ratio(i64::MAX, 1).map(|r| r > 9e18), Some(true));
    }

    #[test]
    fn percentiles_are_exact_to_their_bucket() {
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
        // Bucket of a latency, as the view work_contributions places it.
        let bucket = |ms: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "a bucket is small")]
            let bucket = ((1.0 + ms).ln() / BUCKET_GROWTH.ln()).floor() as i16;
            bucket
        };
        let histogram = [(bucket(100.0), 50), (bucket(2_000.0), 45), (bucket(60_000.0), 5)];
        let found = Percentiles::of(&histogram);
        for (ms, expected) in [(found.p50, 100), (found.p95, 2_000), (found.p99, 60_000)] {
            let off = ms.map_or(i64::MAX, |ms| (ms - expected).abs());
            assert!(off * 100 <= expected * 2, "{ms:?} for {expected}");
        }
        assert_eq!(middle_ms(0), 0);
    }

    #[test]
    fn much_data_is_looked_at_less_often() {
        assert!(is_due(None, 0, 0) && is_due(Some(100), 0, 100));
        assert!(!is_due(Some(100), 5_000, 104) && is_due(Some(100), 5_000, 105));
        assert!(is_due(Some(100), i64::MAX, 700) && is_due(Some(200), 5_000, 100));
    }
}
