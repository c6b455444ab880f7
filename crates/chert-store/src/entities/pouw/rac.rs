//! Recent average credit: credits per day with a half-life of seven days (contract §6.2, the daily
//! form).
//!
//! `RAC(D) = RAC(D−1)·w + credits(D)·(1−w)`, `w = 2^(−1/7)`, is the same as
//! `(1−w)·2^(−(D−E)/7) · Σ credits(d)·2^((d−E)/7)`. The sum does not depend on the order in which
//! work arrives and a reversed submission is simply subtracted; it is kept exact in
//! `pouw_scores.rac_weight` (the SQL function `chert_rac_weight` gives the weights, from the seven
//! roots below). Only what is shown is computed with floats, and decays with the time of reading.

use std::f64::consts::LN_2;

use silica_models::Decimal;

use super::big::Big;
use crate::StoreError;

/// E: day 0 of the sum, 2020-01-01. Nothing was credited before.
pub const RAC_EPOCH_DAY: i64 = 18_262;
/// Digits after the point of a recent average credit.
pub const RAC_SCALE: usize = 6;
const HALF_LIFE_DAYS: i64 = 7;
/// 2^(j/7) in units of 10^-20, rounded once.
const ROOTS: [u128; 7] = [
    100_000_000_000_000_000_000,
    110_408_951_367_381_233_765,
    121_901_365_420_447_544_091,
    134_590_019_263_235_613_194,
    148_599_428_913_694_842_480,
    164_067_071_201_527_586_234,
    181_144_732_852_781_334_319,
];
const ROOT_SCALE: usize = 20;
const CREDIT_SCALE: usize = 18;
const DAY_S: i64 = 86_400;

/// What a credit of `day` weighs, in units of 10^-20.
fn weight(day: i64) -> Big {
    let age = u64::try_from(day - RAC_EPOCH_DAY).unwrap_or(0);
    let weeks = u32::try_from(age / HALF_LIFE_DAYS.unsigned_abs()).unwrap_or(u32::MAX);
    let root = usize::try_from(age % HALF_LIFE_DAYS.unsigned_abs()).unwrap_or(0);
    let root = ROOTS.get(root).copied().unwrap_or_default();
    Big::from_u128(root).times(&Big::pow2(weeks))
}

/// Reads recent average credits as of one moment; made once for many subjects.
#[derive(Debug, Clone)]
pub struct RacClock {
    today: i64,
    weight_today: Big,
    weight_yesterday: Big,
    decay: f64,
    share_of_today: f64,
}

impl RacClock {
    /// For the moment `now_s`, Unix seconds.
    pub fn new(now_s: i64) -> Self {
        let today = now_s.div_euclid(DAY_S).clamp(RAC_EPOCH_DAY + 1, i64::from(u16::MAX));
        let second = i32::try_from(now_s.rem_euclid(DAY_S)).unwrap_or_default();
        let days = f64::from(second) / 86_400.0 / 7.0;
        let decay = (-days).exp2();
        // (1 − 2^(−f/7))/f, whose limit at midnight is ln 2 / 7.
        let share_of_today =
            if second == 0 { LN_2 / 7.0 } else { -(-days * LN_2).exp_m1() / (days * 7.0) };
        let (weight_today, weight_yesterday) = (weight(today), weight(today - 1));
        Self { today, weight_today, weight_yesterday, decay, share_of_today }
    }

    /// The running UTC day, Unix seconds / 86400: what was credited since its start is to be
    /// given as `credits_today`.
    pub fn today(&self) -> i64 {
        self.today
    }

    /// The recent average credit, in credits per day with [`RAC_SCALE`] digits after the point.
    ///
    /// `rac_weight` is the column's text, `credits_today` the credits of the running day.
    pub fn credits(&self, rac_weight: &str, credits_today: &str) -> Result<Decimal, StoreError> {
        let corrupt =
            |what: &str, text: &str| StoreError::Corrupt(format!("{what} is not a number: {text}"));
        let sum = Big::parse(rac_weight, CREDIT_SCALE + ROOT_SCALE)
            .ok_or_else(|| corrupt("rac_weight", rac_weight))?;
        let today = Big::parse(credits_today, CREDIT_SCALE)
            .ok_or_else(|| corrupt("credits", credits_today))?;
        let before = match today.is_zero() {
            // As of most contributors, and a product and a difference take longer than the rest.
            true => sum,
            // Less than today's part: the two figures are not of one snapshot.
            false => {
                sum.minus(&today.times(&self.weight_today)).unwrap_or_else(|| Big::from_u128(0))
            }
        };
        let atto = 1e18;
        let yesterday =
            before.ratio(&self.weight_yesterday) / atto * -(-1.0_f64 / 7.0 * LN_2).exp_m1();
        let today = today.ratio(&Big::from_u128(1)) / atto;
        let now = yesterday * self.decay + today * self.share_of_today;
        Ok(Decimal::parse(&format!("{now:.RAC_SCALE$}"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 20_000;

    /// The sum as the database keeps it, here in units of 10^-38.
    fn sum(days: impl Iterator<Item = i64>, credits: u128) -> String {
        let atto = Big::from_u128(credits * 10_u128.pow(18));
        let total = days.fold(Big::from_u128(0), |sum, day| sum.plus(&atto.times(&weight(day))));
        let digits = format!("{:0>39}", total.to_string());
        let (integer, fraction) = digits.split_at(digits.len() - 38);
        format!("{integer}.{fraction}")
    }

    fn shown(now_s: i64, rac_weight: &str, credits_today: &str) -> f64 {
        let credits = RacClock::new(now_s).credits(rac_weight, credits_today).expect("valid");
        credits.to_string().parse().expect("a number")
    }

    fn check(seen: f64, expected: f64) {
        assert!((seen - expected).abs() < 0.005, "{seen} is not {expected}");
    }

    /// Contract §6.2: 100 a day for 60 days.
    #[test]
    fn values_of_the_contract() {
        let sixty = sum(START..START + 60, 100);
        let end = (START + 60) * DAY_S;
        check(shown(end, &sixty, "0"), 99.74);
        // The last second of the last day is nearly the same moment.
        check(shown(end - 1, &sixty, "100"), 99.74);
        check(shown(end + 7 * DAY_S, &sixty, "0"), 49.87);
        let half = sum((START..START + 60).chain([START + 60]), 50);
        let sixty_and_half = Big::parse(&sum(START..START + 60, 50), 38)
            .zip(Big::parse(&half, 38))
            .map(|(a, b)| a.plus(&b))
            .expect("valid");
        let digits = sixty_and_half.to_string();
        let (integer, fraction) = digits.split_at(digits.len() - 38);
        check(shown(end + DAY_S / 2, &format!("{integer}.{fraction}"), "50"), 99.75);
    }

    #[test]
    fn equals_the_daily_recurrence() {
        let w = (-1.0_f64 / 7.0).exp2();
        let (mut average, mut total) = (0.0, Big::from_u128(0));
        for day in 0..200_i64 {
            let credits = u128::try_from((day * 7_919) % 500).expect("positive");
            let atto = Big::from_u128(credits * 10_u128.pow(18));
            total = total.plus(&atto.times(&weight(START + day)));
            let credits = f64::from(u16::try_from(credits).expect("small"));
            average = average * w + credits * (1.0 - w);
        }
        let digits = total.to_string();
        let (integer, fraction) = digits.split_at(digits.len() - 38);
        let seen = shown((START + 200) * DAY_S, &format!("{integer}.{fraction}"), "0");
        assert!((seen - average).abs() < 1e-6, "{seen} is not {average}");
    }

    #[test]
    fn nothing_is_nothing_and_damage_is_an_error() {
        let clock = RacClock::new(START * DAY_S + 5);
        assert_eq!(clock.credits("0", "0").map(|c| c.to_string()).ok().as_deref(), Some("0"));
        assert!(clock.credits("NaN", "0").is_err());
        assert!(clock.credits("0", "-1").is_err());
        assert_eq!(clock.today(), START);
    }

    #[tokio::test]
    async fn the_database_weighs_alike() {
        let database = chert_testkit::TestDatabase::create().await;
        let store = crate::Store::connect_lazy(&crate::PoolSettings::new(&database.url));
        let store = store.expect("a valid URL");
        let days: Vec<i64> = (RAC_EPOCH_DAY - 1..RAC_EPOCH_DAY + 29_000).step_by(13).collect();
        let sql = "SELECT chert_rac_weight(day)::text FROM UNNEST($1::bigint[]) AS t(day)";
        let seen: Vec<String> =
            sqlx::query_scalar(sql).bind(&days).fetch_all(store.pool()).await.expect("read");
        for (day, text) in days.into_iter().zip(seen) {
            let expected = if day < RAC_EPOCH_DAY { Big::from_u128(0) } else { weight(day) };
            assert_eq!(Big::parse(&text, ROOT_SCALE), Some(expected), "day {day}");
        }
        store.pool().close().await;
        database.close().await.expect("closed");
    }
}
