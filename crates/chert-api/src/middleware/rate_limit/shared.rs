//! Budgets that all instances draw on, in Valkey.
//!
//! One script per request reads the clock of Valkey, so that instances whose clocks differ agree,
//! and decides in one step. What it finds under a key that cannot be its own counts as nothing.

use std::sync::{Arc, LazyLock};

use redis::Script;
use sha2::{Digest, Sha256};

use super::{Price, Spending};
use crate::valkey::{Link, PREFIX, Purpose, SECRET_BYTES, Valkey};

const NS_PER_US: u64 = 1_000;
/// Longest name of a client: an identity and the policy before it.
pub(super) const NAME_BYTES: usize = 33;
/// Bytes of the digest that stands for a client.
const KEY_BYTES: usize = 16;

/// KEYS: the client. ARGV: what the request costs, what the budget is, in microseconds.
/// Answers whether it may run, and what is used of the budget then; where refused, what would be.
static SPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local cost, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
        local whole = tonumber(redis.pcall('GET', KEYS[1]))
        if not (whole and whole > now and whole <= now + burst) then whole = now end
        whole = whole + cost
        if whole - now > burst then return {0, whole - now} end
        redis.call('SET', KEYS[1], string.format('%.0f', whole),
                   'PX', math.ceil((whole - now) / 1000))
        return {1, whole - now}",
    )
});

/// KEYS: the client. ARGV: what is given back, in microseconds.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local whole = tonumber(redis.pcall('GET', KEYS[1]))
        if not whole then return 0 end
        whole = whole - tonumber(ARGV[1])
        if not (whole > now) then return redis.call('DEL', KEYS[1]) end
        redis.call('SET', KEYS[1], string.format('%.0f', whole),
                   'PX', math.ceil((whole - now) / 1000))
        return 1",
    )
});

/// The budgets that all instances know of.
#[derive(Clone)]
pub(super) struct SharedLimiter {
    valkey: Valkey,
}

impl SharedLimiter {
    pub fn new(valkey: Valkey) -> Self {
        Self { valkey }
    }

    /// Counts a request; `None` where Valkey does not say.
    pub async fn spend(&self, name: [u8; NAME_BYTES], price: Price) -> Option<Spending> {
        let ask = |link: Arc<Link>, mut connection| async move {
            SPEND
                .key(key_of(&link.secret, &name))
                .arg(price.cost_ns / NS_PER_US)
                .arg(price.burst_ns / NS_PER_US)
                .invoke_async::<(u8, u64)>(&mut connection)
                .await
        };
        let (allowed, used_us) = self.valkey.ask(Purpose::Limits, ask).await.ok()?;
        let used_ns = used_us.saturating_mul(NS_PER_US);
        Some(Spending { allowed: allowed == 1, used_ns })
    }

    /// Gives a request back. Where that fails it stays counted, for a minute at most.
    pub async fn give_back(&self, name: [u8; NAME_BYTES], price: Price) {
        let ask = |link: Arc<Link>, mut connection| async move {
            GIVE_BACK
                .key(key_of(&link.secret, &name))
                .arg(price.cost_ns / NS_PER_US)
                .invoke_async::<u8>(&mut connection)
                .await
        };
        let _ = self.valkey.ask(Purpose::Limits, ask).await;
    }
}

/// Addresses are not written down: a digest with the secret of these instances stands for a client.
/// Secret and name have fixed lengths, so that no two pairs are the same bytes.
fn key_of(secret: &[u8; SECRET_BYTES], name: &[u8; NAME_BYTES]) -> String {
    let digest = Sha256::new().chain_update(secret).chain_update(name).finalize();
    format!("{PREFIX}limit:{}", hex::encode(digest.get(..KEY_BYTES).unwrap_or_default()))
}
