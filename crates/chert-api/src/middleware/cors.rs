//! Any web page may read the API: it serves public data and knows no cookies.

use axum::http::{HeaderMap, HeaderValue, Method, header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, accept, authorization, x-api-key, x-request-id, traceparent, if-none-match, \
     signature, signature-input, content-digest, x-grpc-web, x-user-agent, grpc-timeout",
);
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "chert-indexed-height, chert-indexed-hash, chert-finalized-height, chert-lag-ms, etag, \
     ratelimit, ratelimit-policy, retry-after, x-request-id, chert-authentication, \
     www-authenticate, accept-signature, grpc-status, grpc-message, grpc-status-details-bin, \
     problem-type",
);
const ANY: HeaderValue = HeaderValue::from_static("*");
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("86400");

/// Writes the headers; those of a preflight on `OPTIONS`.
pub fn write(headers: &mut HeaderMap, method: &Method) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    if *method == Method::OPTIONS {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
    }
}
