//! Compression, and entity tags that stay strong under it.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, NotForContentType, Predicate, SizeAbove};

use super::conditional::ENCODINGS;
use crate::answer::depends_on_viewer;

/// Bodies below this do not gain from compression, in bytes.
const COMPRESS_BYTES_MIN: u64 = 1024;
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
const ENCODING_AND_SIGNER: HeaderValue =
    HeaderValue::from_static("accept-encoding, signature-input");

/// Compresses text on the fly with the fastest settings: answers are small and often new. Streams of
/// events leave as they are: a compressor would keep the latest back.
pub fn layer() -> CompressionLayer<And<And<SizeAbove, NotForContentType>, NotForContentType>> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(
        SizeAbove::new(COMPRESS_BYTES_MIN)
            .and(NotForContentType::IMAGES)
            .and(NotForContentType::SSE),
    )
}

/// Gives each encoding of a body its own entity tag.
pub fn tag_encoding(response: &mut Response) {
    let headers = response.headers_mut();
    let Some(entity_tag) = headers.get(header::ETAG) else { return };
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|e| e.to_str().ok());
    if let Some(encoding) = encoding.filter(|e| ENCODINGS.contains(e))
        && let Some(bare) = entity_tag.to_str().ok().and_then(|tag| tag.strip_suffix('"'))
        && let Ok(tagged) = HeaderValue::from_str(&format!("{bare}-{encoding}\""))
    {
        headers.insert(header::ETAG, tagged);
    }
    let vary = if depends_on_viewer(headers) { ENCODING_AND_SIGNER } else { ACCEPT_ENCODING };
    headers.insert(header::VARY, vary);
}
