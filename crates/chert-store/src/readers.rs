//! Connections for reads of one statement, which is nearly every request.
//!
//! sqlx's pool pings a connection whenever it comes back (and spawns a task for it): a second round
//! trip per request, which cost a third of the throughput of a point read
//! (`docs/performance.md`). Here a connection goes back as it is. What the ping was for is done
//! without asking the server: a connection whose statement was not seen to its end (the client went
//! away, the request took too long) or that failed is thrown away.
//!
//! The queue for a connection is where overload shows first, and where it ends: see [`crate::queue`].

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection, Either, Execute, Executor, PgConnection, Postgres, SqlStr};

use crate::queue::{Queue, ReadClass};

/// A connection is replaced after this time, so that fail-overs and changed settings reach it.
const LIFETIME_MAX: Duration = Duration::from_secs(30 * 60);

/// An executor like sqlx's pool, for statements that change nothing.
#[derive(Debug, Clone)]
pub struct Readers {
    pool: Pool<Dial>,
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct Dial(PgConnectOptions);

#[derive(Debug)]
struct Line {
    connection: PgConnection,
    /// A statement was begun and its end not seen.
    busy: bool,
}

impl Manager for Dial {
    type Type = Line;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Line, sqlx::Error> {
        let connection = PgConnection::connect_with(&self.0).await?;
        Ok(Line { connection, busy: false })
    }

    async fn recycle(&self, line: &mut Line, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if line.busy {
            return Err(RecycleError::message("left in the middle of a statement"));
        }
        if metrics.age() > LIFETIME_MAX {
            return Err(RecycleError::message("old"));
        }
        Ok(())
    }
}

impl Readers {
    /// Up to `connections_max` connections, opened when needed, each within `dial_max`; how long a
    /// statement waits for one is up to its class.
    pub(crate) fn new(
        options: PgConnectOptions,
        class: ReadClass,
        connections_max: usize,
        dial_max: Duration,
    ) -> Result<Self, sqlx::Error> {
        let pool = Pool::builder(Dial(options))
            .max_size(connections_max.max(1))
            .create_timeout(Some(dial_max))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|e| sqlx::Error::Configuration(e.into()))?;
        Ok(Self { pool, queue: Arc::new(Queue::new(class)) })
    }

    /// Opens connections ahead of the first requests, up to so many, if the database answers.
    pub(crate) async fn open_ahead(&self, count: usize) {
        let count = count.min(self.pool.status().max_size);
        // Held until all are there: one that came back would be given out again. Where one cannot be
        // opened now, a request will try later and tell the error.
        let _ = futures::future::join_all((0..count).map(|_| self.get(Duration::ZERO))).await;
    }

    /// Open connections, and how many of them are idle.
    pub fn usage(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// A connection whose statement has begun.
    async fn begin(&self) -> Result<Object<Dial>, sqlx::Error> {
        let mut line = match self.get(Duration::ZERO).await {
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                let place = self.queue.enter()?;
                let outcome = self.get(place.patience()).await;
                match outcome {
                    Err(PoolError::Timeout(TimeoutType::Wait)) => {
                        return Err(self.queue.refuse("patience").into());
                    }
                    Ok(_) if !place.may_keep() => return Err(self.queue.refuse("stale").into()),
                    outcome => outcome,
                }
            }
            at_once => {
                self.queue.was_empty();
                at_once
            }
        }
        .map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            _ => sqlx::Error::PoolClosed,
        })?;
        line.busy = true;
        Ok(line)
    }

    /// A connection, after waiting at most so long for somebody to give one back.
    async fn get(&self, patience: Duration) -> Result<Object<Dial>, PoolError<sqlx::Error>> {
        let create = self.pool.timeouts().create;
        self.pool.timeout_get(&Timeouts { wait: Some(patience), create, recycle: None }).await
    }

    /// The statement has ended this way.
    fn end<T>(
        &self,
        mut line: Object<Dial>,
        outcome: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        match outcome.as_ref().err() {
            // A server that hung up on one connection hung up on the idle ones as well: one
            // request fails for an outage, not one per connection.
            Some(error) if is_broken(error) => {
                self.pool.retain(|_, _| false);
            }
            Some(error) if is_cancelled(error) => {
                self.queue.count_cancelled();
                line.busy = false;
            }
            _ => line.busy = false,
        }
        outcome
    }
}

/// Whether the connection is of no use after this error: it broke, or the server ended the session
/// (SQLSTATE class 57P, "operator intervention").
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

/// Whether `statement_timeout` ended the statement.
fn is_cancelled(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("57014"))
}

impl<'c> Executor<'c> for &'c Readers {
    type Database = Postgres;

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<PgQueryResult, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut line = self.begin().await?;
            let outcome = line.connection.execute(query).await;
            self.end(line, outcome)
        })
    }

    /// Collected first: pages are bounded, and a connection must not be held by a slow reader.
    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let collected = futures::stream::once(async move {
            let mut line = self.begin().await?;
            let outcome: Result<Vec<_>, _> = line.connection.fetch_many(query).try_collect().await;
            self.end(line, outcome)
        });
        collected.map_ok(|rows| futures::stream::iter(rows).map(Ok)).try_flatten().boxed()
    }

    fn fetch_all<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Vec<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut line = self.begin().await?;
            let outcome = line.connection.fetch_all(query).await;
            self.end(line, outcome)
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut line = self.begin().await?;
            let outcome = line.connection.fetch_optional(query).await;
            self.end(line, outcome)
        })
    }

    /// Nothing prepares by hand here; sqlx's macros prepare on the connection itself.
    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let mut line = self.begin().await?;
            let outcome = line.connection.prepare_with(sql, parameters).await;
            self.end(line, outcome)
        })
    }

    /// What sqlx's macros ask at compile time; the trait has no default for it.
    fn describe<'e>(
        self,
        sql: SqlStr,
    ) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let mut line = self.begin().await?;
            let outcome = line.connection.describe(sql).await;
            self.end(line, outcome)
        })
    }
}
