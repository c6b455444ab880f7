//! How governance is stored and taken back.
//!
//! The node lists proposals and votes as they are now; what is listed replaces what is stored, and
//! what follows from it is computed anew for exactly the proposals and identities touched.

mod events;
mod power;
mod proposal;
mod stats;
mod tally;
mod validator;
mod vote;

pub use power::PowerReading;
pub(crate) use power::queue_powers;
pub(crate) use stats::reattribute;

use std::collections::{BTreeMap, BTreeSet};

use silica_models::{Block, Height, Proposal, Validator, Vote};
use sqlx::PgConnection;

use self::stats::Touched;
use self::vote::VoteColumns;
use crate::entities::event::put_events;
use crate::entities::{ApplyContext, Entity, UnwindContext};
use crate::feeds::{
    Feed, FeedOutcome, RejectedRecord, lock_chain_at, lock_feed, notify_readers, put_rejected,
    unwind_feed, unwind_rejected,
};
use crate::{Store, StoreError};

/// Longest proposal id that is stored, in bytes; cursors carry it.
pub const PROPOSAL_ID_BYTES_MAX: usize = 128;
/// Latest moment that is stored, Unix seconds: the end of the year 9999.
const TIME_MAX: i64 = 253_402_300_799;

/// A proposal as the node gave it.
#[derive(Debug, Clone)]
pub struct ProposalReading {
    /// Its details, or its summary.
    pub proposal: Proposal,
    /// `proposal` is its details.
    pub details: bool,
    /// All its votes; `None` where they were not read.
    pub votes: Option<Vec<Vote>>,
}

impl ProposalReading {
    /// Whether everything the node has of it was read.
    pub fn is_whole(&self) -> bool {
        self.details && self.votes.is_some()
    }
}

/// What one round of the governance feed read.
#[derive(Debug, Clone, Copy)]
pub struct GovernanceReading<'a> {
    /// Height and hash of the block under which everything was read.
    pub under: (Height, &'a [u8]),
    /// Tip of the node once everything was read: what it said may speak of blocks up to there.
    pub spoken_to: Height,
    /// Time of the block in `under`, Unix seconds.
    pub at_s: i64,
    /// Proposals that were read.
    pub proposals: &'a [ProposalReading],
    /// `proposals` and `rejected` are all the node has: stored ones that are in neither are gone.
    pub complete: bool,
    /// All validators, where they were read.
    pub validators: Option<&'a [Validator]>,
    /// Records that could not be understood, by proposal id.
    pub rejected: &'a [RejectedRecord],
    /// Wall clock, Unix seconds.
    pub now_s: i64,
}

/// Text without NUL, which the database does not take.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A moment inside the range that is stored.
fn time_of(unix_s: i64) -> i64 {
    unix_s.clamp(0, TIME_MAX)
}

impl Store {
    /// Stores a round of the governance feed.
    ///
    /// `Moved`, and nothing stored, where the block is not on the indexed chain any more or the
    /// feed has come further already.
    pub async fn put_governance(
        &self,
        reading: &GovernanceReading<'_>,
    ) -> Result<FeedOutcome, StoreError> {
        let mut tx = self.begin().await?;
        let (height, hash) = reading.under;
        if !lock_chain_at(&mut tx, height, hash).await? {
            return Ok(FeedOutcome::Moved);
        }
        let height = i64::try_from(height).unwrap_or(i64::MAX);
        if lock_feed(&mut tx, Feed::Governance).await?.height > height {
            return Ok(FeedOutcome::Moved);
        }
        let (proposals, too_long) = distinct(reading.proposals);
        let mut touched = Touched::default();
        write_readings(&mut tx, reading, &proposals, height, &mut touched).await?;
        if let Some(validators) = reading.validators {
            validator::write_validators(&mut tx, validators, height).await?;
        }
        tally::refresh_tallies(&mut tx, &touched.proposals).await?;
        let voters: Vec<_> = touched.voters.iter().copied().collect();
        queue_powers(&mut tx, &voters, reading.now_s).await?;
        stats::refresh_stats(&mut tx, &touched.identities, reading.now_s).await?;
        let feed = Feed::Governance.as_str();
        put_rejected(&mut tx, feed, reading.rejected, reading.now_s).await?;
        put_rejected(&mut tx, feed, &too_long, reading.now_s).await?;
        if reading.complete {
            power::requeue_old_powers(&mut tx, reading.now_s).await?;
        }
        advance(&mut tx, reading, height).await?;
        if touched.changed {
            notify_readers(&mut tx).await?;
        }
        put_events(&mut tx, &touched.events, Some((height, hash)), reading.now_s).await?;
        tx.commit().await?;
        Ok(FeedOutcome::Stored)
    }
}

/// Each proposal once, the last reading of it; those whose id is too long apart.
fn distinct(
    readings: &[ProposalReading],
) -> (BTreeMap<&str, &ProposalReading>, Vec<RejectedRecord>) {
    let mut proposals = BTreeMap::new();
    let mut too_long = Vec::new();
    for reading in readings {
        let id = reading.proposal.proposal_id.as_str();
        if id.is_empty() || id.len() > PROPOSAL_ID_BYTES_MAX || id.contains('\0') {
            too_long.push(RejectedRecord {
                key: id.to_owned(),
                height: None,
                reason: format!("a proposal id must be 1 to {PROPOSAL_ID_BYTES_MAX} bytes"),
                raw: id.as_bytes().to_vec(),
            });
        } else {
            proposals.insert(id, reading);
        }
    }
    (proposals, too_long)
}

async fn write_readings(
    db: &mut PgConnection,
    reading: &GovernanceReading<'_>,
    proposals: &BTreeMap<&str, &ProposalReading>,
    height: i64,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let readings: Vec<&ProposalReading> = proposals.values().copied().collect();
    let place = proposal::Place {
        height,
        spoken_to: i64::try_from(reading.spoken_to).unwrap_or(i64::MAX),
        at_s: time_of(reading.at_s),
    };
    proposal::write_proposals(db, &readings, place, touched).await?;
    let mut votes = VoteColumns::default();
    for (id, proposal) in proposals {
        if let Some(list) = &proposal.votes {
            votes.add(id, list);
        }
    }
    votes.write(db, height, touched).await?;
    if reading.complete {
        let rejected = reading.rejected.iter().map(|r| r.key.as_str());
        let listed: BTreeSet<&str> = proposals.keys().copied().chain(rejected).collect();
        let at_s = time_of(reading.at_s);
        proposal::delete_unlisted(db, &listed, at_s, touched).await?;
    }
    Ok(())
}

/// Notes how far the locked feed has come; only a complete round counts as one.
async fn advance(
    db: &mut PgConnection,
    reading: &GovernanceReading<'_>,
    height: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE feeds SET height = $1, hash = $2, generation = generation + 1,
                synced_at = CASE WHEN $3 THEN $4 ELSE synced_at END
         WHERE feed = 'governance'",
        height,
        reading.under.1,
        reading.complete,
        reading.now_s
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Governance's part in a reorganisation. Blocks bring nothing: the feed does.
#[derive(Debug, Default)]
pub struct GovernanceRows;

impl Entity for GovernanceRows {
    const NAME: &'static str = "governance";

    fn add(&mut self, _block: &Block) -> Result<(), StoreError> {
        Ok(())
    }

    async fn apply(
        &self,
        _db: &mut PgConnection,
        _context: &ApplyContext,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// What was first read above the ancestor goes. Everything is read again, because a node may
    /// have spoken of blocks above the one it was read under.
    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        let ancestor = context.ancestor_i64();
        lock_feed(db, Feed::Governance).await?;
        let mut touched = Touched::default();
        vote::unwind_votes(db, ancestor, &mut touched).await?;
        let at_s = sqlx::query_scalar!(
            r#"SELECT timestamp_ms / 1000 AS "at_s!" FROM blocks WHERE height = $1"#,
            ancestor
        )
        .fetch_one(&mut *db)
        .await?;
        proposal::unwind_proposals(db, (ancestor, at_s), &mut touched).await?;
        power::unwind_powers(db, ancestor).await?;
        tally::refresh_tallies(db, &touched.proposals).await?;
        stats::refresh_stats(db, &touched.identities, context.now_s).await?;
        unwind_rejected(db, Feed::Governance.as_str(), ancestor).await?;
        unwind_feed(db, Feed::Governance, ancestor).await?;
        sqlx::query!("UPDATE feeds SET synced_at = 0 WHERE feed = 'governance'")
            .execute(db)
            .await?;
        context.retractions.others.append(&mut touched.events);
        Ok(())
    }
}
