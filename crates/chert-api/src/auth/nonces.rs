//! Which nonces were used, remembered for all instances together.

use std::time::Duration;

use async_trait::async_trait;
use chert_store::entities::nonce::{PRUNE_NONCES_MAX, claim_nonce, prune_nonces};
use chert_store::read::Outage;
use chert_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::answer::now_ms;
use crate::state::ApiState;

/// Pause between two looks for nonces to forget.
const PRUNE_EVERY: Duration = Duration::from_secs(30);
/// How long a nonce is kept after its signature is refused for its age: instances whose clocks
/// differ must not forget it while another would still take it. Seconds.
pub(super) const KEPT_AFTER_S: i64 = 120;

/// Why it is not known whether a nonce was used.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// The memory cannot be reached at the moment.
    #[error("the memory of nonces cannot be reached: {0}")]
    Unreachable(String),
    /// Too much is asked of it at once.
    #[error("the memory of nonces has too much to do")]
    Overloaded,
    /// It answers, but not as it should.
    #[error("the memory of nonces failed: {0}")]
    Failed(String),
}

impl From<StoreError> for NonceError {
    fn from(error: StoreError) -> Self {
        match error.outage() {
            Outage::Unavailable | Outage::Timeout => Self::Unreachable(error.to_string()),
            Outage::Overloaded => Self::Overloaded,
            Outage::Fault => Self::Failed(error.to_string()),
        }
    }
}

/// When the signature of a nonce can be good, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// When it was made, as its maker says.
    pub created_s: i64,
    /// From when on it is refused for its age.
    pub dead_s: i64,
}

/// The memory of nonces. PostgreSQL is one, Valkey another; all instances use the same one.
#[async_trait]
pub trait NonceStore: Send + Sync {
    /// Uses a nonce up; `false` where it was used before, on whatever instance.
    ///
    /// The answer counts at once for every later call, also after a restart. The nonce may be
    /// forgotten some time after its signature is dead.
    async fn claim(&self, nonce: &[u8; 32], life: Lifetime) -> Result<bool, NonceError>;
}

#[async_trait]
impl NonceStore for Store {
    async fn claim(&self, nonce: &[u8; 32], life: Lifetime) -> Result<bool, NonceError> {
        Ok(claim_nonce(self.pool(), nonce, life.dead_s).await?)
    }
}

/// Forgets old nonces until told to stop; every instance does, and they do not disturb each other.
pub(crate) async fn keep_short(api: ApiState, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PRUNE_EVERY) => {}
        }
        let before_s = now_ms().div_euclid(1000) - KEPT_AFTER_S;
        let full = u64::try_from(PRUNE_NONCES_MAX).unwrap_or(u64::MAX);
        // In small steps, each a transaction of its own.
        while !stop.is_cancelled() {
            match prune_nonces(api.store().pool(), before_s).await {
                Ok(gone) if gone == full => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::debug!(code = error.code(), "old nonces stay for now");
                    break;
                }
            }
        }
    }
}
