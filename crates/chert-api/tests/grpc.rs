//! gRPC on the wire: what surrounds the methods, over real sockets. That the methods say what REST
//! says is e2e's to show (`grpc_equality.rs`).
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "support/signer.rs"]
mod signer;
mod support;
#[path = "support/wire.rs"]
mod wire;

use std::time::Duration;

use chert_api::ApiSettings;
use chert_api::stream::StreamSettings;
use chert_proto::v1;
use chert_proto::v1::explorer_service_client::ExplorerServiceClient;
use reqwest::{Method, StatusCode};
use signer::{Key, Request};
use support::{TestServer, WHALE, run_sql, settings};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt;
use wire::{Answer, Wire, frame, frame_bytes, streams_max};

const GET_BLOCK: &str = "/chert.api.v1.ExplorerService/GetBlock";
const GET_BALANCE: &str = "/chert.api.v1.ExplorerService/GetBalance";
const GET_STATUS: &str = "/chert.api.v1.StatusService/GetStatus";
const POUW_STATS: &str = "/chert.api.v1.PouwService/GetPouwStats";
const SUBSCRIBE: &str = "/chert.api.v1.EventService/SubscribeBlocks";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const PRIVATE: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn block(height: &str) -> Vec<u8> {
    frame(&v1::GetBlockRequest { height: height.to_owned() })
}

#[tokio::test]
async fn a_generated_client_reads_compressed_pages() {
    let server = TestServer::start(60, 2).await;
    let mut client = ExplorerServiceClient::connect(server.grpc.clone())
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let mut request = v1::ListBlocksRequest { limit: Some(25), ..v1::ListBlocksRequest::default() };
    let mut heights = Vec::new();
    loop {
        let answer = client.list_blocks(request.clone()).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");
        assert_eq!(answer.metadata().get("chert-indexed-height").unwrap(), "59");
        let page = answer.into_inner();
        heights.extend(page.items.iter().map(|item| item.height));
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(heights, (0..60).rev().collect::<Vec<_>>());
    let missing = v1::GetBlockRequest { height: "60".to_owned() };
    let status = client.get_block(missing).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "There is no such block."));
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("not-found", "chert.api.v1"));
}

#[tokio::test]
async fn what_is_not_a_call_is_refused_in_words() {
    let server = TestServer::start(3, 1).await;
    let wire = Wire::connect(&server.grpc).await;
    for path in ["/chert.api.v1.ExplorerService/Nothing", "/no.Service/GetBlock", "/"] {
        let answer = wire.call(path, &[], block("1")).await;
        answer.assert_refused(Code::Unimplemented, "method-not-allowed");
    }
    let call = |body: Vec<u8>| wire.call(GET_BLOCK, &[], body);
    let whole = block("1");
    let garbage = [
        Vec::new(),
        whole[..3].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        frame_bytes(7, &[]),
        frame_bytes(1, &whole[5..]),
        frame_bytes(0, &[0xff, 0xff, 0xff]),
        frame_bytes(0, b"\x0a\x02\xff\xfe"),
    ];
    for body in garbage {
        call(body).await.assert_refused(Code::InvalidArgument, "invalid-parameter");
    }
    call(block("")).await.assert_refused(Code::InvalidArgument, "invalid-parameter");
    let answer = wire.call(GET_BLOCK, &[("grpc-encoding", "br")], frame_bytes(1, &[])).await;
    assert_eq!(answer.code, Code::Unimplemented, "{answer:?}");
    assert!(answer.header("grpc-accept-encoding").contains("gzip"));
    assert_eq!(call(whole).await.message::<v1::BlockView>().height, 1);
    assert_eq!(streams_max(&server.grpc).await, 100);
}

#[tokio::test]
async fn messages_are_bounded_also_when_compressed() {
    let server = TestServer::start(3, 1).await;
    let wire = Wire::connect(&server.grpc).await;
    let large = block(&"1".repeat(64 << 10));
    wire.call(GET_BLOCK, &[], large.clone())
        .await
        .assert_refused(Code::ResourceExhausted, "body-too-large");
    // 64 MiB of zeros, compressed a thousand times: a stored deflate block per 64 KiB would not do.
    let bomb = frame_bytes(1, &gzip(64 << 20));
    assert!(bomb.len() < 128 << 10, "{}", bomb.len());
    let answer = wire.call(GET_BLOCK, &[("grpc-encoding", "gzip")], bomb).await;
    answer.assert_refused(Code::ResourceExhausted, "body-too-large");
    // Below the limit of the body, above that of the URI.
    let long = block(&"1".repeat(9 << 10));
    wire.call(GET_BLOCK, &[], long).await.assert_refused(Code::InvalidArgument, "uri-too-long");
}

fn gzip(zeros: u64) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    let zeros = std::io::repeat(0).take(zeros);
    flate2::read::GzEncoder::new(zeros, flate2::Compression::best()).read_to_end(&mut out).unwrap();
    out
}

#[tokio::test]
async fn the_clients_deadline_is_kept() {
    let patient = ApiSettings {
        balance_wait: Duration::from_secs(20),
        request_timeout: Duration::from_secs(600),
        ..settings()
    };
    let server = TestServer::start_with(3, 1, patient).await;
    let wire = Wire::connect(&server.grpc).await;
    // Nobody reads this balance: without a deadline the answer would come after 20 s and be a good one.
    let balance = frame(&v1::GetBalanceRequest { addr: WHALE.to_owned() });
    for timeout in ["30m", "1n", "0S"] {
        let answer = wire.call(GET_BALANCE, &[("grpc-timeout", timeout)], balance.clone()).await;
        answer.assert_refused(Code::DeadlineExceeded, "timeout");
    }
    let answer = wire.call(GET_BLOCK, &[("grpc-timeout", "99999999H")], block("1")).await;
    assert_eq!(answer.code, Code::Ok);
    let answer = wire.call(GET_BLOCK, &[("grpc-timeout", "soon")], block("1")).await;
    answer.assert_refused(Code::InvalidArgument, "invalid-parameter");
}

#[tokio::test]
async fn calls_and_requests_have_one_budget() {
    let server = TestServer::start_with(3, 1, ApiSettings { anonymous_rpm: 6, ..settings() }).await;
    let wire = Wire::connect(&server.grpc).await;
    let first = wire.call(GET_BLOCK, &[("x-request-id", "mine")], block("1")).await;
    assert_eq!(first.header("ratelimit-policy"), "\"anon\";q=6;w=60");
    assert!(first.header("ratelimit").starts_with("\"anon\";r=5;"));
    assert_eq!(first.header("x-request-id"), "mine");
    let search = frame(&v1::SearchRequest { q: "1".to_owned() });
    let costly = wire.call("/chert.api.v1.ExplorerService/Search", &[], search).await;
    assert!(costly.header("ratelimit").starts_with("\"anon\";r=3;"));
    assert_eq!(server.get("/v1/explorer/blocks").await.status, StatusCode::OK);
    // What is refused counts as well, and what names nothing.
    wire.call(GET_BLOCK, &[], block("x")).await;
    wire.call("/no.Service/Method", &[], Vec::new()).await;
    let refused = wire.call(GET_BLOCK, &[], block("1")).await;
    refused.assert_refused(Code::ResourceExhausted, "rate-limited");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(refused.header("ratelimit").starts_with("\"anon\";r=0;"));
    server.get("/v1/explorer/blocks").await.assert_problem(429, "rate-limited");
    let health = frame(&HealthCheckRequest { service: String::new() });
    assert_eq!(wire.call(HEALTH, &[], health).await.code, Code::Ok);
}

/// The private identity, and the key of its wallet.
async fn plant_private(server: &TestServer) -> Key {
    let key = Key::ed25519(1);
    let account = key.account();
    let address = silica_models::Address::parse(&account).unwrap().key().to_uuid();
    let sql = format!(
        "INSERT INTO identities (identity_id, display_name, stats_visibility, created_at,
             updated_at, profile_version, last_synced_block, wallet_count)
         VALUES ('\\x{PRIVATE}', 'x', 'private', 1, 1, 1, 1, 1);
         INSERT INTO wallet_links (identity_id, wallet_address, wallet_key, link_type,
             proof_signature, created_at, last_synced_block)
         VALUES ('\\x{PRIVATE}', '{account}', '{address}', 'main', '', 1, 1);"
    );
    run_sql(&server.pool, &sql).await;
    key
}

async fn signed(wire: &Wire, request: &Request, key: &Key, body: Vec<u8>) -> Answer {
    let headers = request.sign(key);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    wire.call(&request.target, &headers, body).await
}

#[tokio::test]
async fn a_signed_call_is_the_owners() {
    let limits = ApiSettings { anonymous_rpm: 20, ..settings() };
    let server = TestServer::start_with(3, 1, limits).await;
    let key = plant_private(&server).await;
    let wire = Wire::connect(&server.grpc).await;
    let body = frame(&v1::GetPouwStatsRequest { identity_id: PRIVATE.to_owned() });
    let hidden = wire.call(POUW_STATS, &[], body.clone()).await;
    hidden.assert_refused(Code::PermissionDenied, "stats-hidden");
    let request = || {
        let mut request = Request::post(&server.grpc, POUW_STATS, "");
        request.body = Some(body.clone());
        request
    };
    let first = request();
    let own = signed(&wire, &first, &key, body.clone()).await;
    assert_eq!(own.message::<v1::PouwStatsView>().identity_id, PRIVATE);
    assert_eq!(own.header("chert-authentication"), "identity");
    assert!(own.header("ratelimit").starts_with("\"auth\";r=999;"));
    // Signed for another method, with another message, again, and by somebody else.
    let mut elsewhere = request();
    elsewhere.target = GET_STATUS.to_owned();
    let headers = elsewhere.sign(&key);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let moved = wire.call(POUW_STATS, &headers, body.clone()).await;
    let changed = signed(&wire, &request(), &key, block("1")).await;
    let again = signed(&wire, &first, &key, body.clone()).await;
    for (answer, reason) in
        [(moved, "bad-signature"), (changed, "digest-mismatch"), (again, "replayed")]
    {
        answer.assert_refused(Code::Unauthenticated, "signature-refused");
        assert!(answer.header("www-authenticate").starts_with("Signature"));
        let details = tonic::Status::from_header_map(&answer.headers).unwrap().get_error_details();
        assert_eq!(details.error_info().unwrap().reason, reason);
    }
    let stranger = signed(&wire, &request(), &Key::ed25519(3), body).await;
    stranger.assert_refused(Code::PermissionDenied, "stats-hidden");
    assert_eq!(stranger.header("chert-authentication"), "account");
}

#[tokio::test]
async fn health_is_told_by_service() {
    // Blocks without a node: nothing says that they are the chain's newest.
    let server = TestServer::start(3, 1).await;
    let wire = Wire::connect(&server.grpc).await;
    let check = async |service: &str| {
        let request = frame(&HealthCheckRequest { service: service.to_owned() });
        for _ in 0..300 {
            let answer = wire.call(HEALTH, &[], request.clone()).await;
            if answer.code != Code::NotFound || service == "nothing" {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no status of {service}");
    };
    assert_eq!(check("nothing").await.code, Code::NotFound);
    for (service, serving) in [
        ("chert.api.v1.StatusService", true),
        ("chert.api.v1.PouwService", true),
        ("chert.api.v1.ExplorerService", false),
        ("chert.api.v1.IdentityService", false),
        ("", false),
    ] {
        let status = check(service).await.message::<HealthCheckResponse>().status;
        assert_eq!(status == 1, serving, "{service}: {status}");
    }
    let metrics = server.get("/metrics").await;
    let metrics = String::from_utf8(metrics.bytes).unwrap();
    assert!(metrics.contains("chert_grpc_requests_total{method=\"/grpc.health.v1.Health/"));
}

#[tokio::test]
async fn a_stream_that_nobody_reads_gives_its_place_back() {
    let streams = StreamSettings {
        max_subscribers_per_ip: 1,
        heartbeat: Duration::from_millis(5),
        behind_max: Duration::from_millis(100),
        ..StreamSettings::default()
    };
    let server = TestServer::start_with(3, 1, ApiSettings { streams, ..settings() }).await;
    let stalled = Wire::connect_with(&server.grpc, 1).await;
    let request = frame(&v1::SubscribeBlocksRequest::default());
    let unread = stalled.open(SUBSCRIBE, &[], request.clone()).await;
    assert!(!unread.headers().contains_key("grpc-status"), "{unread:?}");
    let wire = Wire::connect(&server.grpc).await;
    let refused = wire.open(SUBSCRIBE, &[], request.clone()).await;
    let refused = refused.headers()["grpc-status"].to_str().unwrap().to_owned();
    assert_eq!(refused, (Code::ResourceExhausted as i32).to_string());
    for _ in 0..500 {
        let again = wire.open(SUBSCRIBE, &[], request.clone()).await;
        if !again.headers().contains_key("grpc-status") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place of a stream that nobody reads stays taken");
}

#[tokio::test]
async fn browsers_call_over_the_http_port() {
    let server = TestServer::start(3, 1).await;
    let web = |body: Vec<u8>| {
        let headers = [("content-type", "application/grpc-web+proto"), ("origin", "https://a.b")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let server = &server;
        async move { server.send_with(Method::POST, GET_BLOCK, &headers, Some(body)).await }
    };
    let good = web(block("2")).await;
    assert_eq!(good.status, StatusCode::OK);
    assert_eq!(good.header("content-type"), "application/grpc-web+proto");
    assert_eq!(good.header("access-control-allow-origin"), "*");
    assert!(good.header("access-control-expose-headers").contains("grpc-status"));
    assert_eq!(good.header("chert-indexed-height"), "2");
    let length = usize::try_from(u32::from_be_bytes(good.bytes[1..5].try_into().unwrap())).unwrap();
    let view: v1::BlockView = prost::Message::decode(&good.bytes[5..5 + length]).unwrap();
    assert_eq!(view.height, 2);
    // A frame with bit 7 set holds the trailers.
    assert_eq!(good.bytes[5 + length], 0x80);
    assert!(String::from_utf8_lossy(&good.bytes[5 + length..]).contains("grpc-status:0"));
    let missing = web(block("9")).await;
    assert_eq!((missing.status, missing.header("grpc-status")), (StatusCode::OK, "5"));
    assert_eq!(missing.header("problem-type"), "urn:chert:problem:not-found");
    assert_eq!(missing.header("content-type"), "application/grpc-web+proto");
    let preflight = server.send(Method::OPTIONS, GET_BLOCK, &[("origin", "https://a.b")]).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert!(preflight.header("access-control-allow-headers").contains("x-grpc-web"));
}
