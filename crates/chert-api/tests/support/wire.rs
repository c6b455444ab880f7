//! gRPC by hand over HTTP/2: frames and headers as they are on the wire, so that they can be wrong.
#![allow(dead_code, clippy::unwrap_used, missing_docs, reason = "tests")]

use std::future::poll_fn;
use std::pin::pin;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

pub struct Wire {
    sender: SendRequest<Body>,
    authority: String,
}

#[derive(Debug)]
pub struct Answer {
    pub code: Code,
    pub headers: HeaderMap,
    /// Frames and all.
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of a good answer.
    #[track_caller]
    pub fn message<M: Message + Default>(&self) -> M {
        assert_eq!(self.code, Code::Ok, "{}", self.header("grpc-message"));
        M::decode(&self.body[5..]).unwrap()
    }

    #[track_caller]
    pub fn assert_refused(&self, code: Code, slug: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.header("problem-type"), format!("urn:chert:problem:{slug}"));
        assert_eq!(self.header("content-type"), "application/grpc");
        assert!(self.headers.contains_key("grpc-status-details-bin"));
        assert!(self.headers.contains_key("x-request-id"));
        assert!(self.headers.contains_key("chert-indexed-height"));
        assert!(!self.header("grpc-message").is_empty());
    }
}

/// A message in its frame.
pub fn frame(message: &impl Message) -> Vec<u8> {
    frame_bytes(0, &message.encode_to_vec())
}

pub fn frame_bytes(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![flag];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}

/// Streams of one connection that a server allows at the same time, by its first SETTINGS frame
/// (RFC 9113 §6.5).
pub async fn streams_max(url: &str) -> u32 {
    const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "the first frame is SETTINGS");
    let mut settings = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    stream.read_exact(&mut settings).await.unwrap();
    let setting = settings.chunks(6).find(|setting| setting[..2] == MAX_CONCURRENT_STREAMS);
    u32::from_be_bytes(setting.unwrap()[2..].try_into().unwrap())
}

impl Wire {
    /// A connection to a server like `http://127.0.0.1:9090`.
    pub async fn connect(url: &str) -> Self {
        Self::connect_with(url, 1 << 16).await
    }

    /// A connection that takes so many bytes of a stream until somebody reads them.
    pub async fn connect_with(url: &str, window_bytes: u32) -> Self {
        let authority = url.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&authority).await.unwrap();
        let mut client = Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(window_bytes);
        let (sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, authority }
    }

    /// Sends a request; what the answer says first.
    pub async fn open(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Response<Incoming> {
        let mut request = Request::post(format!("http://{}{path}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.sender.clone().send_request(request).await.unwrap();
        assert_eq!(response.status(), 200, "gRPC says everything with 200");
        response
    }

    pub async fn call(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let response = self.open(path, headers, body).await;
        let (parts, body) = response.into_parts();
        let mut headers = parts.headers;
        let mut body = pin!(body);
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let frame = frame.unwrap();
            match frame.into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => headers.extend(frame.into_trailers().unwrap()),
            }
        }
        let code = Code::from_bytes(headers["grpc-status"].as_bytes());
        Answer { code, headers, body: bytes }
    }
}
