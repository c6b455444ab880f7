//! What oracles serve today (oracle contract §1.5 to §1.7): counters of the moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Site;
use crate::miner::now_ms;
use crate::oracle::record::rfc3339;

pub(super) async fn get_health() -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "oracle_ready": true,
        "aggregator_ready": true,
        "project_manager_ready": true,
        "timestamp": rfc3339(now_ms()),
    }))
}

pub(super) async fn get_stats(State(site): State<Arc<Site>>) -> Json<Value> {
    let (known, open) = site.oracle.counts();
    Json(json!({
        "verified_work_count": known - open,
        "active_challenges": open,
        "total_users": site.oracle.0.source.accounts.len(),
        "known_projects": 2,
        // Upstream answers a constant zero.
        "uptime_seconds": 0,
    }))
}

pub(super) async fn get_projects() -> Json<Value> {
    let project = |name: &str, host: &str, multiplier: f64| {
        json!({
            "name": name,
            "api_endpoint": format!("https://{host}.example/api"),
            "credit_multiplier": multiplier,
            "min_cpu_time": 1800.0,
            "enabled": true,
        })
    };
    Json(json!({
        "projects": [project("MilkyWay@Home", "milkyway", 1.0), project("Rosetta@home", "rosetta", 1.2)],
        "total": 2,
    }))
}

pub(super) async fn get_demand(State(site): State<Arc<Site>>) -> Json<Value> {
    let (known, open) = site.oracle.counts();
    let bucket = |depth: u64| json!({ "depth": depth, "rate_in": 1.5, "rate_out": 1.25, "avg_wait_ms": 420.0 });
    Json(json!({
        "current": {
            "p0": bucket(0), "p1": bucket(open / 2), "p2": bucket(open - open / 2),
            "special": bucket(0),
        },
        "saturation": open.min(100),
        "recommendation": if open > 50 { "high" } else { "low" },
        "eta_empty_seconds": open * 2,
        "historical": {
            "avg_hourly_demand": 12.5,
            "peak_hourly_demand": 40,
            "typical_peak_hour": 18,
            "total_tasks_24h": known,
            "total_tasks_7d": known,
        },
    }))
}

/// Keyed by what authenticates users, as upstream: nobody should read this, keep it or show it.
pub(super) async fn get_api_stats(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(json!({
        "total_users": 1,
        "total_cached_jobs": site.requests.load(Ordering::Relaxed),
        "active_projects": ["MilkyWay@Home"],
        "cache_stats": { "boinc-authenticator-do-not-store": site.started.elapsed().as_secs() },
    }))
}
