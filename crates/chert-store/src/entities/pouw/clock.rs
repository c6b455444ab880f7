//! The hour with which all trailing windows end, and its movement.
//!
//! A window of n hours holds the hours `(clock − n, clock]`. When the clock moves, hours enter and
//! leave each window; both come from `pouw_hourly`, in one statement for any distance.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::feeds::{Feed, lock_feed};
use crate::{Store, StoreError};

/// Lengths of the windows, in hours; the columns of `pouw_scores` are named after them.
pub const WINDOWS_HOURS: [i64; 6] = [24, 48, 168, 192, 720, 744];
const HOUR_S: i64 = 3_600;

/// For each hour that enters or leaves some window when the clock moves from `old` to `new`: +1,
/// 0 or −1 for each window.
fn moves(old: i64, new: i64) -> Vec<(i64, [i16; 6])> {
    let inside = |clock: i64, hour: i64, length: i64| hour > clock - length && hour <= clock;
    let longest = WINDOWS_HOURS.iter().copied().max().unwrap_or(0);
    let hours: BTreeSet<i64> = (old - longest + 1..=old).chain(new - longest + 1..=new).collect();
    hours
        .into_iter()
        .map(|hour| {
            let step = WINDOWS_HOURS.map(|length| {
                i16::from(inside(new, hour, length)) - i16::from(inside(old, hour, length))
            });
            (hour, step)
        })
        .filter(|(_, step)| step.iter().any(|s| *s != 0))
        .collect()
}

/// Holds the clock shared until the transaction ends, so that windows do not move meanwhile.
/// Locked after `feeds('work')`.
pub(crate) async fn hold_clock(db: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT hour FROM pouw_clock FOR SHARE").fetch_one(db).await?;
    Ok(())
}

impl Store {
    /// The hour with which the windows end: Unix seconds / 3600; 0 before the first roll.
    pub async fn pouw_clock(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!("SELECT hour FROM pouw_clock").fetch_one(self.pool()).await?)
    }

    /// Moves the trailing windows to the hour of `now_s` (Unix seconds); `false` where they are
    /// there already or beyond, because they never move back.
    pub async fn roll_pouw_clock(&self, now_s: i64) -> Result<bool, StoreError> {
        let new = now_s.div_euclid(HOUR_S);
        if self.pouw_clock().await? >= new {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        lock_feed(&mut tx, Feed::Work).await?;
        let old = sqlx::query_scalar!("SELECT hour FROM pouw_clock FOR UPDATE")
            .fetch_one(&mut *tx)
            .await?;
        if old >= new {
            return Ok(false);
        }
        move_windows(&mut tx, &moves(old, new)).await?;
        sqlx::query!("UPDATE pouw_clock SET hour = $1", new).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn move_windows(db: &mut PgConnection, moves: &[(i64, [i16; 6])]) -> Result<(), StoreError> {
    let hours: Vec<i64> = moves.iter().map(|(hour, _)| *hour).collect();
    let step = |window: usize| -> Vec<i16> {
        moves.iter().map(|(_, step)| step.get(window).copied().unwrap_or(0)).collect()
    };
    sqlx::query!(
        "UPDATE pouw_scores s SET
             tasks_24 = s.tasks_24 + d.tasks_24, credits_24 = s.credits_24 + d.credits_24,
             rewards_24 = s.rewards_24 + d.rewards_24,
             tasks_48 = s.tasks_48 + d.tasks_48, credits_48 = s.credits_48 + d.credits_48,
             rewards_48 = s.rewards_48 + d.rewards_48,
             tasks_168 = s.tasks_168 + d.tasks_168, credits_168 = s.credits_168 + d.credits_168,
             rewards_168 = s.rewards_168 + d.rewards_168,
             tasks_192 = s.tasks_192 + d.tasks_192, credits_192 = s.credits_192 + d.credits_192,
             rewards_192 = s.rewards_192 + d.rewards_192,
             tasks_720 = s.tasks_720 + d.tasks_720, credits_720 = s.credits_720 + d.credits_720,
             rewards_720 = s.rewards_720 + d.rewards_720,
             tasks_744 = s.tasks_744 + d.tasks_744, credits_744 = s.credits_744 + d.credits_744,
             rewards_744 = s.rewards_744 + d.rewards_744
         FROM (
             SELECT x.scope, h.work_kind, x.subject,
                    sum(h.tasks * s24)::bigint AS tasks_24, sum(h.credits * s24) AS credits_24,
                    sum(h.rewards * s24) AS rewards_24,
                    sum(h.tasks * s48)::bigint AS tasks_48, sum(h.credits * s48) AS credits_48,
                    sum(h.rewards * s48) AS rewards_48,
                    sum(h.tasks * s168)::bigint AS tasks_168, sum(h.credits * s168) AS credits_168,
                    sum(h.rewards * s168) AS rewards_168,
                    sum(h.tasks * s192)::bigint AS tasks_192, sum(h.credits * s192) AS credits_192,
                    sum(h.rewards * s192) AS rewards_192,
                    sum(h.tasks * s720)::bigint AS tasks_720, sum(h.credits * s720) AS credits_720,
                    sum(h.rewards * s720) AS rewards_720,
                    sum(h.tasks * s744)::bigint AS tasks_744, sum(h.credits * s744) AS credits_744,
                    sum(h.rewards * s744) AS rewards_744
             FROM UNNEST($1::bigint[], $2::smallint[], $3::smallint[], $4::smallint[],
                         $5::smallint[], $6::smallint[], $7::smallint[])
                 AS t(hour, s24, s48, s168, s192, s720, s744)
             JOIN pouw_hourly h USING (hour)
             CROSS JOIN LATERAL (VALUES (0::smallint, uuid_send(h.account_key)),
                                        (1::smallint, h.identity_id)) AS x(scope, subject)
             WHERE x.subject <> ''
             GROUP BY x.scope, h.work_kind, x.subject) d
         WHERE s.scope = d.scope AND s.work_kind = d.work_kind AND s.subject = d.subject",
        &hours,
        &step(0),
        &step(1),
        &step(2),
        &step(3),
        &step(4),
        &step(5)
    )
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_from_one_window_to_the_other() {
        for (old, new) in [(0, 500_000), (1_000, 1_001), (1_000, 1_030), (1_000, 1_900)] {
            let moves = moves(old, new);
            for hour in (old - 800..=old + 1).chain(new - 800..=new + 1) {
                let step = moves.iter().find(|(h, _)| *h == hour).map_or([0; 6], |(_, s)| *s);
                for (length, step) in WINDOWS_HOURS.into_iter().zip(step) {
                    let before = i16::from(hour > old - length && hour <= old);
                    let after = i16::from(hour > new - length && hour <= new);
                    assert_eq!(before + step, after, "{old} to {new}, hour {hour}, {length}");
                }
            }
        }
        assert_eq!(moves(1_000, 1_001).len(), 7);
    }
}
