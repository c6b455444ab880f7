//! The connection pools: sqlx's own for transactions, changes and SeaORM, and one for plain reads.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::queue::{ReadClass, current_class};
use crate::relay::Hub;
use crate::{Readers, Store, StoreError};

/// How long a transaction waits for a connection before it is refused, and how long opening one may
/// take.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Prepared statements kept per connection; there are far fewer static statements than this.
const STATEMENT_CACHE: usize = 256;

/// Compiling a statement takes PostgreSQL some hundred milliseconds, and it does so again for each
/// execution whose estimated cost is high; a page of full blocks takes ten without.
const NO_JIT: (&str, &str) = ("jit", "off");
/// Connections for transactions and changes at least; the rest of `max_connections` only reads.
const POOLED_MIN: u32 = 4;
/// One in so many connections for reads is for long ones; at least one is.
const LONG_SHARE: usize = 5;
/// Short reads at once per processor, where the setting does not say. More would wait for each other
/// in the database instead of here, where waiting is bounded.
const READS_PER_PROCESSOR: usize = 8;
/// Short reads at once on the smallest machine.
const READS_AT_ONCE_MIN: usize = 16;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Most connections of this process.
    pub max_connections: u32,
    /// Connections kept open when idle, and as many for short reads opened at once.
    pub min_connections: u32,
    /// `statement_timeout` of every connection but those of short reads; zero for none (the
    /// indexer's bulk work).
    pub statement_timeout: Duration,
    /// `statement_timeout` of short reads, where it is the smaller of the two; zero for the same.
    pub short_statement_timeout: Duration,
    /// Short reads at once; 0 for what suits this machine's processors.
    pub reads_at_once: usize,
    /// Behind a PgBouncer: no start-up options. The pooler must keep named prepared statements
    /// apart: 1.21 or newer with `max_prepared_statements`, or session pooling.
    pub pgbouncer: bool,
    /// Copies data in: over TCP, sqlx needs help not to wait 40 ms for each (`relay.rs`). Only inside a
    /// Tokio runtime.
    pub copies: bool,
}

impl PoolSettings {
    /// Settings for a URL with the defaults of `config/api.toml`, without a statement time-out.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 20,
            min_connections: 0,
            statement_timeout: Duration::ZERO,
            short_statement_timeout: Duration::ZERO,
            reads_at_once: 0,
            pgbouncer: false,
            copies: false,
        }
    }

    /// Options of one connection.
    pub fn connect_options(&self) -> Result<PgConnectOptions, StoreError> {
        self.options_with(self.statement_timeout)
    }

    fn short_options(&self) -> Result<PgConnectOptions, StoreError> {
        let both = [self.statement_timeout, self.short_statement_timeout];
        let set = both.into_iter().filter(|timeout| !timeout.is_zero());
        self.options_with(set.min().unwrap_or_default())
    }

    /// Connections for short and for long reads.
    fn split(&self, reading: usize) -> (usize, usize) {
        let long = (reading / LONG_SHARE).max(1);
        let short = reading.saturating_sub(long).max(1);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = match self.reads_at_once {
            0 => (processors * READS_PER_PROCESSOR).max(READS_AT_ONCE_MIN),
            wanted => wanted,
        };
        (short.min(wanted), long.min(wanted))
    }

    fn options_with(&self, statement_timeout: Duration) -> Result<PgConnectOptions, StoreError> {
        let options = PgConnectOptions::from_str(&self.url)?.application_name("chert");
        if self.pgbouncer {
            // A pooler refuses start-up parameters it does not track.
            return Ok(options.statement_cache_capacity(STATEMENT_CACHE).extra_float_digits(None));
        }
        let timeout_ms = statement_timeout.as_millis().to_string();
        Ok(options
            .statement_cache_capacity(STATEMENT_CACHE)
            .options([("statement_timeout", timeout_ms.as_str()), NO_JIT]))
    }
}

impl Store {
    /// Opens a pool without waiting for the database: it may be down now and up later.
    pub fn connect_lazy(settings: &PoolSettings) -> Result<Self, StoreError> {
        // Both pools together keep to the setting. Nearly all requests are one statement.
        let pooled = (settings.max_connections / 4).max(POOLED_MIN);
        let reading = settings.max_connections.saturating_sub(pooled).max(1);
        let options = settings.connect_options()?;
        let (copying, hub) = match settings.copies {
            true => Hub::around(options.clone()).map_err(sqlx::Error::Io)?,
            false => (options.clone(), None),
        };
        let pool = PgPoolOptions::new()
            .max_connections(pooled)
            .min_connections(settings.min_connections.min(pooled))
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A ping per acquire would double the round trips; a broken connection shows itself
            // as an error of the first statement and the pool replaces it.
            .test_before_acquire(false)
            .connect_lazy_with(copying);
        let (short, long) = settings.split(usize::try_from(reading).unwrap_or(1));
        let short_options = settings.short_options()?;
        let readers = Readers::new(short_options, ReadClass::Short, short, ACQUIRE_TIMEOUT)?;
        let long_readers = Readers::new(options, ReadClass::Long, long, ACQUIRE_TIMEOUT)?;
        if settings.min_connections > 0 {
            let (readers, count) = (readers.clone(), settings.min_connections);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            tokio::spawn(async move { readers.open_ahead(count).await });
        }
        Ok(Self { pool, readers, long_readers, _hub: hub })
    }

    /// A store over an existing pool, with as many connections beside it for plain reads.
    pub fn from_pool(pool: PgPool) -> Result<Self, StoreError> {
        let connections = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        let options = pool.connect_options().as_ref().clone();
        let short = Readers::new(options.clone(), ReadClass::Short, connections, ACQUIRE_TIMEOUT)?;
        let long_readers = Readers::new(options, ReadClass::Long, connections, ACQUIRE_TIMEOUT)?;
        Ok(Self { pool, readers: short, long_readers, _hub: None })
    }

    /// For transactions, and for statements that change something.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// For reads of one statement: the connections of the current task's class
    /// ([`crate::queue::as_long`]).
    pub fn readers(&self) -> &Readers {
        match current_class() {
            ReadClass::Short => &self.readers,
            ReadClass::Long => &self.long_readers,
        }
    }

    /// Connections that are open, and how many of them are idle.
    pub fn connections(&self) -> (usize, usize) {
        let (short, long) = (self.readers.usage(), self.long_readers.usage());
        let (open, idle) = (short.0 + long.0, short.1 + long.1);
        let pooled = usize::try_from(self.pool.size()).unwrap_or(usize::MAX);
        (open.saturating_add(pooled), idle.saturating_add(self.pool.num_idle()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chert_testkit::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn connections_are_there_before_the_first_read() {
        let database = TestDatabase::create().await;
        let settings = PoolSettings { min_connections: 3, ..PoolSettings::new(&database.url) };
        let store = Store::connect_lazy(&settings).unwrap();
        let opened = async {
            while store.readers().usage() != (3, 3) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), opened).await.unwrap();
    }

    #[tokio::test]
    async fn no_connection_compiles_statements() {
        let database = TestDatabase::create().await;
        let store = Store::connect_lazy(&PoolSettings::new(&database.url)).unwrap();
        let show = "SHOW jit";
        let pooled: String = sqlx::query_scalar(show).fetch_one(store.pool()).await.unwrap();
        let short: String = sqlx::query_scalar(show).fetch_one(store.readers()).await.unwrap();
        let long = async { sqlx::query_scalar(show).fetch_one(store.readers()).await };
        let long: String = crate::queue::as_long(long).await.unwrap();
        assert_eq!([pooled, short, long], ["off", "off", "off"]);
    }
}
