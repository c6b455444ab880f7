//! The log of events, page by page.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::identity::visible::guard_identity;
use serde::Serialize;
use sha2::{Digest, Sha256};
use silica_models::{Address, IdentityId};
use utoipa::ToSchema;

use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::Problem;
use crate::params::{Call, LIMIT_DEFAULT, Params};
use crate::state::ApiState;
use crate::stream::{EventFilter, EventItem, EventType, Filter, log, refuse_position};

/// Events of a page at most.
const EVENTS_LIMIT_MAX: u16 = 500;
/// Digits of the largest event number.
const SEQ_DIGITS_MAX: usize = 19;

const _: () = assert!(EVENTS_LIMIT_MAX as i64 <= chert_store::entities::event::EVENTS_MAX);

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList<'a> {
    /// By number, oldest first.
    pub items: Vec<EventItem<'a>>,
    /// Where the next page begins; absent at the end of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Everything wanted up to this number has been given: to follow the log, go on `after` it.
    #[schema(example = 184_213)]
    pub scanned_to: i64,
    /// Number of the oldest event that is kept; one above `last_seq` where none is.
    #[schema(example = 1)]
    pub oldest_seq: i64,
    /// Number of the newest event; 0 before the first.
    #[schema(example = 184_213)]
    pub last_seq: i64,
}

/// What happened, oldest first.
///
/// One log of everything: numbers without gaps, in the order in which it was stored. Folding
/// `block.*` and `transaction.*` gives exactly the indexed chain: a reorganisation retracts, newest
/// first, and applies the other branch. The log is kept for days (`indexer.event_retention_days`);
/// a position before the oldest event is answered with 410.
///
/// With `min_confirmations`, events about a block come when the block has so many, and later events
/// wait for them; of a block that is retracted before, neither event comes.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(
        ("after" = Option<i64>, Query, minimum = 0, example = 184_200,
         description = "Begin after this number; without it, with the oldest event kept."),
        ("cursor" = Option<String>, Query, max_length = 404,
         description = "`next_cursor` of the page before. Not together with `after`."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 500, example = 100,
         description = "Events per page; default 50"),
        ("type" = Option<String>, Query, max_length = 400, example = "block.applied,block.retracted",
         description = "Only these types, separated by commas; may be given several times."),
        ("address" = Option<String>, Query, max_length = 128,
         description = "Only events in which the address takes part."),
        ("identity" = Option<String>, Query, max_length = 66,
         description = "Only events of the identity."),
        ("min_confirmations" = Option<u16>, Query, minimum = 0, maximum = 100, example = 6,
         description = "Confirmations that a block needs, itself included, before its events come."),
    ),
    responses((status = 200, description = "A page of events", body = EventList))
)]
pub async fn list_events(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let names = ["after", "cursor", "limit", "type", "address", "identity", "min_confirmations"];
    let params = call.params_repeating(&names, "type")?;
    let filter = filter_of(&params)?;
    let limit = params.integer("limit", 1, u32::from(EVENTS_LIMIT_MAX))?;
    let limit = limit.map_or(i64::from(LIMIT_DEFAULT), i64::from);
    let scope = scope_of(&filter);
    let after = match (position(&params, "after")?, params.get("cursor")) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("after and cursor exclude each other; use the cursor"));
        }
        (None, Some(text)) => Some(Cursor::decode(text, List::Events, scope)?.position),
        (after, None) => after,
    };
    cache::pass_by(&call, load_events(&api, &call, filter, after, limit)).await
}

async fn load_events(
    api: &ApiState,
    call: &Call,
    filter: Filter,
    after: Option<i64>,
    limit: i64,
) -> Result<Answer, Problem> {
    let viewer = call.viewer();
    let part = log::read_confirmed(api, after.unwrap_or(0), &filter, limit).await?;
    if let Some(identity) = &filter.events.identity {
        // After the events: what was hidden meanwhile is not shown.
        guard_identity(api.store().readers(), identity).await?.open(viewer)?;
    }
    let head = part.page.head;
    if let Some(after) = after {
        refuse_position(after, head.oldest_seq, head.last_seq)?;
    }
    let items = part.page.events.iter().map(|event| {
        let named = event
            .identity_id
            .is_some_and(|identity| viewer.sees(&identity, part.public.contains(&identity)));
        EventItem::new(event, named)
    });
    let scanned_to = part.page.scanned_to;
    let more = scanned_to < head.last_seq && !part.held;
    let next = || Cursor::at(List::Events, scope_of(&filter), scanned_to).encode();
    let list = EventList {
        items: items.collect(),
        next_cursor: more.then(next),
        scanned_to,
        oldest_seq: head.oldest_seq,
        last_seq: head.last_seq,
    };
    Answer::json(&part.page.checkpoint, Freshness::Revalidate, &list)
}

/// Reads the conditions that pages and the stream share.
pub(crate) fn filter_of(params: &Params<'_>) -> Result<Filter, Problem> {
    let mut events = EventFilter::default();
    for name in params.get_all("type").flat_map(|list| list.split(',')) {
        let kind = EventType::parse(name).ok_or_else(|| {
            let all: Vec<&str> = EventType::ALL.into_iter().map(EventType::as_str).collect();
            Problem::invalid(format!("type must be some of {}", all.join(", ")))
        })?;
        events.types.insert(kind);
    }
    if let Some(text) = params.get("address") {
        let address = Address::parse(text).map_err(|e| Problem::invalid(e.to_string()))?;
        events.address = Some(address.key());
    }
    if let Some(text) = params.get("identity") {
        let identity = IdentityId::parse(text).map_err(|e| Problem::invalid(e.to_string()))?;
        events.identity = Some(identity);
    }
    let most = u32::from(Filter::CONFIRMATIONS_MAX);
    let confirmations = params.integer("min_confirmations", 0, most)?.unwrap_or(0);
    // Within the bounds just checked.
    let min_confirmations = u16::try_from(confirmations).unwrap_or(Filter::CONFIRMATIONS_MAX);
    Ok(Filter { events, min_confirmations })
}

/// Reads a number of the log.
pub(crate) fn position(params: &Params<'_>, name: &str) -> Result<Option<i64>, Problem> {
    params.get(name).map(|text| parse_position(name, text)).transpose()
}

/// Reads a number of the log; `name` is where it stands.
pub(super) fn parse_position(name: &str, text: &str) -> Result<i64, Problem> {
    let digits = !text.is_empty()
        && text.len() <= SEQ_DIGITS_MAX
        && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| Problem::invalid(format!("{name} must be the number of an event")))
}

/// Binds cursors to the filter they came from.
fn scope_of(filter: &Filter) -> u32 {
    let events = &filter.events;
    let types: Vec<&str> = events.types.iter().map(|kind| kind.as_str()).collect();
    let mut digest = Sha256::new();
    digest.update(types.join(",").as_bytes());
    digest.update(b"/");
    digest.update(events.address.map_or([0; 16], |key| key.0));
    digest.update(events.identity.map_or([0; 32], |identity| identity.0));
    digest.update(filter.min_confirmations.to_be_bytes());
    digest.finalize().iter().take(4).fold(0, |scope, byte| (scope << 8) | u32::from(*byte))
}
