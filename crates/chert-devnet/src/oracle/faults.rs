//! What can go wrong with an oracle, on purpose: with one answer, or for good in its log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// One way in which one answer fails. The same request may be answered well a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OracleFault {
    /// 429 with a `Retry-After` header.
    TooManyRequests {
        /// Seconds.
        retry_after_s: u64,
    },
    /// 503 with a `Retry-After` header.
    Unavailable {
        /// Seconds.
        retry_after_s: u64,
    },
    /// 500 with a body that is not JSON.
    ServerError,
    /// 401 with an empty body, whatever the key.
    Unauthorized,
    /// Answers correctly, but this much later.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// Says nothing for a while, then closes the connection.
    Timeout {
        /// Milliseconds.
        ms: u64,
    },
    /// A body that stops in the middle of the JSON.
    InvalidJson,
    /// The page and its items have members that no contract knows.
    UnknownFields,
    /// One item's signature is that of another text.
    BadSignature,
    /// One item's hash is not that of its text.
    WrongHash,
    /// One item does not name the hash of the item before it.
    BrokenChain,
    /// An item in the middle of the page is left out.
    Gap,
    /// Speaks as a replica that does not have the newest items yet.
    Behind {
        /// How many of them.
        items: u64,
    },
}

/// Which requests fail, and how. The default plan injects nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OracleFaultPlan {
    /// The same plan meets the same sequence of requests with the same faults.
    pub seed: u64,
    /// Share of requests that fail, 0 to 1.
    pub probability: f64,
    /// One of these is drawn for each failing request.
    pub kinds: Vec<OracleFault>,
    /// Only requests for paths that begin with one of these; `None` for all.
    pub paths: Option<Vec<String>>,
}

/// One way in which an item of the log is odd, for everybody and for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleDefect {
    /// Of kind `work`, but not a record of work: required fields are missing or wrong.
    MalformedRecord,
    /// A new revision with members that no contract knows; everything else as it was.
    UnknownFields,
    /// An item of a kind that no contract knows.
    UnknownKind,
    /// A revision that was told already, now with another figure. The first one counts.
    SameRevision,
    /// A decided submission is in work again, under a new revision. It counts.
    IllegalTransition,
}

impl OracleDefect {
    pub(crate) const ALL: [OracleDefect; 5] = [
        OracleDefect::MalformedRecord,
        OracleDefect::UnknownFields,
        OracleDefect::UnknownKind,
        OracleDefect::SameRevision,
        OracleDefect::IllegalTransition,
    ];
}

/// The faults of one oracle's server; clones control the same server.
#[derive(Clone, Debug)]
pub struct OracleFaults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    plan: OracleFaultPlan,
    rng: Rng,
    injected: u64,
}

impl OracleFaults {
    pub(crate) fn none() -> OracleFaults {
        let plan = OracleFaultPlan::default();
        OracleFaults(Arc::new(Mutex::new(State { plan, rng: Rng::new(&[]), injected: 0 })))
    }

    /// Replaces the plan and restarts its random sequence.
    pub fn set(&self, plan: OracleFaultPlan) {
        let mut state = self.lock();
        state.rng = Rng::new(&[plan.seed]);
        state.plan = plan;
    }

    /// From now on every request is answered correctly; the count stays.
    pub fn clear(&self) {
        self.set(OracleFaultPlan::default());
    }

    /// Faults really served since the server started; one that cannot show in an answer (a gap
    /// in a page of one item) is not counted.
    pub fn injected(&self) -> u64 {
        self.lock().injected
    }

    pub(crate) fn count_one(&self) {
        self.lock().injected += 1;
    }

    /// Decides about a request for this path, with a number for the details.
    pub(crate) fn draw(&self, path: &str) -> Option<(OracleFault, u64)> {
        let mut state = self.lock();
        let concerned = match &state.plan.paths {
            None => true,
            Some(prefixes) => prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())),
        };
        if state.plan.kinds.is_empty() || !concerned || state.rng.unit() >= state.plan.probability {
            return None;
        }
        let State { plan, rng, .. } = &mut *state;
        let fault = rng.pick(&plan.kinds);
        Some((fault, rng.next()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete in itself, so poisoning means nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
