//! What a child process does.

use std::ffi::OsString;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use chert::cli::{Command, DatabaseArgs, GlobalArgs, ListenArgs, ServeArgs};
use chert_devnet::{Profile, Server, ServerConfig};
use clap::Parser;

use crate::blocks;
use crate::scale::{LIVE_BATCH_BLOCKS, TXS_PER_BLOCK};

/// A process of its own for something measured; not for people
#[derive(Debug, Parser)]
enum Role {
    /// The API server
    Serve {
        #[arg(long)]
        database_url: String,
    },
    /// A bare axum handler
    Bare {
        #[arg(long)]
        body_bytes: usize,
    },
    /// A node
    Node {
        #[arg(long)]
        blocks: u64,
    },
    /// A writer at full speed
    Backfill {
        #[arg(long)]
        database_url: String,
    },
}

/// Runs the role that the arguments name.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let role = Role::parse_from(arguments);
    std::thread::spawn(|| {
        // The parent never writes: the end of the input is the end of the parent.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let outcome = match role {
        Role::Serve { database_url } => {
            let database = DatabaseArgs { database_url: Some(database_url) };
            let listen = ListenArgs { http: Some(free), grpc: Some(free) };
            let command = Command::Serve(ServeArgs { database, listen });
            return chert::run(command, &GlobalArgs::default());
        }
        Role::Bare { body_bytes } => on_runtime(bare(free, body_bytes)),
        Role::Node { blocks } => on_runtime(node(blocks)),
        Role::Backfill { database_url } => on_runtime(backfill(database_url)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chert-bench child: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn on_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// No middleware, one static body; the listener is set up like the API's.
async fn bare(free: SocketAddr, body_bytes: usize) -> anyhow::Result<()> {
    let body = Bytes::from(vec![b' '; body_bytes]);
    let answer = move || {
        let body = body.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], body) }
    };
    let router = Router::new().route("/{*path}", get(answer));
    let listener = tokio::net::TcpListener::bind(free).await?;
    println!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // Only slower where it fails.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn node(blocks: u64) -> anyhow::Result<()> {
    let chain = blocks::chain(Profile::fixed(TXS_PER_BLOCK), blocks);
    let server = Server::start(chain, ServerConfig::default()).await?;
    println!("{}", server.url());
    std::future::pending().await
}

/// Blocks beyond what any run needs: history costs nothing.
const BACKFILL_BLOCKS: u64 = 100_000_000;

async fn backfill(url: String) -> anyhow::Result<()> {
    let chain = blocks::chain(Profile::whale(TXS_PER_BLOCK), BACKFILL_BLOCKS);
    let mut writer = blocks::open_writer(&url).await?;
    let mut told = false;
    blocks::extend(&mut writer, &chain, BACKFILL_BLOCKS, LIVE_BATCH_BLOCKS, |height| {
        // Once: nobody reads more.
        if !std::mem::replace(&mut told, true) {
            println!("block {height}");
        }
    })
    .await
}
