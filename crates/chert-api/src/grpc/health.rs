//! `grpc.health.v1`: whether each service should get calls, by the checks of `/health/ready`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::methods::services;
use crate::routes::health::{Readiness, readiness};
use crate::state::ApiState;

const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Says what is wrong with the others; work comes from oracles. Both make sense without a node.
const WITHOUT_NODE: [&str; 2] = ["chert.api.v1.StatusService", "chert.api.v1.PouwService"];
const DATABASE: &str = "database";

/// Keeps the status of every service true until `stop`.
pub(super) async fn keep(reporter: HealthReporter, api: ApiState, stop: CancellationToken) {
    let names: Vec<String> = services().collect();
    loop {
        let readiness = readiness(&api).await;
        reporter.set_service_status("", status(readiness.is_ready())).await;
        for name in &names {
            reporter.set_service_status(name.as_str(), status(serves(name, &readiness))).await;
        }
        tokio::select! {
            () = tokio::time::sleep(CHECK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn status(ok: bool) -> ServingStatus {
    if ok { ServingStatus::Serving } else { ServingStatus::NotServing }
}

/// Whether a service's own checks hold.
fn serves(name: &str, readiness: &Readiness) -> bool {
    let needed = |check: &str| check == DATABASE || !WITHOUT_NODE.contains(&name);
    readiness.checks.iter().all(|check| check.ok || !needed(check.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::health::Check;

    #[test]
    fn each_service_has_its_own_checks() {
        let check = |name, ok| Check { name, ok, detail: String::new() };
        let readiness = |database, node| Readiness {
            status: "",
            checks: [check("database", database), check("node", node), check("progress", node)],
        };
        for (name, without_node) in [
            ("chert.api.v1.StatusService", true),
            ("chert.api.v1.PouwService", true),
            ("chert.api.v1.ExplorerService", false),
        ] {
            assert!(services().any(|service| service == name));
            assert!(serves(name, &readiness(true, true)));
            assert_eq!(serves(name, &readiness(true, false)), without_node, "{name}");
            assert!(!serves(name, &readiness(false, true)));
        }
    }
}
