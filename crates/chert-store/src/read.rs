//! What every read shares: the checkpoint beside the rows, the statement's timing, the wake-ups.

use std::future::Future;
use std::time::Instant;

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

use crate::queue::Saturated;
use crate::{Checkpoint, Store, StoreError};

/// Rows that a list statement may read at most: a full page and one more, which tells whether
/// another page follows. It stands in the SQL as a constant so that a generic plan is made for
/// one page and not for "a tenth of the table", which is what `LIMIT $n` alone is taken for.
pub const PAGE_ROWS_MAX: i64 = 101;

/// Builds a [`Checkpoint`] from the `cp_*` columns of a row.
macro_rules! checkpoint_of {
    ($row:expr) => {
        $crate::Checkpoint {
            height: $row.cp_height,
            hash: $row.cp_hash.clone(),
            tip_time_ms: $row.cp_tip_time_ms,
            finalized_height: $row.cp_finalized_height,
            finality_depth: $row.cp_finality_depth,
            node_height: $row.cp_node_height,
            bulk: $row.cp_bulk,
        }
    };
}
/// Awaits a statement and records its time as `chert_store_query_seconds{statement="…"}`.
///
/// A macro, because a literal label makes the metric's key a constant: nothing is allocated.
macro_rules! timed {
    ($statement:literal, $future:expr) => {
        $crate::read::observe(
            ::metrics::histogram!("chert_store_query_seconds", "statement" => $statement),
            $future,
        )
    };
}
pub(crate) use {checkpoint_of, timed};

/// Awaits a statement and records how long it took, failed or not.
pub(crate) async fn observe<T, E>(
    seconds: metrics::Histogram,
    statement: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError>
where
    StoreError: From<E>,
{
    let started = Instant::now();
    let outcome = statement.await;
    seconds.record(started.elapsed());
    Ok(outcome?)
}

/// The error of a store whose `chain` row of `checkpoints` is gone.
pub(crate) fn no_checkpoint() -> StoreError {
    StoreError::Corrupt("checkpoints has no row for the chain pipeline".to_owned())
}

/// Gives a nullable column of a row that is known to exist.
pub(crate) fn present<T>(column: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::Corrupt(format!("{column} is null")))
}

#[derive(FromQueryResult)]
struct CheckpointRow {
    cp_height: i64,
    cp_hash: Vec<u8>,
    cp_tip_time_ms: i64,
    cp_finalized_height: i64,
    cp_finality_depth: i64,
    cp_node_height: i64,
    cp_bulk: bool,
}

const CHECKPOINT: &str = "
    SELECT height AS cp_height, hash AS cp_hash, tip_time_ms AS cp_tip_time_ms,
           finalized_height AS cp_finalized_height, finality_depth AS cp_finality_depth,
           node_height AS cp_node_height, bulk AS cp_bulk
    FROM checkpoints WHERE pipeline = 'chain'";

/// The checkpoint inside an object-relational transaction.
pub(crate) async fn checkpoint_in(db: &impl ConnectionTrait) -> Result<Checkpoint, StoreError> {
    let statement = Statement::from_string(DbBackend::Postgres, CHECKPOINT);
    let row = CheckpointRow::find_by_statement(statement).one(db).await?;
    row.map(|row| checkpoint_of!(row)).ok_or_else(no_checkpoint)
}

impl Store {
    /// Asks the database whether it answers at all.
    pub async fn ping(&self) -> Result<(), StoreError> {
        timed!("ping", sqlx::query("SELECT 1").execute(self.pool())).await?;
        Ok(())
    }
}

/// How a failed read looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The database cannot be reached, or opens no more connections: try again soon.
    Unavailable,
    /// Too many read at once, and nothing was read: try again soon.
    Overloaded,
    /// The statement took longer than `statement_timeout`.
    Timeout,
    /// A defect of ours, or damaged data.
    Fault,
}

impl StoreError {
    /// What a reader should tell its client. By error class, never by message.
    pub fn outage(&self) -> Outage {
        match self {
            Self::Database(error) => sqlx_outage(error),
            Self::Orm(sea_orm::DbErr::Conn(_) | sea_orm::DbErr::ConnectionAcquire(_)) => {
                Outage::Unavailable
            }
            Self::Orm(
                sea_orm::DbErr::Exec(sea_orm::RuntimeErr::SqlxError(error))
                | sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(error)),
            ) => sqlx_outage(error),
            _ => Outage::Fault,
        }
    }
}

fn sqlx_outage(error: &sqlx::Error) -> Outage {
    match error {
        sqlx::Error::AnyDriverError(error) if error.is::<Saturated>() => Outage::Overloaded,
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_) => Outage::Unavailable,
        sqlx::Error::Database(refusal) => match refusal.code().as_deref() {
            Some("57014") => Outage::Timeout,
            // A replica, or a primary that was demoted: whoever writes has to find another.
            Some("25006") => Outage::Unavailable,
            // Connection trouble, lack of resources, operator intervention (shutdown, start-up).
            Some(code) if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => {
                Outage::Unavailable
            }
            _ => Outage::Fault,
        },
        _ => Outage::Fault,
    }
}
