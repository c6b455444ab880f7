//! A finished answer: body, consistency headers, entity tag and how long it may be kept.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use chert_store::Checkpoint;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Problem;
use crate::middleware::conditional;

/// Height that the answer was read at.
pub const INDEXED_HEIGHT: HeaderName = HeaderName::from_static("chert-indexed-height");
/// Hash of that block.
pub const INDEXED_HASH: HeaderName = HeaderName::from_static("chert-indexed-hash");
/// Highest block that no reorganisation may remove.
pub const FINALIZED_HEIGHT: HeaderName = HeaderName::from_static("chert-finalized-height");
/// How far behind the node the answer is.
pub const LAG_MS: HeaderName = HeaderName::from_static("chert-lag-ms");

/// How long a client may keep an answer that the tip can change.
pub const TIP_MAX_AGE: Duration = Duration::from_secs(2);
const TIP_CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=2");
const FINAL_CACHE_CONTROL: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE_CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");
const PRIVATE_CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");
/// For answers that must not be kept.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ENTITY_TAG_BYTES: usize = 16;
const BODY_BYTES_GUESS: usize = 1024;
/// Headers of an answer when the edge has added its own: the map grows once.
const HEADERS_GUESS: usize = 24;

/// How long an answer stays true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// For ever: everything in it is finalized.
    Final,
    /// Until the tip moves.
    Tip,
    /// Until the next response, which the client must ask for: what identities show may change
    /// with any of their registry updates.
    Revalidate,
    /// Not even until the next request.
    Never,
}

/// The consistency headers of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    height: HeaderValue,
    hash: HeaderValue,
    finalized: HeaderValue,
    lag_ms: HeaderValue,
}

impl Consistency {
    /// Headers of a checkpoint that was read at `now_ms`.
    pub fn of(checkpoint: &Checkpoint, now_ms: i64) -> Self {
        let hash = HeaderValue::from_str(&hex::encode(&checkpoint.hash));
        Self {
            height: HeaderValue::from(checkpoint.height),
            // Hex is always a valid header value.
            hash: hash.unwrap_or_else(|_| HeaderValue::from_static("")),
            finalized: HeaderValue::from(checkpoint.finalized_height),
            lag_ms: HeaderValue::from(checkpoint.lag_ms(now_ms)),
        }
    }

    /// Whether these are of the checkpoint that a tag names.
    pub(crate) fn is_of(&self, tag: &str) -> bool {
        let (height, hash) = tag.split_once(':').unwrap_or_default();
        self.height == height && self.hash == hash
    }

    /// The four values, to be kept outside of the process.
    pub(crate) fn to_values(&self) -> [&[u8]; 4] {
        [&self.height, &self.hash, &self.finalized, &self.lag_ms].map(HeaderValue::as_bytes)
    }

    /// From values that were kept; `None` where they cannot be ours.
    pub(crate) fn of_values([height, hash, finalized, lag_ms]: [&[u8]; 4]) -> Option<(Self, i64)> {
        let number = |text: &[u8]| -> Option<i64> {
            let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            (number.to_string().as_bytes() == text).then_some(number)
        };
        let digits = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let (number_of_block, hash) = (number(height)?, hash.iter().all(digits).then_some(hash)?);
        let consistency = Self {
            height: HeaderValue::from(number_of_block),
            hash: HeaderValue::from_bytes(hash).ok()?,
            finalized: HeaderValue::from(number(finalized)?),
            lag_ms: HeaderValue::from(number(lag_ms)?),
        };
        Some((consistency, number_of_block))
    }

    /// Writes the four headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(INDEXED_HEIGHT, self.height.clone());
        headers.insert(INDEXED_HASH, self.hash.clone());
        headers.insert(FINALIZED_HEIGHT, self.finalized.clone());
        headers.insert(LAG_MS, self.lag_ms.clone());
    }
}

/// A finished answer. Cheap to share.
#[derive(Debug)]
pub struct Answer {
    body: Bytes,
    entity_tag: String,
    entity_tag_header: HeaderValue,
    consistency: Consistency,
    height: i64,
    freshness: Freshness,
    read_at: Instant,
}

impl Answer {
    /// Serialises a body that was read together with `checkpoint`.
    pub fn json(
        checkpoint: &Checkpoint,
        freshness: Freshness,
        body: &impl Serialize,
    ) -> Result<Self, Problem> {
        let read_at = Instant::now();
        let mut bytes = Vec::with_capacity(BODY_BYTES_GUESS);
        serde_json::to_writer(&mut bytes, body).map_err(Problem::internal)?;
        let consistency = (Consistency::of(checkpoint, now_ms()), checkpoint.height);
        Self::of(Bytes::from(bytes), consistency, freshness, read_at)
    }

    /// An answer that was kept for `age` outside of the process, with the block it was read at.
    pub(crate) fn restored(
        body: Bytes,
        consistency: (Consistency, i64),
        freshness: Freshness,
        age: Duration,
    ) -> Option<Self> {
        Self::of(body, consistency, freshness, Instant::now().checked_sub(age)?).ok()
    }

    fn of(
        body: Bytes,
        (consistency, height): (Consistency, i64),
        freshness: Freshness,
        read_at: Instant,
    ) -> Result<Self, Problem> {
        let digest = Sha256::digest(&body);
        let entity_tag = hex::encode(digest.get(..ENTITY_TAG_BYTES).unwrap_or_default());
        let entity_tag_header =
            HeaderValue::from_str(&format!("\"{entity_tag}\"")).map_err(Problem::internal)?;
        Ok(Self { body, entity_tag, entity_tag_header, consistency, height, freshness, read_at })
    }

    /// How long it stays true.
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Headers of the snapshot it was read from.
    pub fn consistency(&self) -> &Consistency {
        &self.consistency
    }

    /// Height of that snapshot.
    pub fn height(&self) -> i64 {
        self.height
    }

    /// The same answer, found to be still true at another checkpoint.
    pub(crate) fn read_again(&self, checkpoint: &Checkpoint) -> Self {
        Self {
            body: self.body.clone(),
            entity_tag: self.entity_tag.clone(),
            entity_tag_header: self.entity_tag_header.clone(),
            consistency: Consistency::of(checkpoint, now_ms()),
            height: checkpoint.height,
            freshness: self.freshness,
            read_at: Instant::now(),
        }
    }

    /// Names the body, whatever else is said with it.
    pub(crate) fn entity_tag(&self) -> &str {
        &self.entity_tag
    }

    /// Time since it was read.
    pub(crate) fn age(&self) -> Duration {
        self.read_at.elapsed()
    }

    /// Bytes that keeping it takes.
    pub fn weight(&self) -> usize {
        self.body.len() + std::mem::size_of::<Self>() + 2 * ENTITY_TAG_BYTES
    }

    /// The HTTP response: the body, or 304 where the client has it.
    pub fn respond(&self, if_none_match: Option<&HeaderValue>) -> Response {
        let known = if_none_match.and_then(|tags| conditional::matching(tags, &self.entity_tag));
        let mut response = match known {
            Some(_) => Response::new(Body::empty()),
            None => Response::new(Body::from(self.body.clone())),
        };
        let headers = response.headers_mut();
        headers.reserve(HEADERS_GUESS);
        self.consistency.write(headers);
        self.write_caching(headers);
        match known {
            Some(entity_tag) => {
                headers.insert(header::ETAG, entity_tag);
                *response.status_mut() = StatusCode::NOT_MODIFIED;
            }
            None => {
                headers.insert(header::ETAG, self.entity_tag_header.clone());
                headers.insert(header::CONTENT_TYPE, JSON);
            }
        }
        response
    }

    fn write_caching(&self, headers: &mut HeaderMap) {
        let cache_control = match self.freshness {
            Freshness::Final => FINAL_CACHE_CONTROL,
            Freshness::Tip => TIP_CACHE_CONTROL,
            Freshness::Revalidate => REVALIDATE_CACHE_CONTROL,
            Freshness::Never => NO_STORE,
        };
        headers.insert(header::CACHE_CONTROL, cache_control);
        let age_ms = self.age().as_millis();
        if self.freshness == Freshness::Tip && age_ms > 0 {
            // Rounded up: a client must not keep the body beyond what max-age promises.
            let seconds = u32::try_from(age_ms.div_ceil(1000)).unwrap_or(u32::MAX);
            headers.insert(header::AGE, HeaderValue::from(seconds));
        }
    }
}

/// Makes the answer to a signed request one that no shared cache keeps.
pub fn make_private(headers: &mut HeaderMap) {
    if headers.get(header::CACHE_CONTROL).is_some_and(|kept| *kept != NO_STORE) {
        headers.insert(header::CACHE_CONTROL, PRIVATE_CACHE_CONTROL);
        headers.remove(header::AGE);
    }
}

/// Whether an answer may differ for somebody who signs.
pub fn depends_on_viewer(headers: &HeaderMap) -> bool {
    let kept = headers.get(header::CACHE_CONTROL);
    kept.is_some_and(|kept| *kept == REVALIDATE_CACHE_CONTROL || *kept == PRIVATE_CACHE_CONTROL)
}

/// The clock, Unix milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
