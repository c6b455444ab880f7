//! Probes: whether an oracle answers, how fast, and whether it was started anew.

use serde_json::Value;

use crate::{Store, StoreError};

/// Counters of the small probe that only a restart sets back (contract §1.5 and §1.10). The others
/// are gauges.
const RISING_COUNTERS: [&str; 6] = [
    "verified_work_count",
    "total_users",
    "uptime_seconds",
    "total_tasks_received",
    "total_tasks_completed",
    "total_rewards_finalized",
];
/// Counters are looked for this deep.
const DEPTH_MAX: usize = 4;
const HOUR_S: i64 = 3_600;

/// What one probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe<'a> {
    /// Which oracle.
    pub oracle_id: &'a str,
    /// It answered as it should.
    pub good: bool,
    /// How long it took, in milliseconds.
    pub rtt_ms: i64,
    /// Numbers it gave; never anything that names a user.
    pub counters: Option<&'a Value>,
    /// Unix seconds.
    pub now_s: i64,
}

/// `true` where a counter that can only rise has fallen: the oracle's process is a new one.
fn has_restarted(before: &Value, now: &Value, depth: usize) -> bool {
    let (Value::Object(before), Value::Object(now)) = (before, now) else { return false };
    now.iter().any(|(name, value)| {
        let Some(old) = before.get(name) else { return false };
        match (old.as_f64(), value.as_f64()) {
            (Some(old), Some(new)) => RISING_COUNTERS.contains(&name.as_str()) && new < old,
            _ => depth > 0 && has_restarted(old, value, depth - 1),
        }
    })
}

impl Store {
    /// Adds a probe to its UTC hour.
    pub async fn put_probe(&self, probe: &Probe<'_>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let before = sqlx::query_scalar!(
            "SELECT counters FROM oracle_probe_state WHERE oracle_id = $1 FOR UPDATE",
            probe.oracle_id
        )
        .fetch_optional(&mut *tx)
        .await?;
        let restarted = match (&before, probe.counters) {
            (Some(before), Some(now)) => has_restarted(before, now, DEPTH_MAX),
            _ => false,
        };
        sqlx::query!(
            "INSERT INTO oracle_probes_hourly AS h (oracle_id, hour, probes, good, restarts, rtt_ms)
             VALUES ($1, $2, 1, $3, $4, $5)
             ON CONFLICT (oracle_id, hour) DO UPDATE SET probes = h.probes + 1,
                 good = h.good + EXCLUDED.good, restarts = h.restarts + EXCLUDED.restarts,
                 rtt_ms = h.rtt_ms + EXCLUDED.rtt_ms",
            probe.oracle_id,
            probe.now_s.div_euclid(HOUR_S),
            i64::from(probe.good),
            i64::from(restarted),
            if probe.good { probe.rtt_ms } else { 0 }
        )
        .execute(&mut *tx)
        .await?;
        if let Some(counters) = probe.counters {
            sqlx::query!(
                "INSERT INTO oracle_probe_state (oracle_id, counters, probed_at)
                 VALUES ($1, $2, $3)
                 ON CONFLICT (oracle_id) DO UPDATE SET counters = EXCLUDED.counters,
                     probed_at = EXCLUDED.probed_at",
                probe.oracle_id,
                counters,
                probe.now_s
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_fallen_counter_means_a_restart() {
        let before = json!({"stats": {"verified_work_count": 10, "active_challenges": 5}});
        let check = |now: Value| has_restarted(&before, &now, DEPTH_MAX);
        assert!(check(json!({"stats": {"verified_work_count": 9}})));
        assert!(!check(json!({"stats": {"verified_work_count": 10, "active_challenges": 0}})));
        assert!(!check(json!({"stats": {"verified_work_count": "9"}})));
        assert!(!check(json!({"stats": 3})));
        assert!(!check(json!({})));
    }
}
