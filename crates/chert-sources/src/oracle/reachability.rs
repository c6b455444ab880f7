//! Whether an oracle answers. Its work feed is another matter and not read here.

use std::time::Duration;

use url::Url;

use crate::{Fault, SourceError};

const TIMEOUT: Duration = Duration::from_secs(5);

/// A probe of one oracle: `GET /health` (contract oracle-feed §4.1).
#[derive(Debug)]
pub struct OracleProbe {
    http: reqwest::Client,
    base: Url,
}

impl OracleProbe {
    /// A probe of the oracle at `base`.
    pub fn new(base: Url) -> Result<Self, SourceError> {
        // Fails when the process has installed a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| SourceError::new(Fault::Unreachable, e.to_string()))?;
        Ok(Self { http, base })
    }

    /// The URL without credentials.
    pub fn name(&self) -> String {
        crate::http::name_of(&self.base)
    }

    /// Asks once.
    pub async fn probe(&self) -> Result<(), SourceError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/health", url.path().trim_end_matches('/')));
        let answer = self.http.get(url).send().await.map_err(|e| {
            let fault = if e.is_timeout() { Fault::Timeout } else { Fault::Unreachable };
            SourceError::new(fault, "no answer to GET /health")
        })?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(SourceError::new(Fault::HttpStatus, format!("HTTP {}", answer.status().as_u16())))
    }
}
