//! The connection pools: sqlx's own for transactions, changes and SeaORM, and one for plain reads.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::relay::Hub;
use crate::{Readers, Store, StoreError};

/// How long a request may wait for a connection before it is refused.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Prepared statements kept per connection; there are far fewer static statements than this.
const STATEMENT_CACHE: usize = 256;

/// Connections for transactions and changes at least; the rest of `max_connections` only reads.
const POOLED_MIN: u32 = 4;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Most connections of this process.
    pub max_connections: u32,
    /// Connections kept open when idle.
    pub min_connections: u32,
    /// `statement_timeout` of every connection; zero for none (the indexer's bulk work).
    pub statement_timeout: Duration,
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
            pgbouncer: false,
            copies: false,
        }
    }

    /// Options of one connection.
    pub fn connect_options(&self) -> Result<PgConnectOptions, StoreError> {
        let options = PgConnectOptions::from_str(&self.url)?.application_name("chert");
        if self.pgbouncer {
            // A pooler refuses start-up parameters it does not track.
            return Ok(options.statement_cache_capacity(STATEMENT_CACHE).extra_float_digits(None));
        }
        let timeout_ms = self.statement_timeout.as_millis().to_string();
        Ok(options
            .statement_cache_capacity(STATEMENT_CACHE)
            .options([("statement_timeout", timeout_ms.as_str())]))
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
        let reading = usize::try_from(reading).unwrap_or(1);
        let readers = Readers::new(options, reading, ACQUIRE_TIMEOUT)?;
        Ok(Self { pool, readers, _hub: hub })
    }

    /// A store over an existing pool, with as many connections beside it for plain reads.
    pub fn from_pool(pool: PgPool) -> Result<Self, StoreError> {
        let connections = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        let options = pool.connect_options().as_ref().clone();
        let readers = Readers::new(options, connections, ACQUIRE_TIMEOUT)?;
        Ok(Self { pool, readers, _hub: None })
    }

    /// For transactions, and for statements that change something.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// For reads of one statement.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Connections that are open, and how many of them are idle.
    pub fn connections(&self) -> (usize, usize) {
        let (open, idle) = self.readers.usage();
        let pooled = usize::try_from(self.pool.size()).unwrap_or(usize::MAX);
        (open.saturating_add(pooled), idle.saturating_add(self.pool.num_idle()))
    }
}
