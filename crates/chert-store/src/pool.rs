//! The connection pool, one for SQLx and SeaORM alike.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::{Store, StoreError};

/// How long a request may wait for a connection before it is refused.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Prepared statements kept per connection; there are far fewer static statements than this.
const STATEMENT_CACHE: usize = 256;

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
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .min_connections(settings.min_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A ping per acquire would double the round trips; a broken connection shows itself
            // as an error of the first statement and the pool replaces it.
            .test_before_acquire(false)
            .connect_lazy_with(settings.connect_options()?);
        Ok(Self::from_pool(pool))
    }

    /// The pool itself, for counting connections in metrics.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}
