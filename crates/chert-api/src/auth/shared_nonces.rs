//! Nonces in Valkey: for servers whose database takes no writes, and for those that would rather
//! not write to it for every signed request.
//!
//! Valkey may forget: it is restarted, emptied, fails over. Whoever repeats a request then would be
//! believed. So a memory says since when it remembers, for this run of the server, and a signature
//! made before that is not believed: whether its nonce was used is unknown. The same where the
//! server is set to throw things out. Nobody turns to another memory meanwhile: what was used in
//! one is unknown to the other.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use redis::Script;

use super::nonces::{KEPT_AFTER_S, Lifetime, NonceError, NonceStore};
use super::policy::SKEW_S;
use crate::valkey::{Link, PREFIX, Purpose, Valkey};

/// How far the clocks of Valkey and of an instance may be apart, in seconds.
const APART_S: i64 = 10;
/// Key of what the memory says of itself.
const MEMORY: &str = "chert:1:nonces";
const UNKNOWN: i64 = -1;

/// KEYS: the nonce; which run of the server remembers, and since when. ARGV: when the signature was
/// made, until when the nonce is kept, both Unix milliseconds; how much later than the memory a
/// signature has to be, in milliseconds; this run. Answers 1 for a new nonce, 0 for a used one, -1
/// where it is unknown.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local memory = redis.pcall('GET', KEYS[2])
        local run, since
        if type(memory) == 'string' then run, since = string.match(memory, '^(%w+):(%d+)$') end
        since = tonumber(since)
        if run ~= ARGV[4] or not since or since > now then
            since = now
            redis.call('SET', KEYS[2], ARGV[4] .. ':' .. string.format('%.0f', since))
        end
        if tonumber(ARGV[1]) <= since + tonumber(ARGV[3]) then return -1 end
        local kept = math.max(1000, tonumber(ARGV[2]) - now)
        if redis.call('SET', KEYS[1], '', 'NX', 'PX', string.format('%.0f', kept)) then
            return 1
        end
        return 0",
    )
});

/// The memory in Valkey.
pub(crate) struct SharedNonces {
    valkey: Valkey,
}

impl SharedNonces {
    pub fn new(valkey: &Valkey) -> Self {
        Self { valkey: valkey.clone() }
    }
}

#[async_trait]
impl NonceStore for SharedNonces {
    async fn claim(&self, nonce: &[u8; 32], life: Lifetime) -> Result<bool, NonceError> {
        let unknown = |why: &str| Err(NonceError::Unreachable(why.to_owned()));
        if self.valkey.link().is_some_and(|link| !link.keeps_everything) {
            return unknown("Valkey evicts keys; set maxmemory-policy to noeviction");
        }
        let nonce = format!("{PREFIX}nonce:{}", hex::encode(nonce));
        let ask = |link: Arc<Link>, mut connection| async move {
            CLAIM
                .key(nonce)
                .key(MEMORY)
                .arg(life.created_s.saturating_mul(1000))
                .arg(life.dead_s.saturating_add(KEPT_AFTER_S).saturating_mul(1000))
                .arg((SKEW_S + APART_S) * 1000)
                .arg(&link.run_id)
                .invoke_async::<i64>(&mut connection)
                .await
        };
        match self.valkey.ask(Purpose::Nonces, ask).await {
            Ok(UNKNOWN) => unknown("Valkey began to remember nonces after this signature was made"),
            Ok(said) => Ok(said == 1),
            Err(away) => unknown(&away.to_string()),
        }
    }
}
