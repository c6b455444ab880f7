//! `[server]`: bounds of connections, and TLS.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use chert_api::{ConnectionLimits, Tls};

use super::{Server, within};

impl Server {
    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        within("server.request_timeout_ms", self.request_timeout_ms, 100, 60_000)?;
        within("server.decimals", self.decimals.into(), 0, 30)?;
        within("server.max_connections", self.max_connections.into(), 1, 1_000_000)?;
        within("server.max_requests", self.max_requests.into(), 1, 10_000_000)?;
        for (key, value) in [
            ("server.header_timeout_ms", self.header_timeout_ms),
            ("server.body_timeout_ms", self.body_timeout_ms),
            ("server.idle_timeout_ms", self.idle_timeout_ms),
            ("server.stall_timeout_ms", self.stall_timeout_ms),
        ] {
            within(key, value, 100, 3_600_000)?;
        }
        ensure!(
            self.tls_cert.is_empty() == self.tls_key.is_empty(),
            "server.tls_cert and server.tls_key belong together; set both or neither"
        );
        Ok(())
    }

    /// Bounds of connections.
    pub(super) fn connection_limits(&self) -> anyhow::Result<ConnectionLimits> {
        Ok(ConnectionLimits {
            connections_max: usize::try_from(self.max_connections)?,
            per_client_max: usize::try_from(self.max_connections_per_client)?,
            head_time_max: Duration::from_millis(self.header_timeout_ms),
            idle_time_max: Duration::from_millis(self.idle_timeout_ms),
            stall_time_max: Duration::from_millis(self.stall_timeout_ms),
            body_time_max: Duration::from_millis(self.body_timeout_ms),
        })
    }

    /// Certificate and key, where they are set.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn tls(&self) -> anyhow::Result<Option<Tls>> {
        if self.tls_cert.is_empty() {
            return Ok(None);
        }
        Ok(Some(Tls::load(Path::new(&self.tls_cert), Path::new(&self.tls_key))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn the_documented_limits_are_those_of_the_server() {
        let config = Config::load(None).expect("the documented defaults are valid");
        let settings = config.api_settings().expect("no files are named");
        assert_eq!(settings.connections, chert_api::ConnectionLimits::default());
        assert_eq!(settings.requests_max, chert_api::ApiSettings::default().requests_max);
        assert!(config.server.tls().expect("no files are named").is_none());
    }

    #[test]
    fn tls_needs_both_files_and_says_what_is_wrong_with_them() {
        let mut config = Config::load(None).expect("the documented defaults are valid");
        config.server.tls_cert = "/nowhere/cert.pem".to_owned();
        let error = config.check().expect_err("a certificate without a key").to_string();
        assert!(error.contains("belong together"), "{error}");
        config.server.tls_key = "/nowhere/key.pem".to_owned();
        config.check().expect("both are named");
        let error = config.server.tls().expect_err("neither is there").to_string();
        assert!(error.contains("server.tls_cert: /nowhere/cert.pem cannot be read"), "{error}");
    }
}
