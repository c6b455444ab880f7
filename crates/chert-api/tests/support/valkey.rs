//! Servers that share a Valkey.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

use std::time::Duration;

use chert_api::{ApiSettings, Valkey};
use chert_testkit::TestValkey;

use super::support::{TestServer, settings};

/// Long enough that a busy machine is not taken for a Valkey that is away.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
const POLLS_MAX: u32 = 1_000;

/// Settings with a connection of their own, and a look at it.
pub fn sharing(valkey: &TestValkey) -> (ApiSettings, Valkey) {
    sharing_for(valkey, PATIENCE)
}

/// As [`sharing`], with so much time for each answer.
pub fn sharing_for(valkey: &TestValkey, answer_time: Duration) -> (ApiSettings, Valkey) {
    let link = Valkey::new(&valkey.url(), answer_time).unwrap();
    (ApiSettings { valkey: Some(link.clone()), ..settings() }, link)
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..POLLS_MAX {
        if holds().await {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("never: {what}");
}

/// Waits until a server reached Valkey, or lost it.
pub async fn until_up(link: &Valkey, up: bool) {
    until(if up { "Valkey is up" } else { "Valkey is away" }, async || link.is_up() == up).await;
}

/// Keys that match a pattern.
pub async fn keys(valkey: &TestValkey, pattern: &str) -> Vec<String> {
    valkey.run(redis::cmd("KEYS").arg(pattern)).await
}

/// Waits until a server leaves answers in Valkey: until it knows its database and is connected.
pub async fn until_sharing(server: &TestServer, valkey: &TestValkey) {
    let before = keys(valkey, "chert:1:answer:*").await.len();
    let mut offset = 0;
    until("answers are shared", async || {
        offset += 1;
        server.ok(&format!("/v1/explorer/blocks?limit=1&offset={offset}")).await;
        keys(valkey, "chert:1:answer:*").await.len() > before
    })
    .await;
}

/// Sum of a metric over all label sets that contain `label`.
pub async fn metric(server: &TestServer, name: &str, label: &str) -> f64 {
    let text = String::from_utf8(server.get("/metrics").await.bytes).unwrap();
    let lines = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && line.contains(label)
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}
