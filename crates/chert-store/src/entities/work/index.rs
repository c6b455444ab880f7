//! Taking in a page of an oracle's feed: one transaction, after which every figure that follows from
//! it is right and the cursor has moved; or nothing.

use silica_models::{SignatureStatus, WorkRecord};
use sqlx::PgConnection;

use super::claims::settle_claims;
use super::event::put_events;
use super::load::load_submissions;
use super::merge::{Merged, Submissions, merge};
use super::news::news;
use super::page::{PageCounts, PageOutcome, Parsed, WorkPage};
use super::records::{put_items, put_reports, put_slashes};
use super::submission::{Submission, refusal};
use super::write::{WriteContext, put_submissions};
use crate::entities::event::{NewEvent, put_events as put_news};
use crate::entities::oracle::{FeedStep, advance_cursor, lock_cursor, quarantine_name};
use crate::entities::pouw::{Rollups, hold_clock};
use crate::feeds::{Feed, RejectedRecord, hold_chain, lock_feed, put_rejected};
use crate::locks::AdvisoryLock;
use crate::{Store, StoreError};

/// Items of a page at most; the contract's feeds give 1000.
pub const PAGE_ITEMS_MAX: usize = 10_000;

impl Store {
    /// Stores a page of an oracle's feed and everything that follows from it.
    pub async fn put_work_page(&self, page: &WorkPage) -> Result<PageOutcome, StoreError> {
        check_order(page)?;
        let mut tx = self.begin().await?;
        if page.items.is_empty() {
            let outcome = put_empty_page(&mut tx, page).await?;
            tx.commit().await?;
            return Ok(outcome);
        }
        let bulk = lock(&mut tx).await?;
        let (oracle_id, feed_id) = (page.oracle_id.as_str(), page.feed_id.as_str());
        if !lock_cursor(&mut tx, oracle_id, feed_id, page.feed_epoch, page.after).await? {
            return Ok(PageOutcome::CursorMoved);
        }
        if let Some(seq) = put_items(&mut tx, page).await? {
            return Ok(PageOutcome::Diverged { seq });
        }
        let rejected = rejected(page);
        put_rejected(&mut tx, &quarantine_name(oracle_id), &rejected, page.now_s).await?;
        let (counts, told) = put_work(&mut tx, page, bulk).await?;
        put_slashes(&mut tx, page).await?;
        put_reports(&mut tx, page).await?;
        let step = step(page, rejected.len());
        advance_cursor(&mut tx, oracle_id, feed_id, &step, page.now_s).await?;
        put_news(&mut tx, &told, None, page.now_s).await?;
        tx.commit().await?;
        Ok(PageOutcome::Stored(tally(page, counts, rejected.len())))
    }
}

/// The engine's own invariant: items follow the cursor without holes.
fn check_order(page: &WorkPage) -> Result<(), StoreError> {
    if page.items.len() > PAGE_ITEMS_MAX {
        return Err(StoreError::Batch(format!("a page of {} items", page.items.len())));
    }
    let in_order = page.items.iter().zip(page.after.saturating_add(1)..).all(|(i, s)| i.seq == s);
    if in_order {
        return Ok(());
    }
    Err(StoreError::Batch(format!("items after {} are not consecutive", page.after)))
}

/// Takes the locks of a page in their order; `true` where a bulk backfill runs.
async fn lock(db: &mut PgConnection) -> Result<bool, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", AdvisoryLock::OraclePages.key())
        .execute(&mut *db)
        .await?;
    hold_chain(db).await?;
    let bulk = sqlx::query_scalar!("SELECT bulk FROM checkpoints WHERE pipeline = 'chain'")
        .fetch_one(&mut *db)
        .await?;
    // Intervals must not change between asking whose work it is and writing it.
    sqlx::query!("SELECT height FROM feeds WHERE feed = 'identity' FOR SHARE")
        .fetch_one(&mut *db)
        .await?;
    lock_feed(db, Feed::Work).await?;
    hold_clock(db).await?;
    Ok(bulk)
}

/// What the oracle says of its feed when there is nothing new.
async fn put_empty_page(db: &mut PgConnection, page: &WorkPage) -> Result<PageOutcome, StoreError> {
    let (oracle_id, feed_id) = (page.oracle_id.as_str(), page.feed_id.as_str());
    if !lock_cursor(db, oracle_id, feed_id, page.feed_epoch, page.after).await? {
        return Ok(PageOutcome::CursorMoved);
    }
    advance_cursor(db, oracle_id, feed_id, &step(page, 0), page.now_s).await?;
    Ok(PageOutcome::Stored(PageCounts::default()))
}

/// The submissions of a page, in the order of the feed.
fn revisions(page: &WorkPage) -> impl Iterator<Item = (i64, SignatureStatus, &WorkRecord)> + Clone {
    page.items.iter().filter_map(|item| match &item.parsed {
        Parsed::Work(record) if refusal(record).is_none() => {
            Some((item.seq, item.signature, record.as_ref()))
        }
        _ => None,
    })
}

/// Items that are kept apart.
fn rejected(page: &WorkPage) -> Vec<RejectedRecord> {
    let reject = |seq: i64, body: &[u8], reason: &str| RejectedRecord {
        key: format!("{}:{seq}", page.feed_id),
        height: None,
        reason: reason.to_owned(),
        raw: body.to_vec(),
    };
    page.items
        .iter()
        .filter_map(|item| match &item.parsed {
            Parsed::Malformed(reason) => Some(reject(item.seq, &item.body, reason)),
            Parsed::Work(record) => refusal(record).map(|r| reject(item.seq, &item.body, r)),
            _ => None,
        })
        .collect()
}

async fn put_work(
    db: &mut PgConnection,
    page: &WorkPage,
    bulk: bool,
) -> Result<(PageCounts, Vec<NewEvent>), StoreError> {
    let mut ids: Vec<Vec<u8>> =
        revisions(page).map(|(_, _, record)| record.submission_id.to_vec()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok((PageCounts::default(), Vec::new()));
    }
    let stored = load_submissions(db, &ids).await?;
    let merged = merge(&stored, page.feed_epoch, revisions(page));
    let Merged { changed, events, mut counts } = merged;
    let moves = moves(&stored, &changed);
    let mut rollups = Rollups::default();
    rollups.subtract(db, &moves.out, page.now_s).await?;
    let context = WriteContext { oracle_id: &page.oracle_id, bulk, now_s: page.now_s };
    let rows: Vec<&Submission> = changed.values().collect();
    put_submissions(db, context, &rows).await?;
    rollups.add(db, &moves.back, page.now_s).await?;
    counts.claims_turned = settle_claims(db, &moves.claims, &mut rollups, page.now_s).await?;
    put_events(db, &events).await?;
    rollups.settle(db).await?;
    let at_end = page.items.last().is_some_and(|item| item.seq >= page.head_seq);
    let told = news(db, &page.oracle_id, (&stored, &changed), at_end, page.now_s).await?;
    Ok((counts, told))
}

/// Whose contributions a change of states moves.
#[derive(Debug, Default)]
struct Moves {
    /// To be subtracted before the change.
    out: Vec<Vec<u8>>,
    /// To be added after it.
    back: Vec<Vec<u8>>,
    /// Claims that may have been won or lost.
    claims: Vec<Vec<u8>>,
}

fn moves(stored: &Submissions, changed: &Submissions) -> Moves {
    let mut moves = Moves::default();
    for (id, new) in changed {
        let old = stored.get(id);
        let (before, after) = (old.and_then(Submission::footing), new.footing());
        if before == after && old.is_some_and(|o| o.claim_key == new.claim_key) {
            continue;
        }
        if before != after {
            if before.is_some() {
                moves.out.push(id.clone());
            }
            if after.is_some() {
                moves.back.push(id.clone());
            }
        }
        // What is not decided has never had a claim and wins none.
        if before.is_some() || after.is_some() {
            moves.claims.extend(old.map(|o| o.claim_key.clone()));
            moves.claims.push(new.claim_key.clone());
        }
    }
    moves.claims.sort_unstable();
    moves.claims.dedup();
    moves
}

fn step(page: &WorkPage, quarantined: usize) -> FeedStep<'_> {
    let count = |status: SignatureStatus| {
        let items = page.items.iter().filter(|i| i.signature == status).count();
        i64::try_from(items).unwrap_or(i64::MAX)
    };
    let last = page.items.last();
    FeedStep {
        cursor_seq: last.map_or(page.after, |item| item.seq),
        head_seq: page.head_seq,
        oldest_seq: page.oldest_seq,
        last_hash: last.and_then(|item| item.hash.as_ref()).map(|h| &h[..]),
        items: page.items.len(),
        verified: count(SignatureStatus::Verified),
        unsigned: count(SignatureStatus::Unsigned),
        invalid: count(SignatureStatus::Invalid),
        quarantined: i64::try_from(quarantined).unwrap_or(i64::MAX),
    }
}

fn tally(page: &WorkPage, work: PageCounts, malformed: usize) -> PageCounts {
    let count = |matches: fn(&Parsed) -> bool| {
        page.items.iter().filter(|item| matches(&item.parsed)).count()
    };
    PageCounts {
        items: page.items.len(),
        slashes: count(|p| matches!(p, Parsed::Slash(_))),
        reports: count(|p| matches!(p, Parsed::Report(_))),
        unknown: count(|p| matches!(p, Parsed::Unknown)),
        malformed,
        ..work
    }
}
