//! How fast the chain is served over HTTP, in transactions per second of one core.
//!
//! `cargo run --release -p chert-devnet --example generation_speed`

use std::error::Error;
use std::time::Instant;

use chert_devnet::{Chain, ChainConfig, Profile, Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PAGES: u64 = 100;
const BLOCKS_PER_PAGE: u64 = 1000;
const TXS_PER_BLOCK: u64 = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let profile = Profile::fixed(TXS_PER_BLOCK);
    let chain = Chain::new(ChainConfig { history: 1_000_000, profile, ..ChainConfig::default() });
    let server = Server::start(chain, ServerConfig::default()).await?;
    let addr = server.url().trim_start_matches("http://").to_owned();
    let started = Instant::now();
    let mut bytes = 0;
    for page in 0..PAGES {
        let from_height = 1_000_000 - page * BLOCKS_PER_PAGE;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"get_blocks","params":[{BLOCKS_PER_PAGE},true,{from_height}]}}"#
        );
        let head = "POST / HTTP/1.1\r\nHost: devnet\r\nConnection: close\r\nContent-Length: ";
        let mut stream = TcpStream::connect(&addr).await?;
        stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        let mut answer = Vec::new();
        bytes += stream.read_to_end(&mut answer).await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let txs = (PAGES * BLOCKS_PER_PAGE * TXS_PER_BLOCK) as f64;
    println!("{:.0} tx/s, {:.0} MB/s", txs / seconds, bytes as f64 / 1e6 / seconds);
    server.shutdown().await;
    Ok(())
}
