//! Reading the log from the database, with who of those it names is public.

use std::collections::HashSet;

use chert_store::StoreError;
use chert_store::entities::event::{BlockRow, list_block_rows_at, list_block_rows_before};
use chert_store::entities::identity::visible::list_public;
use silica_models::IdentityId;

use super::confirm::{BlockMark, Ledger, MARKS_BEFORE, Verdict, is_of_block};
use super::filter::Filter;
use super::{EventFilter, EventPage};
use crate::state::ApiState;

/// A part of the log.
#[derive(Debug)]
pub(crate) struct Part {
    /// The events and where they come from.
    pub(crate) page: EventPage,
    /// Who of those behind the events shows its figures to everybody. Read after the events: what
    /// was hidden before this answer is hidden in it.
    pub(crate) public: HashSet<IdentityId>,
    /// The next event has too few confirmations.
    pub(crate) held: bool,
}

/// Events after a position, as many as `limit` at most.
pub(crate) async fn read(
    api: &ApiState,
    after: i64,
    filter: &EventFilter,
    limit: i64,
) -> Result<Part, StoreError> {
    let page = api.store().list_events(after, filter, limit).await?;
    let mut people: Vec<IdentityId> = page.events.iter().filter_map(|e| e.identity_id).collect();
    people.sort_unstable();
    people.dedup();
    let public = match people.as_slice() {
        [] => HashSet::new(),
        people => list_public(api.store().readers(), people).await?.into_iter().collect(),
    };
    Ok(Part { page, public, held: false })
}

/// The same for a reader who asks for confirmations: without events that are never delivered, and
/// ending before the first that has to wait.
pub(crate) async fn read_confirmed(
    api: &ApiState,
    after: i64,
    filter: &Filter,
    limit: i64,
) -> Result<Part, StoreError> {
    let mut part = read(api, after, &filter.events, limit).await?;
    if filter.min_confirmations <= 1 {
        return Ok(part);
    }
    let confirmations = filter.min_confirmations;
    let above = i64::from(confirmations) - 1;
    let may_wait = part.page.checkpoint.height.saturating_sub(above) + 1;
    let ledger = ledger_of(api, &part.page, above, may_wait).await?;
    let first_waiting = ledger.first_waiting(after, confirmations, may_wait);
    if let Some(waiting) = first_waiting.filter(|seq| *seq <= part.page.scanned_to) {
        part.held = true;
        part.page.scanned_to = waiting - 1;
        part.page.events.retain(|event| event.seq < waiting);
    }
    let verdict = |seq| ledger.verdict(seq, confirmations);
    part.page.events.retain(|event| verdict(event.seq) == Verdict::Deliver);
    Ok(part)
}

/// The block events that decide about those of a page: at the heights of its blocks, where they
/// have the confirmations, and of the blocks that may still wait.
async fn ledger_of(
    api: &ApiState,
    page: &EventPage,
    above: i64,
    may_wait: i64,
) -> Result<Ledger, StoreError> {
    let blocks = page.events.iter().filter(|event| is_of_block(event.kind));
    let mut heights: Vec<i64> = blocks.filter_map(|event| event.height).collect();
    heights.dedup();
    heights.extend_from_within(..);
    let half = heights.len() / 2;
    heights.iter_mut().skip(half).for_each(|height| *height += above);
    heights.sort_unstable();
    heights.dedup();
    let rows = list_block_rows_at(api.store().readers(), &heights, may_wait).await?;
    Ok(Ledger::new(rows.iter().map(mark_of)))
}

/// The last block events that begin before `seq`.
pub(super) async fn ledger_before(api: &ApiState, seq: i64) -> Result<Ledger, StoreError> {
    let most = i64::try_from(MARKS_BEFORE).unwrap_or(i64::MAX);
    let rows = list_block_rows_before(api.store().readers(), seq, most).await?;
    Ok(Ledger::new(rows.iter().rev().map(mark_of)))
}

fn mark_of(row: &BlockRow) -> BlockMark {
    BlockMark {
        first: row.first_seq,
        last: row.last_seq,
        applied: row.applied,
        height: row.height,
        closed: true,
    }
}
