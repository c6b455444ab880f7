//! Budgets in the memory of one process, bounded.
//!
//! Per client one number is kept: the time at which its budget is whole again.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{Price, Spending};

/// Clients remembered at most. Beyond it one with a full budget is forgotten.
const CLIENTS_MAX: usize = 100_000;
const SHARDS: usize = 64;
const SHARD_CLIENTS_MAX: usize = CLIENTS_MAX / SHARDS;
/// Clients compared when one has to be forgotten.
const EVICTION_SAMPLE: usize = 16;

/// The budgets that this process knows of.
pub(super) struct LocalLimiter {
    started: Instant,
    hasher: RandomState,
    other_hasher: RandomState,
    /// Client → nanoseconds since `started` at which the budget is whole again.
    shards: Vec<Mutex<HashMap<u128, u64>>>,
}

impl LocalLimiter {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            hasher: RandomState::new(),
            other_hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect(),
        }
    }

    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A name that its owner chose, as a client: hashed with secrets of this process, so that
    /// nobody can make one that shares another's budget.
    pub fn client_of(&self, name: &[u8]) -> u128 {
        let high = u128::from(self.hasher.hash_one(name));
        (high << 64) | u128::from(self.other_hasher.hash_one(name))
    }

    pub fn spend_at(&self, client: u128, price: Price, now_ns: u64) -> Spending {
        let whole_at = self.with_shard(client, |shard| {
            let whole_at = shard.get(&client).copied().unwrap_or(0).max(now_ns) + price.cost_ns;
            if whole_at - now_ns > price.burst_ns {
                return Err(whole_at);
            }
            put(shard, client, whole_at);
            Ok(whole_at)
        });
        match whole_at {
            Ok(at) => Spending { allowed: true, used_ns: at - now_ns },
            Err(at) => Spending { allowed: false, used_ns: at - now_ns },
        }
    }

    pub fn give_back(&self, client: u128, price: Price) {
        self.with_shard(client, |shard| {
            if let Some(whole_at) = shard.get_mut(&client) {
                *whole_at = whole_at.saturating_sub(price.cost_ns);
            }
        });
    }

    /// Takes over that a client has spent so much, where less is known here.
    pub fn raise(&self, client: u128, used_ns: u64, now_ns: u64) {
        self.with_shard(client, |shard| {
            let whole_at = now_ns.saturating_add(used_ns);
            if shard.get(&client).is_none_or(|known| *known < whole_at) {
                put(shard, client, whole_at);
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

fn put(shard: &mut HashMap<u128, u64>, client: u128, whole_at: u64) {
    if shard.len() >= SHARD_CLIENTS_MAX && !shard.contains_key(&client) {
        make_room(shard);
    }
    shard.insert(client, whole_at);
}

/// Forgets the client with the fullest budget among a few: forgetting it gives away least. Looking
/// at all of them would let a flood of addresses cost more than it does.
fn make_room(shard: &mut HashMap<u128, u64>) {
    let few = shard.iter().take(EVICTION_SAMPLE);
    if let Some(fullest) = few.min_by_key(|(_, whole_at)| **whole_at).map(|(client, _)| *client) {
        shard.remove(&fullest);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::NS_PER_S;
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate_and_refunds() {
        let limiter = LocalLimiter::new();
        let price = Price::of(60, 1);
        let start = 5 * NS_PER_S;
        for spent in 1..=60 {
            let used = limiter.spend_at(1, price, start);
            assert_eq!((used.allowed, used.used_ns), (true, spent * NS_PER_S));
        }
        let refused = limiter.spend_at(1, price, start);
        assert_eq!((refused.allowed, refused.used_ns), (false, 61 * NS_PER_S));
        limiter.give_back(1, price);
        assert!(limiter.spend_at(1, price, start).allowed);
        assert!(!limiter.spend_at(1, price, start).allowed);
        assert!(limiter.spend_at(1, price, start + NS_PER_S).allowed);
        assert!(limiter.spend_at(2, price, start).allowed);
    }

    #[test]
    fn memory_is_bounded_and_a_spender_is_not_forgotten_first() {
        let limiter = LocalLimiter::new();
        let price = Price::of(2, 1);
        limiter.spend_at(u128::MAX, price, 1);
        limiter.spend_at(u128::MAX, price, 1);
        for client in 0..200_000 {
            limiter.spend_at(client, price, 1);
            limiter.raise(client + 200_000, 1, 1);
        }
        let clients: usize = limiter.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(clients <= CLIENTS_MAX, "{clients}");
        assert!(!limiter.spend_at(u128::MAX, price, 1).allowed);
    }

    #[test]
    fn what_others_know_only_ever_raises() {
        let limiter = LocalLimiter::new();
        let price = Price::of(60, 1);
        limiter.raise(1, 59 * NS_PER_S, NS_PER_S);
        limiter.raise(1, NS_PER_S, NS_PER_S);
        assert!(limiter.spend_at(1, price, NS_PER_S).allowed);
        assert!(!limiter.spend_at(1, price, NS_PER_S).allowed);
    }
}
