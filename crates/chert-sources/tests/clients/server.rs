//! A small HTTP server whose answers a test writes down.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

const BODY_BYTES_MAX: usize = 1024 * 1024;

/// One request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Path and query.
    pub target: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// A running server; it ends with the test's runtime.
pub struct Server {
    /// Its URL.
    pub url: url::Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers every request with what `answer` makes of it.
    pub async fn start<R: IntoResponse>(
        answer: impl Fn(&Seen) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let handler = move |request: Request| {
            let (noted, answer) = (Arc::clone(&noted), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, BODY_BYTES_MAX).await.expect("a small body");
                let target = parts.uri.to_string();
                let request = Seen { target, headers: parts.headers, body };
                let response: Response = answer(&request).into_response();
                noted.lock().expect("no panic").push(request);
                response
            }
        };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let app = Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let url = format!("http://{address}").parse().expect("a URL");
        Self { url, seen }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
}
