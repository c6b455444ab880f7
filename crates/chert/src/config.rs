//! Configuration: built-in defaults, file, environment, flags; anything unknown is refused.

mod oracles;
mod server;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chert_api::stream::StreamSettings;
use chert_api::{ApiSettings, CacheBound, Valkey, ValkeyUrlError};
use chert_indexer::{FeedSettings, IndexerSettings, OracleSettings};
use chert_store::PoolSettings;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Toml};
use ipnet::IpNet;
use serde::Deserialize;

use crate::cli::{DatabaseArgs, ListenArgs, SourceArgs};
pub use oracles::OracleEntry;

/// The documented defaults are the defaults.
const DEFAULTS: &str = include_str!("../../../config/api.toml");
/// `CHERT_API__SERVER__PORT` sets `server.port`.
const ENVIRONMENT: &str = "CHERT_API__";

/// All settings; `config/api.toml` documents each.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented once, in config/api.toml")]
pub struct Config {
    pub server: Server,
    pub jsonrpc: Jsonrpc,
    pub database: Database,
    pub chain: Chain,
    pub indexer: Indexer,
    pub oracles: Oracles,
    pub authentication: Authentication,
    pub rate_limiting: RateLimiting,
    pub streams: Streams,
    pub cache: Cache,
    pub telemetry: Telemetry,
}

macro_rules! section {
    ($name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "documented once, in config/api.toml")]
        pub struct $name { $(pub $field: $type),+ }
    };
}

section!(Server {
    host: String,
    port: u16,
    grpc_port: u16,
    request_timeout_ms: u64,
    trusted_proxies: Vec<IpNet>,
    tls_cert: String,
    tls_key: String,
    max_connections: u32,
    max_connections_per_client: u32,
    max_requests: u32,
    header_timeout_ms: u64,
    body_timeout_ms: u64,
    idle_timeout_ms: u64,
    stall_timeout_ms: u64,
    decimals: u8,
});
section!(Jsonrpc { passthrough: bool });
section!(Database {
    url: String,
    max_connections: u32,
    min_connections: u32,
    reads_at_once: u32,
    statement_timeout_ms: u64,
    short_statement_timeout_ms: u64,
    pgbouncer: bool,
    direct_url: String,
});
section!(Chain { rpc_url: String, sync_from_block: u64, rpc_timeout_ms: u64 });
section!(Indexer {
    enabled: bool,
    batch_size: u64,
    sync_interval_ms: u64,
    finality_depth: u64,
    allow_deep_reorg: bool,
    bulk_threshold_blocks: u64,
    shorter_branch_patience_ms: u64,
    event_retention_days: u64,
    feed_interval_min_ms: u64,
    feed_interval_max_ms: u64,
    leaderboard_interval_ms: u64,
    metrics_address: String,
});
section!(Oracles {
    urls: Vec<String>,
    allow_unsigned: bool,
    long_poll_ms: u64,
    probe_interval_ms: u64,
    oracle: Vec<OracleEntry>,
});
section!(Authentication { authorities: Vec<String>, nonces: String });
section!(RateLimiting { anonymous_rpm: u32, authenticated_rpm: u32 });
section!(Streams { max_subscribers: usize, max_subscribers_per_ip: usize, lifetime_seconds: u64 });
section!(Cache {
    budget_mb: u64,
    valkey_url: String,
    valkey_timeout_ms: u64,
    identities_max_capacity: u64,
    identities_ttl_seconds: u64,
    identities_idle_seconds: u64,
    leaderboards_max_capacity: u64,
    leaderboards_ttl_seconds: u64,
    proposals_max_capacity: u64,
    proposals_ttl_seconds: u64,
});
section!(Telemetry { log_format: String, log_filter: String, otlp_endpoint: String });

impl Config {
    /// Reads defaults, `file` and the environment.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            ensure!(
                file.is_file(),
                "the configuration file {} does not exist; give another with --config",
                file.display()
            );
            figment = figment.merge(Toml::file_exact(file));
        }
        let figment = figment.merge(Env::prefixed(ENVIRONMENT).split("__"));
        let config: Self = figment.extract().map_err(|error| explain(&error))?;
        config.check().map_err(|error| match file {
            Some(file) => anyhow::anyhow!("{} or the environment: {error:#}", file.display()),
            None => error,
        })?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        within("indexer.batch_size", self.indexer.batch_size, 1, 1_000)?;
        within("indexer.sync_interval_ms", self.indexer.sync_interval_ms, 10, 60_000)?;
        within("indexer.finality_depth", self.indexer.finality_depth, 1, 1_000)?;
        within("indexer.event_retention_days", self.indexer.event_retention_days, 3, 365)?;
        let indexer = &self.indexer;
        within("indexer.feed_interval_min_ms", indexer.feed_interval_min_ms, 10, 60_000)?;
        let least = indexer.feed_interval_min_ms;
        within("indexer.feed_interval_max_ms", indexer.feed_interval_max_ms, least, 600_000)?;
        within("indexer.leaderboard_interval_ms", indexer.leaderboard_interval_ms, 10, 60_000)?;
        within("oracles.long_poll_ms", self.oracles.long_poll_ms, 0, 30_000)?;
        within("oracles.probe_interval_ms", self.oracles.probe_interval_ms, 100, 3_600_000)?;
        within("chain.rpc_timeout_ms", self.chain.rpc_timeout_ms, 100, 60_000)?;
        self.server.check()?;
        within("database.max_connections", self.database.max_connections.into(), 1, 10_000)?;
        for (key, value) in [
            ("database.statement_timeout_ms", self.database.statement_timeout_ms),
            ("database.short_statement_timeout_ms", self.database.short_statement_timeout_ms),
        ] {
            within(key, value, 10, 60_000)?;
        }
        ensure!(
            self.database.min_connections <= self.database.max_connections,
            "database.min_connections must not be above database.max_connections"
        );
        within("streams.lifetime_seconds", self.streams.lifetime_seconds, 10, 86_400)?;
        within("cache.valkey_timeout_ms", self.cache.valkey_timeout_ms, 1, 1_000)?;
        self.valkey().context("cache.valkey_url")?;
        match self.authentication.nonces.as_str() {
            "database" => {}
            "valkey" if !self.cache.valkey_url.is_empty() => {}
            "valkey" => bail!("authentication.nonces is \"valkey\"; set cache.valkey_url, too"),
            _ => bail!("authentication.nonces must be \"database\" or \"valkey\""),
        }
        if !matches!(self.telemetry.log_format.as_str(), "text" | "json") {
            bail!("telemetry.log_format must be \"text\" or \"json\"");
        }
        for url in self.node_urls() {
            url.parse::<url::Url>().with_context(|| {
                format!("chain.rpc_url: {url} is not a URL like http://host:8545")
            })?;
        }
        self.oracles.check()
    }

    /// Applies flags, which win over everything.
    pub fn apply_sources(&mut self, args: &SourceArgs) -> anyhow::Result<()> {
        self.apply_database(&args.database);
        if !args.node_urls.is_empty() {
            self.chain.rpc_url = args.node_urls.join(",");
        }
        self.oracles.apply(&args.oracles, args.allow_unsigned_oracles);
        self.check()
    }

    /// Applies the database flag.
    pub fn apply_database(&mut self, args: &DatabaseArgs) {
        if let Some(url) = &args.database_url {
            self.database.url.clone_from(url);
            self.database.direct_url.clear();
        }
    }

    /// Applies the addresses.
    pub fn apply_listen(&mut self, args: &ListenArgs) {
        if let Some(address) = args.http {
            self.server.host = address.ip().to_string();
            self.server.port = address.port();
        }
    }

    /// The configured node URLs; none means the dev chain.
    pub fn node_urls(&self) -> Vec<String> {
        let urls = self.chain.rpc_url.split(',').map(str::trim);
        urls.filter(|u| !u.is_empty()).map(str::to_owned).collect()
    }

    /// The database for readers.
    pub fn api_pool(&self) -> anyhow::Result<PoolSettings> {
        ensure!(
            !self.database.url.is_empty(),
            "no database is configured; set database.url in config/api.toml, \
             CHERT_API__DATABASE__URL, or --database-url (`chert up` alone brings its own)"
        );
        let within_request =
            |ms: u64| Duration::from_millis(ms.min(self.server.request_timeout_ms));
        Ok(PoolSettings {
            url: self.database.url.clone(),
            max_connections: self.database.max_connections,
            min_connections: self.database.min_connections,
            statement_timeout: within_request(self.database.statement_timeout_ms),
            short_statement_timeout: within_request(self.database.short_statement_timeout_ms),
            reads_at_once: usize::try_from(self.database.reads_at_once)?,
            pgbouncer: self.database.pgbouncer,
            copies: false,
        })
    }

    /// The database for the indexer and migrations.
    pub fn direct_pool(&self) -> anyhow::Result<PoolSettings> {
        let url = match self.database.direct_url.as_str() {
            "" => self.api_pool()?.url,
            url => url.to_owned(),
        };
        Ok(PoolSettings::new(url))
    }

    /// The shared server beside the database, where there is one.
    fn valkey(&self) -> Result<Option<Valkey>, ValkeyUrlError> {
        let answer_time = Duration::from_millis(self.cache.valkey_timeout_ms);
        let url = self.cache.valkey_url.as_str();
        (!url.is_empty()).then(|| Valkey::new(url, answer_time)).transpose()
    }

    /// Settings of the server; certificate and key are read by [`Server::tls`].
    pub fn api_settings(&self) -> anyhow::Result<ApiSettings> {
        Ok(ApiSettings {
            // `check` has refused an address that is none.
            valkey: self.valkey().ok().flatten(),
            nonces_in_valkey: self.authentication.nonces == "valkey",
            proposals_bound: CacheBound {
                entries_max: self.cache.proposals_max_capacity,
                age_max: Duration::from_secs(self.cache.proposals_ttl_seconds),
            },
            leaderboards_bound: CacheBound {
                entries_max: self.cache.leaderboards_max_capacity,
                age_max: Duration::from_secs(self.cache.leaderboards_ttl_seconds),
            },
            anonymous_rpm: self.rate_limiting.anonymous_rpm,
            authenticated_rpm: self.rate_limiting.authenticated_rpm,
            authorities: self.authentication.authorities.clone(),
            trusted_proxies: self.server.trusted_proxies.clone(),
            cache_bytes: self.cache.budget_mb.saturating_mul(1 << 20),
            request_timeout: Duration::from_millis(self.server.request_timeout_ms),
            decimals: self.server.decimals,
            streams: StreamSettings {
                max_subscribers: self.streams.max_subscribers,
                max_subscribers_per_ip: self.streams.max_subscribers_per_ip,
                lifetime: Duration::from_secs(self.streams.lifetime_seconds),
                ..StreamSettings::default()
            },
            requests_max: usize::try_from(self.server.max_requests)?,
            connections: self.server.connection_limits()?,
            ..ApiSettings::default()
        })
    }

    /// Settings of the indexer.
    pub fn indexer_settings(&self) -> IndexerSettings {
        let bulk = self.indexer.bulk_threshold_blocks;
        IndexerSettings {
            sync_from_block: self.chain.sync_from_block,
            batch_blocks: self.indexer.batch_size,
            sync_interval: Duration::from_millis(self.indexer.sync_interval_ms),
            finality_depth: self.indexer.finality_depth,
            allow_deep_reorg: self.indexer.allow_deep_reorg,
            bulk_threshold_blocks: (bulk > 0).then_some(bulk),
            shorter_branch_patience: Duration::from_millis(self.indexer.shorter_branch_patience_ms),
            event_retention: Duration::from_secs(self.indexer.event_retention_days * 24 * 3_600),
            feeds: FeedSettings {
                round_min: Duration::from_millis(self.indexer.feed_interval_min_ms),
                round_max: Duration::from_millis(self.indexer.feed_interval_max_ms),
                ..FeedSettings::default()
            },
            oracles: OracleSettings {
                long_poll: Duration::from_millis(self.oracles.long_poll_ms),
                probe: Duration::from_millis(self.oracles.probe_interval_ms),
                ..OracleSettings::default()
            },
            leaderboard_interval: Duration::from_millis(self.indexer.leaderboard_interval_ms),
            now_ms: chert_indexer::wall_clock_ms,
            ..IndexerSettings::default()
        }
    }
}

fn within(key: &str, value: u64, low: u64, high: u64) -> anyhow::Result<()> {
    ensure!((low..=high).contains(&value), "{key} is {value}; it must be {low} to {high}");
    Ok(())
}

/// One sentence per mistake: where it is, which key, what to do.
fn explain(error: &figment::Error) -> anyhow::Error {
    let mistakes = error.clone().into_iter().map(|one| {
        let place = one.metadata.as_ref().map_or_else(
            || "configuration".to_owned(),
            |m| m.source.as_ref().map_or_else(|| m.name.to_string(), ToString::to_string),
        );
        let key = one.path.join(".");
        // The list of all keys would hide the one that is wrong.
        let what = match &one.kind {
            Kind::UnknownField(name, _) => format!("there is no key {name}"),
            other => other.to_string(),
        };
        format!("{place}: {key}: {what}; config/api.toml lists every key with its default")
    });
    anyhow::anyhow!(mistakes.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let figment = Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(text));
        let config: Config = figment.extract().map_err(|e| explain(&e).to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn defaults_are_those_of_the_mission() {
        let config = load("").expect("the documented defaults are valid");
        assert_eq!((config.server.port, config.server.grpc_port), (8080, 9090));
        assert_eq!(config.server.host, "127.0.0.1");
        assert_eq!((config.database.max_connections, config.database.min_connections), (100, 5));
        assert_eq!((config.indexer.batch_size, config.indexer.sync_interval_ms), (100, 1000));
        assert_eq!(config.rate_limiting.anonymous_rpm, 100);
        assert_eq!(config.cache.identities_ttl_seconds, 3600);
        assert!(config.api_settings().unwrap().valkey.is_none());
    }

    #[test]
    fn mistakes_are_named_with_a_remedy() {
        let check = |text: &str, part: &str| {
            let error = load(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        };
        check("[server]\nprot = 1", "prot");
        check("[server]\nport = 70000", "server.port");
        check("[server]\nport = \"x\"", "server.port");
        check("[indexer]\nbatch_size = 0", "indexer.batch_size is 0; it must be 1 to 1000");
        check("[telemetry]\nlog_format = \"xml\"", "telemetry.log_format");
        check("[chain]\nrpc_url = \"nowhere\"", "is not a URL");
        check("[nonsense]\na = 1", "nonsense");
        check("[oracles]\nlong_poll_ms = 40000", "oracles.long_poll_ms is 40000");
        check("[streams]\nlifetime_seconds = 1", "streams.lifetime_seconds is 1");
        check("[cache]\nvalkey_url = \"nowhere\"", "cache.valkey_url");
        check("[cache]\nvalkey_timeout_ms = 0", "cache.valkey_timeout_ms is 0");
        check("[authentication]\nnonces = \"valkey\"", "set cache.valkey_url, too");
        check("[authentication]\nnonces = \"file\"", "authentication.nonces must be");
        check("[indexer]\nfeed_interval_max_ms = 5", "indexer.feed_interval_max_ms is 5");
    }
}
