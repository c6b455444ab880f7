//! The private PostgreSQL of `up`: started with it, started again when it ends by itself, stopped last.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use chert_postgres::{Options, PrivatePostgres};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

const NAME: &str = "chert";
/// Connections beside those of the API: the indexer's, and a few to look.
const SPARE_CONNECTIONS: u32 = 20;
const SHARED_BUFFERS_MB: u32 = 512;
/// How often is looked whether it still runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two attempts to start it again where the last one failed.
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// A server that somebody looks after.
pub(super) struct Database {
    keeper: JoinHandle<PrivatePostgres>,
    stop: CancellationToken,
}

impl Database {
    /// Starts it, and names it in the configuration; `None` where that names a database already.
    pub(super) async fn start(
        config: &mut Config,
        data_dir: &Path,
    ) -> anyhow::Result<Option<Self>> {
        if !config.database.url.is_empty() {
            return Ok(None);
        }
        std::fs::create_dir_all(data_dir).with_context(|| {
            let dir = data_dir.display();
            format!("cannot create {dir}; choose another directory with --data-dir")
        })?;
        eprintln!("starting a private PostgreSQL in {}", data_dir.join("postgres").display());
        let postgres = PrivatePostgres::start(Options {
            data_dir: data_dir.join("postgres"),
            durable: true,
            port: None,
            max_connections: config.database.max_connections + SPARE_CONNECTIONS,
            shared_buffers_mb: SHARED_BUFFERS_MB,
            extra: vec![("max_wal_size".into(), "4GB".into())],
        })
        .await?;
        postgres.ensure_database(NAME).await?;
        config.database.url = postgres.url(NAME);
        config.database.direct_url.clear();
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keep(postgres, stop.clone()));
        Ok(Some(Self { keeper, stop }))
    }

    /// Stops it.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let postgres = self.keeper.await.context("what looks after PostgreSQL panicked")?;
        if !postgres.is_running() {
            return Ok(());
        }
        postgres.stop().await.context("the private PostgreSQL did not stop")
    }
}

/// Nobody else would start it: whoever runs `up` has no server of their own that does.
async fn keep(mut postgres: PrivatePostgres, stop: CancellationToken) -> PrivatePostgres {
    let mut pause = LOOK_EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return postgres,
            () = tokio::time::sleep(pause) => pause = LOOK_EVERY,
        }
        if postgres.is_running() {
            continue;
        }
        eprintln!("the private PostgreSQL has ended; starting it again");
        match postgres.restart().await {
            Ok(()) => eprintln!("the private PostgreSQL runs again"),
            Err(error) => {
                let seconds = RETRY_EVERY.as_secs();
                eprintln!("chert: {error}; the next attempt comes in {seconds} s");
                pause = RETRY_EVERY;
            }
        }
    }
}
