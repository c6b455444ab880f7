//! Requests in odd shapes: too long, ambiguous, compressed, several at once.

use super::{answer, assert_well, limits, serve, status_of};

const CLOSE: &str = "host: x\r\nconnection: close\r\n";

#[tokio::test]
async fn long_heads_are_refused_in_words() {
    let server = serve(limits()).await;
    let headers = format!("GET /health HTTP/1.1\r\n{CLOSE}a: {}\r\n\r\n", "y".repeat(50_000));
    let refused = answer(server, headers).await;
    assert_eq!(status_of(&refused), 431, "{refused}");
    assert!(refused.contains("urn:chert:problem:headers-too-large"), "{refused}");
    let uri = format!("GET /health?{} HTTP/1.1\r\n{CLOSE}\r\n", "y".repeat(9_000));
    let refused = answer(server, uri).await;
    assert_eq!(status_of(&refused), 414, "{refused}");
    assert!(refused.contains("urn:chert:problem:uri-too-long"), "{refused}");
    // Beyond what is read at all, the protocol's own answer; or the end of the connection, which
    // may come while we still send.
    let huge = format!("GET /health HTTP/1.1\r\n{CLOSE}a: {}\r\n\r\n", "y".repeat(1 << 20));
    assert!(matches!(status_of(&answer(server, huge).await), 0 | 431));
    let many = format!("GET /health HTTP/1.1\r\n{CLOSE}{}\r\n", "a: b\r\n".repeat(101));
    assert!(matches!(status_of(&answer(server, many).await), 0 | 431));
    assert_well(server).await;
}

#[tokio::test]
async fn compressed_bodies_are_not_unpacked() {
    let server = serve(limits()).await;
    for coding in ["gzip", "br", "deflate", "gzip, identity", "x"] {
        let request = format!(
            "POST /jsonrpc HTTP/1.1\r\n{CLOSE}content-encoding: {coding}\r\ncontent-length: 3\r\n\r\nabc"
        );
        let refused = answer(server, request).await;
        assert_eq!(status_of(&refused), 415, "{coding}: {refused}");
        assert!(refused.contains("urn:chert:problem:encoding-refused"), "{refused}");
    }
    let long = format!(
        "POST /jsonrpc HTTP/1.1\r\n{CLOSE}transfer-encoding: chunked\r\n\r\n20000\r\n{}\r\n0\r\n\r\n",
        "y".repeat(0x20000)
    );
    assert_eq!(status_of(&answer(server, long).await), 413);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = serve(limits()).await;
    let paths = ["/health", "/nowhere", "/health", "/v1/nowhere"];
    let mut requests: String =
        paths.map(|path| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).concat();
    requests.push_str(&format!("GET /style.css HTTP/1.1\r\n{CLOSE}\r\n"));
    let answers = answer(server, requests).await;
    let statuses: Vec<u16> =
        answers.split("HTTP/1.1 ").skip(1).map(|a| a[..3].parse().unwrap()).collect();
    assert_eq!(statuses, [200, 404, 200, 404, 200]);
}

/// What another server in between might understand differently gets no second meaning here: it is
/// refused, or it is the last thing heard on its connection.
#[tokio::test]
async fn ambiguous_lengths_smuggle_nothing() {
    let server = serve(limits()).await;
    let hidden = "GET /style.css HTTP/1.1\r\nhost: x\r\n\r\n";
    for headers in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: 4, 5\r\n",
        "content-length: +4\r\n",
        "content-length: -4\r\n",
        "content-length: 0x4\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "content-length: 4\r\n folded: 1\r\n",
    ] {
        let request =
            format!("POST /jsonrpc HTTP/1.1\r\nhost: x\r\n{headers}\r\n0\r\n\r\n{hidden}");
        let answers = answer(server, request).await;
        assert_eq!(answers.matches("HTTP/1.").count(), 1, "{headers:?}: {answers}");
        assert!(!answers.contains("text/css"), "{headers:?}: {answers}");
    }
    for broken in [
        "GET /health HTTP/1.1\r\nhost: x\r\n a: folded\r\n\r\n",
        "GET /health HTTP/1.1\r\na\0b: c\r\n\r\n",
        "GET /health HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET  /health  HTTP/1.1\r\nhost: x\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let refused = answer(server, broken).await;
        assert!(matches!(status_of(&refused), 0 | 400 | 505), "{broken:?}: {refused}");
    }
    assert_well(server).await;
}

#[tokio::test]
async fn odd_targets_are_paths_or_nothing() {
    let server = serve(limits()).await;
    for (line, status) in [
        ("GET http://elsewhere.example/health", 200),
        ("OPTIONS *", 204),
        ("GET //health", 404),
        ("GET /../health", 404),
        ("GET /health/", 404),
        ("GET /%2e%2e/health", 404),
        ("GET /health%00", 400),
        ("CONNECT elsewhere.example:443", 404),
        ("TRACE /health", 405),
        ("BREW /health", 405),
    ] {
        let answer = answer(server, format!("{line} HTTP/1.1\r\n{CLOSE}\r\n")).await;
        assert_eq!(status_of(&answer), status, "{line}: {answer}");
        assert!(!answer.to_lowercase().contains("elsewhere"), "{line}: {answer}");
    }
}
