//! Requests per client: the generic cell rate algorithm, in process and, where a Valkey is
//! configured, over all instances.
//!
//! Every request counts for its address first. One that turns out to be signed by an identity counts
//! for the identity instead and is given back to the address: whoever signs badly, or with a key
//! that no identity links (anybody can make such keys), stays within the limit of the address.
//!
//! The process counts in any case. What it refuses is refused, without asking Valkey: a flood costs
//! nobody else anything. What it allows, Valkey may refuse for what other instances allowed; the
//! process remembers what Valkey said. So when Valkey goes away, is emptied or comes back, every
//! client goes on with the budget it had as far as this instance knows, never with a fresh one.
//!
//! Written out rather than taken from a crate because an answer of 304 gives its request back,
//! which the crates do not offer.

mod local;
mod shared;

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use silica_models::IdentityId;

use crate::error::{Kind, Problem};
use crate::state::ApiState;
use crate::valkey::Valkey;
use local::LocalLimiter;
use shared::{NAME_BYTES, SharedLimiter};

/// Seconds over which the limit counts.
const WINDOW_S: u64 = 60;
const NS_PER_S: u64 = 1_000_000_000;
/// The smallest price: what Valkey counts in.
const NS_PER_US: u64 = 1_000;
const US_PER_S: u64 = 1_000_000;

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
    /// Requests per minute of an address and of an identity, 0 for no limit; over all instances
    /// that use `valkey`.
    pub fn new(anonymous_rpm: u32, authenticated_rpm: u32, valkey: Option<&Valkey>) -> Self {
        let limiter = |policy, quota| RateLimiter::per_minute(policy, quota, valkey);
        Self {
            anonymous: limiter(Policy::Anonymous, anonymous_rpm),
            authenticated: limiter(Policy::Authenticated, authenticated_rpm),
        }
    }

    fn of(&self, policy: Policy) -> Option<&RateLimiter> {
        match policy {
            Policy::Anonymous => self.anonymous.as_ref(),
            Policy::Authenticated => self.authenticated.as_ref(),
        }
    }

    /// Counts a request of an address; `None` where addresses have no limit.
    pub async fn check_address(&self, address: IpAddr, cost: u32) -> Option<Verdict> {
        let limiter = self.anonymous.as_ref()?;
        Some(limiter.spend(limiter.client_of_address(address), cost).await)
    }

    /// Counts a request of an identity; `None` where identities have no limit.
    pub async fn check_identity(&self, identity: &IdentityId, cost: u32) -> Option<Verdict> {
        let limiter = self.authenticated.as_ref()?;
        Some(limiter.spend(limiter.client_of_identity(identity), cost).await)
    }
}

/// What a request costs of which budget, as time: a budget is whole again after `burst_ns`.
#[derive(Debug, Clone, Copy)]
struct Price {
    cost_ns: u64,
    burst_ns: u64,
}

impl Price {
    /// Of so many requests where `quota` a minute are allowed.
    fn of(quota: u32, requests: u32) -> Self {
        let one_ns = (WINDOW_S * US_PER_S / u64::from(quota.max(1))).max(1) * NS_PER_US;
        Self { cost_ns: one_ns * u64::from(requests), burst_ns: one_ns * u64::from(quota) }
    }
}

/// What a limiter says to a request.
#[derive(Debug, Clone, Copy)]
struct Spending {
    allowed: bool,
    /// Used of the budget with this request, whether it may run or not.
    used_ns: u64,
}

/// Somebody with a budget.
#[derive(Debug, Clone, Copy)]
struct Client {
    /// In the memory of this process.
    here: u128,
    /// For all instances.
    name: [u8; NAME_BYTES],
}

/// The budgets under one policy.
struct RateLimiter {
    policy: Policy,
    quota: u32,
    header: HeaderValue,
    local: LocalLimiter,
    shared: Option<SharedLimiter>,
}

/// What the limit says about one request.
#[derive(Debug, Clone)]
pub struct Verdict {
    policy: Policy,
    client: Client,
    header: HeaderValue,
    /// What the request counted for.
    cost: u32,
    /// Whether all instances know that it counted.
    shared: bool,
    allowed: bool,
    remaining: u64,
    /// Until the budget is whole again, or, when refused, until the next request may come.
    reset_s: u64,
}

impl RateLimiter {
    /// A limit of so many requests per minute; 0 for none.
    fn per_minute(policy: Policy, quota: u32, valkey: Option<&Valkey>) -> Option<Self> {
        if quota == 0 {
            return None;
        }
        let header = format!("\"{}\";q={quota};w={WINDOW_S}", policy.name());
        Some(Self {
            policy,
            quota,
            header: HeaderValue::from_str(&header).ok()?,
            local: LocalLimiter::new(),
            shared: valkey.cloned().map(SharedLimiter::new),
        })
    }

    fn client_of_address(&self, address: IpAddr) -> Client {
        let here = block_of(address);
        Client { here, name: name_of(Policy::Anonymous, &here.to_be_bytes()) }
    }

    fn client_of_identity(&self, identity: &IdentityId) -> Client {
        let here = self.local.client_of(&identity.0);
        Client { here, name: name_of(Policy::Authenticated, &identity.0) }
    }

    async fn spend(&self, client: Client, requests: u32) -> Verdict {
        let price = Price::of(self.quota, requests);
        let here = self.local.spend_at(client.here, price, self.local.now_ns());
        let Some(shared) = self.shared.as_ref().filter(|_| here.allowed) else {
            return self.verdict(client, requests, here, false);
        };
        // On the heap: requests of servers without a Valkey do not carry its state along.
        let Some(there) = Box::pin(shared.spend(client.name, price)).await else {
            metrics::counter!("chert_rate_limit_local_total").increment(1);
            return self.verdict(client, requests, here, false);
        };
        let known_ns = match there.allowed {
            true => there.used_ns,
            false => {
                self.local.give_back(client.here, price);
                there.used_ns.saturating_sub(price.cost_ns)
            }
        };
        self.local.raise(client.here, known_ns, self.local.now_ns());
        self.verdict(client, requests, there, true)
    }

    async fn give_back(&self, verdict: &Verdict) {
        let price = Price::of(self.quota, verdict.cost);
        self.local.give_back(verdict.client.here, price);
        if let Some(shared) = self.shared.as_ref().filter(|_| verdict.shared) {
            Box::pin(shared.give_back(verdict.client.name, price)).await;
        }
    }

    fn verdict(&self, client: Client, cost: u32, said: Spending, shared: bool) -> Verdict {
        let Price { cost_ns: one_ns, burst_ns } = Price::of(self.quota, 1);
        let Spending { allowed, used_ns } = said;
        let reset_ns = if allowed { used_ns } else { used_ns.saturating_sub(burst_ns) };
        Verdict {
            policy: self.policy,
            client,
            header: self.header.clone(),
            cost,
            shared,
            allowed,
            remaining: burst_ns.saturating_sub(used_ns) / one_ns * u64::from(allowed),
            reset_s: reset_ns.div_ceil(NS_PER_S),
        }
    }
}

/// One client per IPv4 address or IPv6 /64, the smallest block a subscriber is given.
pub fn block_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => (u128::from(v6) >> 64) | (1 << 127),
    }
}

/// A client of a policy, in one length.
fn name_of(policy: Policy, id: &[u8]) -> [u8; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    name[0] = match policy {
        Policy::Anonymous => b'a',
        Policy::Authenticated => b'i',
    };
    for (place, byte) in name.iter_mut().skip(1).zip(id) {
        *place = *byte;
    }
    name
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
    pub async fn refund(self, api: &ApiState) -> Self {
        if let Some(limiter) = api.limits().of(self.policy) {
            limiter.give_back(&self).await;
        }
        Self { remaining: self.remaining + u64::from(self.cost), ..self }
    }

    /// Counts further requests of the same client: calls that came in one body.
    pub async fn spend_more(&self, api: &ApiState, requests: u32) -> Self {
        match api.limits().of(self.policy) {
            Some(limiter) => limiter.spend(self.client, requests).await,
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

    fn limiter(policy: Policy, quota: u32) -> RateLimiter {
        RateLimiter::per_minute(policy, quota, None).unwrap()
    }

    #[tokio::test]
    async fn expensive_requests_take_more_and_need_it_all() {
        let limiter = limiter(Policy::Authenticated, 10);
        let one = limiter.client_of_identity(&IdentityId([1; 32]));
        let spend = async |cost| limiter.spend(one, cost).await;
        assert_eq!((spend(5).await.remaining, spend(2).await.remaining), (5, 3));
        assert!(!spend(5).await.allowed());
        let last = spend(3).await;
        assert_eq!(last.remaining, 0);
        limiter.give_back(&last).await;
        assert!(spend(3).await.allowed() && !spend(1).await.allowed());
        for route in ["/v1/identity/{id}/wallets/verify", "/v1/identity/search"] {
            assert!(cost(route) > 1 && crate::routes::PATHS.contains(&route), "{route}");
        }
        assert_eq!(cost("/v1/explorer/blocks"), 1);
    }

    #[tokio::test]
    async fn identities_have_budgets_of_their_own() {
        let limits = RateLimits::new(1, 2, None);
        let (one, two) = (IdentityId([1; 32]), IdentityId([2; 32]));
        assert_eq!(limits.check_identity(&one, 1).await.unwrap().remaining, 1);
        assert!(limits.check_identity(&one, 1).await.unwrap().allowed());
        let refused = limits.check_identity(&one, 1).await.unwrap();
        assert_eq!((refused.allowed(), refused.remaining, refused.reset_s), (false, 0, 30));
        assert!(limits.check_identity(&two, 1).await.unwrap().allowed());
        let address = "1.2.3.4".parse().unwrap();
        assert!(limits.check_address(address, 1).await.unwrap().allowed());
        assert!(!limits.check_address(address, 1).await.unwrap().allowed());
        let mut headers = HeaderMap::new();
        refused.write(&mut headers);
        assert_eq!(headers[POLICY], "\"auth\";q=2;w=60");
        assert!(headers[STATE].to_str().unwrap().starts_with("\"auth\";r=0;t="));
        assert!(RateLimits::new(0, 0, None).check_identity(&one, 1).await.is_none());
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client() {
        let limiter = limiter(Policy::Anonymous, 1);
        let client = |text: &str| {
            let client = limiter.client_of_address(text.parse().unwrap());
            (client.here, client.name)
        };
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:1.2.3.4"), client("1.2.3.4"));
    }

    #[test]
    fn prices_are_exact_for_quotas_that_divide_a_minute_and_never_nothing() {
        assert_eq!(Price::of(100, 2).cost_ns, 1_200_000_000);
        assert_eq!(Price::of(100, 1).burst_ns, 60 * NS_PER_S);
        assert!(Price::of(u32::MAX, 1).cost_ns > 0);
    }
}
