//! Frames written by hand: no honest client sends these.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PATIENCE, assert_well, exchange, limits, serve};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `:method GET`, `:scheme http`, `:path /` of the static table, and an `:authority` (RFC 7541).
const GET_ROOT: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ENHANCE_YOUR_CALM: u32 = 0xb;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A connection's beginning, then these frames.
fn begin(frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frames.into_iter().flatten());
    bytes
}

/// Kind, flags, stream and payload of each frame.
fn frames_of(mut bytes: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        frames.push((head[3], head[4], stream, payload.to_vec()));
        bytes = after;
    }
    frames
}

/// The code with which the server ended the connection.
async fn last_words(server: SocketAddr, bytes: &[u8]) -> Option<u32> {
    let received = exchange(server, bytes).await;
    let frames = frames_of(&received);
    let bye = frames.iter().rev().find(|(kind, ..)| *kind == GO_AWAY)?;
    Some(u32::from_be_bytes(bye.3[4..8].try_into().unwrap()))
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &GET_ROOT)
}

#[tokio::test]
async fn an_honest_client_is_answered_and_told_the_limits() {
    let server = serve(limits()).await;
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&begin([get(1)])).await.unwrap();
    let mut received = Vec::new();
    let answered = async {
        loop {
            let frames = frames_of(&received);
            if let Some(headers) = frames.iter().find(|f| f.0 == HEADERS && f.2 == 1) {
                // `:status 200` of the static table.
                assert_eq!(headers.3[0], 0x88);
                let settings = frames.iter().find(|f| f.0 == SETTINGS && f.1 == 0).unwrap();
                // SETTINGS_MAX_CONCURRENT_STREAMS is 3.
                let streams = settings.3.chunks(6).find(|s| s[1] == 3).unwrap();
                assert_eq!(streams[2..], 100u32.to_be_bytes());
                return;
            }
            let mut more = [0; 4096];
            let count = stream.read(&mut more).await.unwrap();
            assert!(count > 0, "closed without an answer");
            received.extend(&more[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_end_the_connection() {
    let server = serve(limits()).await;
    // CANCEL is 8.
    let pair = |n: u32| [get(2 * n + 1), frame(RST_STREAM, 0, 2 * n + 1, &8u32.to_be_bytes())];
    let bytes = begin((0..10_000).flat_map(pair));
    assert_eq!(last_words(server, &bytes).await, Some(ENHANCE_YOUR_CALM));
    assert_well(server).await;
}

#[tokio::test]
async fn streams_that_we_are_made_to_reset_end_the_connection() {
    let server = serve(limits()).await;
    // A window update of zero is the sender's error: the stream is ours to reset (CVE-2025-8671).
    let pair = |n: u32| [get(2 * n + 1), frame(8, 0, 2 * n + 1, &0u32.to_be_bytes())];
    let bytes = begin((0..10_000).flat_map(pair));
    assert!(last_words(server, &bytes).await.is_some_and(|code| code != 0));
    assert_well(server).await;
}

#[tokio::test]
async fn headers_without_an_end_end_the_connection() {
    let server = serve(limits()).await;
    // A literal header without indexing: name `a`, value of 127 + 3 969 bytes.
    let mut header = vec![0x00, 0x01, b'a', 0x7f, 0x81, 0x1f];
    header.extend(vec![b'y'; 4_096]);
    let more = || frame(CONTINUATION, 0, 1, &header);
    let bytes = begin(
        [frame(HEADERS, END_STREAM, 1, &GET_ROOT)].into_iter().chain((0..2_000).map(|_| more())),
    );
    assert!(last_words(server, &bytes).await.is_some_and(|code| code != 0));
    assert_well(server).await;
}
