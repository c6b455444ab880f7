//! Requests per minute and client: the generic cell rate algorithm, in process, bounded.
//!
//! Written out rather than taken from a crate because an answer of 304 gives its request back,
//! which the crates do not offer. Per client one number is kept: the time at which its budget is
//! whole again.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::error::{Kind, Problem};
use crate::state::ApiState;

/// Seconds over which the limit counts.
const WINDOW_S: u64 = 60;
const NS_PER_S: u64 = 1_000_000_000;
/// Clients remembered at most. Beyond it one with a full budget is forgotten.
const CLIENTS_MAX: usize = 100_000;
const SHARDS: usize = 64;
const SHARD_CLIENTS_MAX: usize = CLIENTS_MAX / SHARDS;
/// Clients compared when one has to be forgotten.
const EVICTION_SAMPLE: usize = 16;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Paths that are never counted: they are asked by machines that must not be refused.
pub fn is_free(path: &str) -> bool {
    matches!(path, "/health" | "/health/ready" | "/metrics")
}

/// The limit for clients without an identity.
pub struct RateLimiter {
    quota: u32,
    policy: HeaderValue,
    /// Nanoseconds that one request costs.
    cost_ns: u64,
    started: Instant,
    hasher: RandomState,
    /// Client → nanoseconds since `started` at which the budget is whole again.
    shards: Vec<Mutex<HashMap<u128, u64>>>,
}

/// What the limit says about one request.
#[derive(Debug, Clone)]
pub struct Verdict {
    client: u128,
    policy: HeaderValue,
    allowed: bool,
    remaining: u64,
    /// Until the budget is whole again, or, when refused, until the next request may come.
    reset_s: u64,
}

impl RateLimiter {
    /// A limit of so many requests per minute; 0 for none.
    pub fn per_minute(quota: u32) -> Option<Self> {
        if quota == 0 {
            return None;
        }
        let policy = format!("\"anon\";q={quota};w={WINDOW_S}");
        Some(Self {
            quota,
            policy: HeaderValue::from_str(&policy).ok()?,
            cost_ns: WINDOW_S * NS_PER_S / u64::from(quota),
            started: Instant::now(),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect(),
        })
    }

    /// Counts one request of a client.
    pub fn check(&self, address: IpAddr) -> Verdict {
        self.check_at(client_of(address), self.now_ns())
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn check_at(&self, client: u128, now_ns: u64) -> Verdict {
        let burst_ns = self.cost_ns * u64::from(self.quota);
        let whole_at = self.with_shard(client, |shard| {
            let whole_at = shard.get(&client).copied().unwrap_or(0).max(now_ns) + self.cost_ns;
            if whole_at - now_ns > burst_ns {
                return Err(whole_at);
            }
            if shard.len() >= SHARD_CLIENTS_MAX && !shard.contains_key(&client) {
                make_room(shard);
            }
            shard.insert(client, whole_at);
            Ok(whole_at)
        });
        let (allowed, used_ns) = match whole_at {
            Ok(at) => (true, at - now_ns),
            Err(at) => (false, at - now_ns),
        };
        let reset_ns = if allowed { used_ns } else { used_ns - burst_ns };
        Verdict {
            client,
            policy: self.policy.clone(),
            allowed,
            remaining: burst_ns.saturating_sub(used_ns) / self.cost_ns * u64::from(allowed),
            reset_s: reset_ns.div_ceil(NS_PER_S),
        }
    }

    fn give_back(&self, client: u128) {
        self.with_shard(client, |shard| {
            if let Some(whole_at) = shard.get_mut(&client) {
                *whole_at = whole_at.saturating_sub(self.cost_ns);
            }
        });
    }

    fn with_shard<T>(&self, client: u128, work: impl FnOnce(&mut HashMap<u128, u64>) -> T) -> T {
        let hash = self.hasher.hash_one(client) % SHARDS as u64;
        let index = usize::try_from(hash).unwrap_or(0);
        match self.shards.get(index) {
            Some(shard) => work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)),
            // The index is below the number of shards.
            None => work(&mut HashMap::new()),
        }
    }
}

/// Forgets the client with the fullest budget among a few: forgetting it gives away least. Looking
/// at all of them would let a flood of addresses cost more than it does.
fn make_room(shard: &mut HashMap<u128, u64>) {
    let few = shard.iter().take(EVICTION_SAMPLE);
    if let Some(fullest) = few.min_by_key(|(_, whole_at)| **whole_at).map(|(client, _)| *client) {
        shard.remove(&fullest);
    }
}

/// One client per IPv4 address or IPv6 /64, the smallest block a subscriber is given.
fn client_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => (u128::from(v6) >> 64) | (1 << 127),
    }
}

impl Verdict {
    /// Whether the request may run.
    pub fn allowed(&self) -> bool {
        self.allowed
    }

    /// The answer to a refused request.
    pub fn problem(&self) -> Problem {
        metrics::counter!("chert_rate_limited_total").increment(1);
        let detail = format!("Too many requests; try again in {} s.", self.reset_s);
        let mut problem = Problem::new(Kind::RateLimited, detail);
        problem.retry_after_s = Some(u32::try_from(self.reset_s).unwrap_or(u32::MAX));
        problem
    }

    /// Gives the request back: it turned out to be free.
    pub fn refund(self, api: &ApiState) -> Self {
        if let Some(limiter) = api.limiter() {
            limiter.give_back(self.client);
        }
        Self { remaining: self.remaining + 1, ..self }
    }

    /// Writes the two headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(POLICY, self.policy.clone());
        let state = format!("\"anon\";r={};t={}", self.remaining, self.reset_s);
        if let Ok(state) = HeaderValue::from_str(&state) {
            headers.insert(STATE, state);
        }
        if !self.allowed {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.reset_s));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate_and_refunds() {
        let limiter = RateLimiter::per_minute(60).unwrap();
        let start = 5 * NS_PER_S;
        for remaining in (0..60).rev() {
            let verdict = limiter.check_at(1, start);
            assert!(verdict.allowed());
            assert_eq!(verdict.remaining, remaining);
        }
        let refused = limiter.check_at(1, start);
        assert!(!refused.allowed());
        assert_eq!((refused.remaining, refused.reset_s), (0, 1));
        limiter.give_back(1);
        assert!(limiter.check_at(1, start).allowed());
        assert!(!limiter.check_at(1, start).allowed());
        assert!(limiter.check_at(1, start + NS_PER_S).allowed());
        assert!(limiter.check_at(2, start).allowed());
    }

    #[test]
    fn memory_is_bounded_and_a_spender_is_not_forgotten_first() {
        let limiter = RateLimiter::per_minute(2).unwrap();
        limiter.check_at(u128::MAX, 1);
        limiter.check_at(u128::MAX, 1);
        for client in 0..300_000 {
            limiter.check_at(client, 1);
        }
        let clients: usize = limiter.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(clients <= CLIENTS_MAX, "{clients}");
        assert!(!limiter.check_at(u128::MAX, 1).allowed());
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client() {
        let client = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:1.2.3.4"), client("1.2.3.4"));
    }
}
