//! `/oracle/v1`: who the oracle is, its log, single submissions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Extension, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{InAnswer, Site};
use crate::oracle::canonical::hex;
use crate::oracle::faults::OracleFault;
use crate::oracle::page::{FeedState, ITEMS_MAX, Page, Spoil, page_text, spoil_items};
use crate::oracle::record::rfc3339;
use crate::server::listener::Connection;

const LIMIT_DEFAULT: u64 = 500;
const WAIT_MS_MAX: u64 = 30_000;

pub(super) async fn get_info(
    State(site): State<Arc<Site>>,
    fault: Option<Extension<InAnswer>>,
) -> Json<Value> {
    let oracle = &site.oracle;
    let mut feed = oracle.feed_state();
    fall_behind(&site, &mut feed, fault.map(|Extension(fault)| fault));
    Json(json!({
        "oracle_id": oracle.oracle_id(),
        "public_key": hex(&oracle.public_key()),
        "algorithm": "Ed25519",
        "network_id": oracle.0.config.network_id,
        "software_version": env!("CARGO_PKG_VERSION"),
        "contract_version": 1,
        "started_at": rfc3339(site.started_ms),
        "feed_id": feed.feed_id,
        "oldest_seq": feed.oldest_seq,
        "head_seq": feed.head_seq,
        "max_limit": ITEMS_MAX,
    }))
}

/// One request for a page, as far as it is well-formed.
#[derive(Debug)]
struct Wanted {
    after: u64,
    limit: u64,
    wait: Duration,
    feed_id: Option<String>,
}

impl Wanted {
    fn parse(query: &HashMap<String, String>) -> Option<Wanted> {
        let number = |name: &str, default: u64| match query.get(name) {
            Some(text) => text.parse().ok(),
            None => Some(default),
        };
        let wanted = Wanted {
            after: number("after", 0)?,
            limit: number("limit", LIMIT_DEFAULT)?,
            wait: Duration::from_millis(number("wait_ms", 0).filter(|ms| *ms <= WAIT_MS_MAX)?),
            feed_id: query.get("feed_id").cloned(),
        };
        (1..=ITEMS_MAX).contains(&wanted.limit).then_some(wanted)
    }
}

pub(super) async fn get_work(
    State(site): State<Arc<Site>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Query(query): Query<HashMap<String, String>>,
    fault: Option<Extension<InAnswer>>,
) -> Response {
    let Some(wanted) = Wanted::parse(&query) else {
        let error = json!({
            "code": "bad_parameters",
            "message": "after >= 0, limit 1..1000, wait_ms 0..30000",
        });
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    };
    wait_for_items(&site, &connection, &wanted).await;
    let worker = site.clone();
    let page = tokio::task::spawn_blocking(move || {
        worker.oracle.page(wanted.after, wanted.limit, wanted.feed_id.as_deref())
    });
    match page.await {
        Ok(Page::Items { mut feed, mut items, mut next, mut has_more }) => {
            let fault = fault.map(|Extension(fault)| fault);
            if fall_behind(&site, &mut feed, fault) {
                items.retain(|item| item["seq"].as_u64().is_some_and(|seq| seq <= feed.head_seq));
                next = wanted.after.max(next.min(feed.head_seq));
                has_more = next < feed.head_seq;
            }
            let body = shown(&site, &feed, items, (next, has_more), fault);
            let json = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, json)], body).into_response()
        }
        Ok(Page::FeedChanged(feed)) => refusal(StatusCode::CONFLICT, "feed_changed", &feed),
        Ok(Page::CursorExpired(feed)) => refusal(StatusCode::GONE, "cursor_expired", &feed),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Takes the newest items from a feed where the fault is to lack them; `true` where it was.
fn fall_behind(site: &Site, feed: &mut FeedState, fault: Option<InAnswer>) -> bool {
    let Some(InAnswer { fault: OracleFault::Behind { items }, .. }) = fault else { return false };
    let before = feed.head_seq;
    let least = feed.oldest_seq.saturating_sub(1).min(before);
    feed.head_seq = before.saturating_sub(items).max(least);
    if feed.head_seq == before {
        return false;
    }
    site.faults.count_one();
    true
}

/// Holds the request until there is something after the cursor, another feed, or the time is up.
async fn wait_for_items(site: &Site, connection: &Connection, wanted: &Wanted) {
    let current = site.oracle.feed_id();
    if wanted.wait.is_zero() || wanted.feed_id.as_ref().is_some_and(|id| *id != current) {
        return;
    }
    let mut head = site.oracle.0.head.subscribe();
    let (first_feed, _) = *head.borrow();
    let until = Instant::now() + wanted.wait;
    let ready = head.wait_for(|(feed, head)| *feed != first_feed || *head > wanted.after);
    tokio::select! {
        _ = ready => {}
        () = tokio::time::sleep_until(until) => {}
        () = connection.cut.cancelled() => {}
        () = site.stop.cancelled() => {}
    }
}

fn refusal(status: StatusCode, code: &str, feed: &FeedState) -> Response {
    let message = match status {
        StatusCode::GONE => "items after the cursor are not kept any more",
        _ => "the log was lost and another one begun",
    };
    let mut body = json!({
        "error": { "code": code, "message": message },
        "oldest_seq": feed.oldest_seq,
    });
    if status == StatusCode::CONFLICT {
        body["feed_id"] = feed.feed_id.as_str().into();
        body["head_seq"] = feed.head_seq.into();
    }
    (status, Json(body)).into_response()
}

/// The text of a page, with the fault that was drawn for it.
fn shown(
    site: &Site,
    feed: &FeedState,
    mut items: Vec<Value>,
    (next, has_more): (u64, bool),
    fault: Option<InAnswer>,
) -> Vec<u8> {
    let mut spoil = |spoil: Spoil, seed: u64| spoil_items(&mut items, spoil, seed);
    let (mut more_fields, mut cut) = (false, false);
    let visible = match fault {
        None => false,
        Some(InAnswer { fault, seed }) => match fault {
            OracleFault::BadSignature => spoil(Spoil::Signature, seed),
            OracleFault::WrongHash => spoil(Spoil::Hash, seed),
            OracleFault::BrokenChain => spoil(Spoil::PrevHash, seed),
            OracleFault::Gap => spoil(Spoil::Gap, seed),
            OracleFault::UnknownFields => {
                for item in &mut items {
                    item["mirrored"] = json!({ "by": ["nobody"] });
                }
                more_fields = true;
                true
            }
            OracleFault::InvalidJson => {
                cut = true;
                true
            }
            // Shown before this was called.
            _ => false,
        },
    };
    if visible {
        site.faults.count_one();
    }
    let oracle_id = site.oracle.oracle_id();
    let mut body = page_text(oracle_id, feed, &items, next, has_more, more_fields).into_bytes();
    if cut {
        body.truncate(body.len() * 2 / 3);
    }
    body
}

pub(super) async fn get_submission(
    State(site): State<Arc<Site>>,
    Path(submission_id): Path<String>,
) -> Response {
    match site.oracle.newest_item(&submission_id) {
        Some(item) => Json(item).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
