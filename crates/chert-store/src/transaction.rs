//! How transactions begin.
//!
//! In a task of their own, because whoever asks for one may go away at any moment: a request is
//! given up, a time limit passes. sqlx learns that a transaction is open only from the end of its
//! beginning; given up before, the connection goes back to the pool inside a transaction that
//! nobody ends. Who gets it next reads an old state, and what it writes is lost.

use std::future::Future;

use sea_orm::{AccessMode, DatabaseTransaction, DbErr, IsolationLevel, TransactionTrait};
use sqlx::{Postgres, Transaction};

use crate::{Store, StoreError};

/// Begins a transaction in which every statement sees the same snapshot of the database.
const ONE_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Runs `begin` to its end, also when nobody waits for it any more; `None` where the runtime ends.
async fn to_its_end<T, F>(begin: F) -> Option<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    tokio::spawn(begin).await.ok()
}

impl Store {
    /// A transaction that may change something.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let pool = self.pool().clone();
        let begun = to_its_end(async move { pool.begin().await }).await;
        begun.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// A read-only transaction in which every statement sees the same snapshot.
    pub(crate) async fn begin_snapshot(
        &self,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let pool = self.pool().clone();
        let begun = to_its_end(async move { pool.begin_with(ONE_SNAPSHOT).await }).await;
        begun.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// The same for SeaORM: for the rare answers that take more than one statement.
    pub(crate) async fn snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        let orm = self.orm();
        let begun = to_its_end(async move {
            let level = Some(IsolationLevel::RepeatableRead);
            orm.begin_with_config(level, Some(AccessMode::ReadOnly)).await
        });
        let ended = || DbErr::Custom("the runtime ends".to_owned());
        Ok(begun.await.unwrap_or_else(|| Err(ended()))?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use chert_testkit::TestDatabase;
    use sqlx::Connection;
    use sqlx::postgres::PgPoolOptions;

    use super::*;

    /// Polls a future so many times at most, a millisecond apart, and drops it.
    async fn give_up_after<F: Future>(polls: usize, work: F) {
        let mut work = pin!(work);
        for _ in 0..polls {
            let ready = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready()));
            if ready.await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_beginning_that_is_given_up_leaves_no_transaction_open() {
        let database = TestDatabase::create().await;
        let options = PgPoolOptions::new().max_connections(1);
        let store = Store::from_pool(options.connect(&database.url).await.unwrap()).unwrap();
        let mut other = sqlx::PgConnection::connect(&database.url).await.unwrap();
        sqlx::raw_sql("CREATE TABLE marks (mark INT)").execute(&mut other).await.unwrap();
        let mut written = 0;
        for polls in 0..8 {
            for kind in 0..3 {
                match kind {
                    0 => give_up_after(polls, store.begin()).await,
                    1 => give_up_after(polls, store.begin_snapshot()).await,
                    _ => give_up_after(polls, store.snapshot()).await,
                }
                let mark = sqlx::query("INSERT INTO marks VALUES ($1)").bind(written);
                mark.execute(store.pool()).await.unwrap();
                written += 1;
            }
        }
        let count = sqlx::query_scalar("SELECT count(*)::int FROM marks");
        let kept: i32 = count.fetch_one(&mut other).await.unwrap();
        assert_eq!(kept, written, "what a later statement wrote is kept");
    }
}
