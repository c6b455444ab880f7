//! Requests per client: the generic cell rate algorithm, in process, bounded.
//!
//! Every request counts for its address first. One that turns out to be signed by an identity counts
//! for the identity instead and is given back to the address: whoever signs badly, or with a key
//! that no identity links (anybody can make such keys), stays within the limit of the address.
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
use silica_models::IdentityId;

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

/// What a request of a route counts for. More than one where it makes us walk an index of texts,
/// ask the node, or verify a signature that the client chose.
pub fn cost(route: &str) -> u32 {
    match route {
        "/v1/identity/search" | "/v1/explorer/search" => 2,
        "/v1/governance/power/{identity_id}" => 2,
        "/v1/identity/{id}/wallets/verify" => 5,
        _ => 1,
    }
}

/// For whom a budget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// An address.
    Anonymous,
    /// An identity.
    Authenticated,
}

impl Policy {
    /// Its name in the headers.
    fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anon",
            Self::Authenticated => "auth",
        }
    }
}

/// The limits of a server.
pub struct RateLimits {
    anonymous: Option<RateLimiter>,
    authenticated: Option<RateLimiter>,
}

impl RateLimits {
    /// Requests per minute of an address and of an identity; 0 for no limit.
    pub fn new(anonymous_rpm: u32, authenticated_rpm: u32) -> Self {
        Self {
            anonymous: RateLimiter::per_minute(Policy::Anonymous, anonymous_rpm),
            authenticated: RateLimiter::per_minute(Policy::Authenticated, authenticated_rpm),
        }
    }

    fn of(&self, policy: Policy) -> Option<&RateLimiter> {
        match policy {
            Policy::Anonymous => self.anonymous.as_ref(),
            Policy::Authenticated => self.authenticated.as_ref(),
        }
    }

    /// Counts a request of an address; `None` where addresses have no limit.
    pub fn check_address(&self, address: IpAddr, cost: u32) -> Option<Verdict> {
        let limiter = self.anonymous.as_ref()?;
        Some(limiter.spend_at(client_of(address), cost, limiter.now_ns()))
    }

    /// Counts a request of an identity; `None` where identities have no limit.
    pub fn check_identity(&self, identity: &IdentityId, cost: u32) -> Option<Verdict> {
        let limiter = self.authenticated.as_ref()?;
        Some(limiter.spend_at(limiter.client_of_identity(identity), cost, limiter.now_ns()))
    }
}

/// The budgets under one policy.
struct RateLimiter {
    policy: Policy,
    quota: u32,
    header: HeaderValue,
    /// Nanoseconds that one request costs.
    cost_ns: u64,
    started: Instant,
    hasher: RandomState,
    other_hasher: RandomState,
    /// Client → nanoseconds since `started` at which the budget is whole again.
    shards: Vec<Mutex<HashMap<u128, u64>>>,
}

/// What the limit says about one request.
#[derive(Debug, Clone)]
pub struct Verdict {
    policy: Policy,
    client: u128,
    header: HeaderValue,
    /// What the request counted for.
    cost: u32,
    allowed: bool,
    remaining: u64,
    /// Until the budget is whole again, or, when refused, until the next request may come.
    reset_s: u64,
}

impl RateLimiter {
    /// A limit of so many requests per minute; 0 for none.
    fn per_minute(policy: Policy, quota: u32) -> Option<Self> {
        if quota == 0 {
            return None;
        }
        let header = format!("\"{}\";q={quota};w={WINDOW_S}", policy.name());
        Some(Self {
            policy,
            quota,
            header: HeaderValue::from_str(&header).ok()?,
            cost_ns: WINDOW_S * NS_PER_S / u64::from(quota),
            started: Instant::now(),
            hasher: RandomState::new(),
            other_hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect(),
        })
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// An identity as a client. Ids are chosen by their owners: hashed with secrets of this process,
    /// so that nobody can make one that shares another's budget.
    fn client_of_identity(&self, identity: &IdentityId) -> u128 {
        let high = u128::from(self.hasher.hash_one(identity));
        (high << 64) | u128::from(self.other_hasher.hash_one(identity))
    }

    fn spend_at(&self, client: u128, requests: u32, now_ns: u64) -> Verdict {
        let burst_ns = self.cost_ns * u64::from(self.quota);
        let cost_ns = self.cost_ns * u64::from(requests);
        let whole_at = self.with_shard(client, |shard| {
            let whole_at = shard.get(&client).copied().unwrap_or(0).max(now_ns) + cost_ns;
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
            policy: self.policy,
            client,
            header: self.header.clone(),
            cost: requests,
            allowed,
            remaining: burst_ns.saturating_sub(used_ns) / self.cost_ns * u64::from(allowed),
            reset_s: reset_ns.div_ceil(NS_PER_S),
        }
    }

    fn give_back(&self, client: u128, requests: u32) {
        self.with_shard(client, |shard| {
            if let Some(whole_at) = shard.get_mut(&client) {
                *whole_at = whole_at.saturating_sub(self.cost_ns * u64::from(requests));
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
pub(crate) fn client_of(address: IpAddr) -> u128 {
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

    /// Gives the request back: it turned out to be free, or another's.
    pub fn refund(self, api: &ApiState) -> Self {
        if let Some(limiter) = api.limits().of(self.policy) {
            limiter.give_back(self.client, self.cost);
        }
        Self { remaining: self.remaining + u64::from(self.cost), ..self }
    }

    /// Counts further requests of the same client: calls that came in one body.
    pub fn spend_more(&self, api: &ApiState, requests: u32) -> Self {
        match api.limits().of(self.policy) {
            Some(limiter) => limiter.spend_at(self.client, requests, limiter.now_ns()),
            None => self.clone(),
        }
    }

    /// Writes the two headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(POLICY, self.header.clone());
        let name = self.policy.name();
        let state = format!("\"{name}\";r={};t={}", self.remaining, self.reset_s);
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
        let limiter = RateLimiter::per_minute(Policy::Anonymous, 60).unwrap();
        let start = 5 * NS_PER_S;
        for remaining in (0..60).rev() {
            let verdict = limiter.spend_at(1, 1, start);
            assert!(verdict.allowed());
            assert_eq!(verdict.remaining, remaining);
        }
        let refused = limiter.spend_at(1, 1, start);
        assert!(!refused.allowed());
        assert_eq!((refused.remaining, refused.reset_s), (0, 1));
        limiter.give_back(1, 1);
        assert!(limiter.spend_at(1, 1, start).allowed());
        assert!(!limiter.spend_at(1, 1, start).allowed());
        assert!(limiter.spend_at(1, 1, start + NS_PER_S).allowed());
        assert!(limiter.spend_at(2, 1, start).allowed());
    }

    #[test]
    fn memory_is_bounded_and_a_spender_is_not_forgotten_first() {
        let limiter = RateLimiter::per_minute(Policy::Anonymous, 2).unwrap();
        limiter.spend_at(u128::MAX, 1, 1);
        limiter.spend_at(u128::MAX, 1, 1);
        for client in 0..300_000 {
            limiter.spend_at(client, 1, 1);
        }
        let clients: usize = limiter.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(clients <= CLIENTS_MAX, "{clients}");
        assert!(!limiter.spend_at(u128::MAX, 1, 1).allowed());
    }

    #[test]
    fn expensive_requests_take_more_and_need_it_all() {
        let limiter = RateLimiter::per_minute(Policy::Authenticated, 10).unwrap();
        let spend = |cost| limiter.spend_at(1, cost, NS_PER_S);
        assert_eq!((spend(5).remaining, spend(2).remaining), (5, 3));
        assert!(!spend(5).allowed());
        assert_eq!(spend(3).remaining, 0);
        limiter.give_back(1, 3);
        assert!(spend(3).allowed() && !spend(1).allowed());
        for route in ["/v1/identity/{id}/wallets/verify", "/v1/identity/search"] {
            assert!(cost(route) > 1 && crate::routes::PATHS.contains(&route), "{route}");
        }
        assert_eq!(cost("/v1/explorer/blocks"), 1);
    }

    #[test]
    fn identities_have_budgets_of_their_own() {
        let limits = RateLimits::new(1, 2);
        let (one, two) = (IdentityId([1; 32]), IdentityId([2; 32]));
        assert_eq!(limits.check_identity(&one, 1).unwrap().remaining, 1);
        assert!(limits.check_identity(&one, 1).unwrap().allowed());
        let refused = limits.check_identity(&one, 1).unwrap();
        assert!(!refused.allowed());
        assert!(limits.check_identity(&two, 1).unwrap().allowed());
        let address = "1.2.3.4".parse().unwrap();
        assert!(limits.check_address(address, 1).unwrap().allowed());
        assert!(!limits.check_address(address, 1).unwrap().allowed());
        let mut headers = HeaderMap::new();
        refused.write(&mut headers);
        assert_eq!(headers[POLICY], "\"auth\";q=2;w=60");
        assert!(headers[STATE].to_str().unwrap().starts_with("\"auth\";r=0;t="));
        assert!(RateLimits::new(0, 0).check_identity(&one, 1).is_none());
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client() {
        let client = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:1.2.3.4"), client("1.2.3.4"));
    }
}
