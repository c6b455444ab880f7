//! Nonces of signed requests, each good for one request on all instances together.
//!
//! Not derived from the chain: the API writes them itself (design invariant 10).

mod index;
pub use index::*;
