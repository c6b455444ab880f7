//! The figures of the small probe (contract §4.1): named numbers and nothing else. What upstream
//! answers may be keyed by users' credentials, so nothing is taken over by the name it came with.

use serde_json::{Map, Value};

/// The answers of an oracle's counters, as far as there were any.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) ready: Option<Value>,
    pub(super) stats: Option<Value>,
    pub(super) projects: Option<Value>,
    pub(super) demand: Option<Value>,
}

/// Numbers of `/oracle/stats` that only grow while an oracle runs.
const GROWING: [&str; 2] = ["verified_work_count", "total_users"];
const STATS: [&str; 2] = ["active_challenges", "known_projects"];
const READY: [&str; 3] = ["oracle_ready", "aggregator_ready", "project_manager_ready"];
const CLASSES: [&str; 4] = ["p0", "p1", "p2", "special"];
/// Projects that are counted.
const PROJECTS_MAX: usize = 10_000;

/// Counters (growing) and gauges of the answers, as objects of integers.
pub(super) fn reading_of(readings: &Readings) -> (Value, Value) {
    let (mut counters, mut gauges) = (Map::new(), Map::new());
    if let Some(stats) = &readings.stats {
        copy(stats, &GROWING, &mut counters);
        copy(stats, &STATS, &mut gauges);
    }
    for name in READY {
        let ready = readings.ready.as_ref().and_then(|r| r.get(name)).and_then(Value::as_bool);
        gauges.extend(ready.map(|ready| (name.to_owned(), u64::from(ready).into())));
    }
    let projects = readings.projects.as_ref().and_then(|p| p.get("projects"));
    if let Some(Value::Array(projects)) = projects {
        let listed = projects.iter().take(PROJECTS_MAX);
        let enabled = |p: &&Value| p.get("enabled").and_then(Value::as_bool).unwrap_or(false);
        gauges.insert("projects_enabled".to_owned(), listed.clone().filter(enabled).count().into());
        gauges.insert("projects".to_owned(), listed.count().into());
    }
    if let Some(demand) = &readings.demand {
        copy(demand, &["saturation"], &mut gauges);
        for class in CLASSES {
            let depth = demand.get("current").and_then(|c| c.get(class)?.get("depth"));
            let depth = depth.filter(|d| d.is_u64());
            gauges.extend(depth.map(|depth| (format!("queue_{class}"), depth.clone())));
        }
    }
    (Value::Object(counters), Value::Object(gauges))
}

fn copy(from: &Value, names: &[&str], to: &mut Map<String, Value>) {
    for name in names {
        if let Some(number) = from.get(*name).filter(|v| v.is_u64()) {
            to.insert((*name).to_owned(), number.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_integers_only() {
        let readings = Readings {
            ready: Some(json!({"status": "healthy", "oracle_ready": true, "timestamp": "x"})),
            stats: Some(json!({"verified_work_count": 7, "active_challenges": 1.5,
                "known_projects": 3, "cache_stats": {"key": 1}, "uptime_seconds": 0})),
            projects: Some(json!({"projects": [{"name": "P", "enabled": true}, {}], "total": 2})),
            demand: Some(json!({"saturation": 4, "current": {"p0": {"depth": 9}, "p1": 7}})),
        };
        let (counters, gauges) = reading_of(&readings);
        assert_eq!(counters, json!({"verified_work_count": 7}));
        assert_eq!(
            gauges,
            json!({"known_projects": 3, "oracle_ready": 1, "projects": 2, "projects_enabled": 1,
                "saturation": 4, "queue_p0": 9})
        );
        assert_eq!(reading_of(&Readings::default()), (json!({}), json!({})));
    }
}
