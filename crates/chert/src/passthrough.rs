//! Reads that are not indexed, handed on to the configured nodes (`jsonrpc.passthrough`).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use chert_api::jsonrpc::{NodePassthrough, PassthroughError};
use chert_sources::RpcClient;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Config;

/// Time limit of one request to a node: the API does not wait longer anyway.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// The configured nodes, asked in their order.
pub struct Nodes(Vec<RpcClient>);

impl Nodes {
    /// Clients of the configured nodes; none where nothing is to be handed on.
    ///
    /// # Errors
    /// `jsonrpc.passthrough` without a node, or with something that is not a URL.
    pub fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        if !config.jsonrpc.passthrough {
            return Ok(None);
        }
        let urls = config.node_urls();
        anyhow::ensure!(
            !urls.is_empty(),
            "jsonrpc.passthrough needs a node; set chain.rpc_url or CHERT_API__CHAIN__RPC_URL"
        );
        let clients = urls.iter().map(|url| {
            let parsed = url
                .parse()
                .with_context(|| format!("{url} is not a node URL like http://127.0.0.1:8545"))?;
            Ok(RpcClient::new(parsed, REQUEST_TIMEOUT)?)
        });
        Ok(Some(Self(clients.collect::<anyhow::Result<_>>()?)))
    }
}

impl NodePassthrough for Nodes {
    fn call(
        &self,
        method: &'static str,
        params: Value,
    ) -> Pin<Box<dyn Future<Output = Result<Box<RawValue>, PassthroughError>> + Send + '_>> {
        Box::pin(async move {
            let mut failure = PassthroughError("no node".to_owned());
            for node in &self.0 {
                match node.call(method, params.clone()).await {
                    Ok(result) => return Ok(result),
                    Err(error) => failure = PassthroughError(error.to_string()),
                }
            }
            Err(failure)
        })
    }
}
