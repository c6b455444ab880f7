//! The chain's part of the log: blocks and their transactions.
//!
//! A block has one row, whatever it holds: its transactions have numbers, and what they say stays
//! where it is stored anyway. So the log costs the ingest of a full block no more than that of an
//! empty one.

use silica_models::Block;
use sqlx::PgConnection;

use super::draft::{NewEvent, put_numbered, take_numbers};
use crate::StoreError;
use crate::copy::CopyBuffer;
use crate::entities::block::{height_i64, record_count};
use crate::entities::{ApplyContext, Entity, UnwindContext};

const COPY: &str = "COPY event_log (seq, type, height, hash, tx_count, created_at, spans) \
    FROM STDIN (FORMAT binary)";

/// A block's row without its number.
#[derive(Debug, Clone)]
pub(crate) struct LoggedBlock {
    height: i64,
    hash: Vec<u8>,
    tx_count: i32,
    /// Transactions that have a number.
    spans: i32,
}

/// `block.applied` for each block of the batch, with its transactions. The bulk backfill of
/// history writes none: nobody can have been listening, and the log keeps days, not years.
#[derive(Debug, Default)]
pub struct BlockEvents(Vec<LoggedBlock>);

/// What a reorganisation has to tell, in order; written when everything else is.
#[derive(Debug, Default)]
pub struct Retractions {
    blocks: Vec<LoggedBlock>,
    /// What followed for people, votes and proposals, told after the blocks.
    pub(crate) others: Vec<NewEvent>,
}

impl Entity for BlockEvents {
    const NAME: &'static str = "event_log";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        let spans = i32::try_from(block.transactions.len())
            .map_err(|_| StoreError::Batch("too many transactions".into()))?;
        self.0.push(LoggedBlock {
            height: height_i64(block)?,
            hash: block.hash.as_bytes().to_vec(),
            tx_count: record_count(block)?,
            spans,
        });
        Ok(())
    }

    /// Nothing: rows get their numbers when everything else is written ([`BlockEvents::put`]).
    async fn apply(&self, _: &mut PgConnection, _: &ApplyContext) -> Result<(), StoreError> {
        Ok(())
    }

    /// Notes the removed blocks, newest first; stands before the entities whose rows go.
    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        let rows = sqlx::query!(
            r#"SELECT b.height, b.hash, b.tx_count,
                      b.tx_count - (SELECT count(*) FROM quarantine q
                                    WHERE q.pos >= b.height << 20
                                      AND q.pos < (b.height + 1) << 20)::int AS "spans!"
               FROM blocks b WHERE b.height > $1 ORDER BY b.height DESC"#,
            context.ancestor_i64()
        )
        .fetch_all(db)
        .await?;
        let blocks = rows.into_iter().map(|r| LoggedBlock {
            height: r.height,
            hash: r.hash,
            tx_count: r.tx_count,
            spans: r.spans,
        });
        context.retractions.blocks.extend(blocks);
        Ok(())
    }
}

impl BlockEvents {
    /// Writes what a commit of the chain has to tell: what it removed, then what it added.
    ///
    /// Called when everything else is written, because the numbers keep other writers of events
    /// waiting until the commit.
    pub(crate) async fn put(
        &self,
        db: &mut PgConnection,
        context: &ApplyContext,
        gone: Option<(&Retractions, (i64, &[u8]))>,
    ) -> Result<(), StoreError> {
        if context.bulk {
            return Ok(());
        }
        let removed = gone.map_or(&[][..], |(gone, _)| &gone.blocks);
        let others = gone.map_or(&[][..], |(gone, _)| &gone.others);
        let numbers =
            |rows: &[LoggedBlock]| rows.iter().map(|r| i64::from(r.spans) + 1).sum::<i64>();
        let count = numbers(removed) + i64::try_from(others.len()).unwrap_or(i64::MAX);
        let total = count + numbers(&self.0);
        if total == 0 {
            return Ok(());
        }
        let first = take_numbers(db, total).await?;
        let mut rows = CopyBuffer::new(7);
        let next = encode(&mut rows, "block.retracted", removed, first, context.now_s);
        if let Some((_, ancestor)) = gone.filter(|_| !others.is_empty()) {
            put_numbered(db, others, next, Some(ancestor), context.now_s).await?;
        }
        encode(&mut rows, "block.applied", &self.0, first + count, context.now_s);
        rows.send(db, COPY).await
    }
}

/// Encodes rows with the numbers from `first` on; gives the next number.
fn encode(
    rows: &mut CopyBuffer,
    kind: &str,
    blocks: &[LoggedBlock],
    first: i64,
    now_s: i64,
) -> i64 {
    let mut next = first;
    for block in blocks {
        next += i64::from(block.spans) + 1;
        rows.row()
            .i64(next - 1)
            .text(Some(kind))
            .i64(block.height)
            .bytes(Some(&block.hash))
            .i32(block.tx_count)
            .i64(now_s)
            .i32(block.spans);
    }
    next
}
