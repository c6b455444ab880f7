//! What an oracle says of its own performance.

use serde_json::{Map, Value};

use crate::FormatError;
use crate::fields::{Fields, json_of};
use crate::text::strip_nul;

/// Most projects of a report that are kept.
const PROJECTS_MAX: usize = 256;
const PROJECT_CHARS_MAX: usize = 128;
/// Integers of a report.
const COUNTERS: [&str; 17] = [
    "tasks_received",
    "tasks_completed",
    "tasks_failed",
    "submissions_validated",
    "submissions_rejected",
    "submissions_timed_out",
    "queue_depth",
    "active_tasks",
    "active_miners",
    "validation_ms_p50",
    "validation_ms_p95",
    "consensus_reached",
    "consensus_failed",
    "disputes_opened",
    "saturation",
    "uptime_seconds",
    "contract_version",
];
const PROJECT_COUNTERS: [&str; 3] = ["assigned", "completed", "failed"];

/// One `performance` record: an oracle's own figures of a closed window.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRecord {
    /// Unix seconds.
    pub window_start: i64,
    /// Unix seconds, after the start.
    pub window_end: i64,
    /// The known figures; nothing else is kept.
    pub body: Value,
}

impl ReportRecord {
    /// Reads a `performance` record.
    pub fn parse(raw: &str) -> Result<Self, FormatError> {
        let mut value = json_of("performance record", raw)?;
        strip_nul(&mut value);
        let fields = Fields::of("performance record", &value)?;
        let second = |name: &'static str| -> Result<i64, FormatError> {
            fields.seconds(name, &[name])?.ok_or_else(|| FormatError::new(name, "is missing"))
        };
        let (window_start, window_end) = (second("window_start")?, second("window_end")?);
        if window_end <= window_start {
            return Err(FormatError::new("window_end", "must be after window_start"));
        }
        let mut body = integers(&value, &COUNTERS);
        if let Some(Value::Array(items)) = fields.get(&["projects"]) {
            let projects = items.iter().take(PROJECTS_MAX).filter_map(project).collect();
            body.insert("projects".to_owned(), Value::Array(projects));
        }
        Ok(Self { window_start, window_end, body: Value::Object(body) })
    }
}

fn integers(value: &Value, names: &[&str]) -> Map<String, Value> {
    let member = |name: &&str| {
        let number = value.get(*name).filter(|v| v.is_u64())?;
        Some(((*name).to_owned(), number.clone()))
    };
    names.iter().filter_map(member).collect()
}

fn project(value: &Value) -> Option<Value> {
    let name: String =
        value.get("project_name")?.as_str()?.chars().take(PROJECT_CHARS_MAX).collect();
    let mut kept = integers(value, &PROJECT_COUNTERS);
    kept.insert("project_name".to_owned(), name.into());
    if let Some(enabled) = value.get("enabled").filter(|v| v.is_boolean()) {
        kept.insert("enabled".to_owned(), enabled.clone());
    }
    Some(Value::Object(kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_figures_are_kept_and_windows_checked() {
        let report = json!({"window_start": "2026-02-23T12:00:00Z", "uptime_seconds": 3600,
            "window_end": "2026-02-23T13:00:00Z", "cache_stats": {"key": 1}, "queue_depth": -1,
            "projects": [{"project_name": "P", "enabled": true, "failed": 2, "user": "x"}, 7]});
        let parsed = ReportRecord::parse(&report.to_string()).expect("valid");
        assert_eq!(parsed.window_end - parsed.window_start, 3600);
        assert_eq!(
            parsed.body,
            json!({"uptime_seconds": 3600,
                "projects": [{"project_name": "P", "enabled": true, "failed": 2}]})
        );
        assert!(ReportRecord::parse(r#"{"window_start":5,"window_end":5}"#).is_err());
    }
}
