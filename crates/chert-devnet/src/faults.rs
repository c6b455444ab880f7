//! What can go wrong with a node, on purpose.

use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// One way of failing. In JSON: `{"kind":"latency","ms":50}`; as text, for the command
/// line: `latency=50` or, with a default, `latency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Answers correctly, but this much later.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// 429 with a `Retry-After` header.
    TooManyRequests {
        /// Seconds.
        retry_after_s: u64,
    },
    /// 500, 502 or 503 with a body that is not JSON.
    ServerError,
    /// Says nothing for a while, then closes the connection.
    Timeout {
        /// Milliseconds.
        ms: u64,
    },
    /// Sends headers and half of the body, then nothing more.
    HalfOpen,
    /// A block list without blocks; `null` instead of a single block.
    EmptyList,
    /// Drops transactions of one block but keeps its `transaction_count`.
    MissingTransactions,
    /// One block names a parent that does not exist.
    WrongParent,
    /// Answers everything as if the tip were lower, like a replica that fell behind.
    Lagging {
        /// Blocks, at most 10 000.
        blocks: u64,
    },
    /// A body that stops in the middle of the JSON.
    InvalidJson,
    /// A correct answer followed by white space up to this size.
    Oversized {
        /// Size of the whole body in bytes, at most 1 GiB.
        bytes: usize,
    },
    /// A JSON-RPC error (-32000) instead of the result.
    RpcError,
    /// Heights shifted by one, or one block left out of the middle of a list.
    WrongHeights,
    /// A required field of one block's header has the wrong type.
    GarbageFields,
    /// `"result": null`.
    NullResult,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => {
                let value: u64 = value.parse().map_err(|_| format!("not a number: {value}"))?;
                (name, Some(value))
            }
            None => (text, None),
        };
        Ok(match name.replace('-', "_").as_str() {
            "latency" => Fault::Latency { ms: value.unwrap_or(500) },
            "too_many_requests" => Fault::TooManyRequests { retry_after_s: value.unwrap_or(1) },
            "server_error" => Fault::ServerError,
            "timeout" => Fault::Timeout { ms: value.unwrap_or(10_000) },
            "half_open" => Fault::HalfOpen,
            "empty_list" => Fault::EmptyList,
            "missing_transactions" => Fault::MissingTransactions,
            "wrong_parent" => Fault::WrongParent,
            "lagging" => Fault::Lagging { blocks: value.unwrap_or(20) },
            "invalid_json" => Fault::InvalidJson,
            "oversized" => Fault::Oversized {
                bytes: usize::try_from(value.unwrap_or(64 << 20)).unwrap_or(usize::MAX),
            },
            "rpc_error" => Fault::RpcError,
            "wrong_heights" => Fault::WrongHeights,
            "garbage_fields" => Fault::GarbageFields,
            "null_result" => Fault::NullResult,
            _ => return Err(format!("unknown fault: {name}")),
        })
    }
}

/// Which requests fail, and how. The default plan injects nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultPlan {
    /// The same plan meets the same sequence of requests with the same faults.
    pub seed: u64,
    /// Share of HTTP requests that fail, 0 to 1.
    pub probability: f64,
    /// One of these is drawn for each failing request.
    pub kinds: Vec<Fault>,
    /// Only requests that call one of these canonical method names; `None` for all.
    pub methods: Option<Vec<String>>,
}

/// The faults of one server; clones control the same server.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    rng: Rng,
    injected: u64,
}

/// A fault drawn for one request, with a seed for its details.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) fault: Fault,
    pub(crate) seed: u64,
}

impl Faults {
    pub(crate) fn none() -> Faults {
        Faults(Arc::new(Mutex::new(State {
            plan: FaultPlan::default(),
            rng: Rng::new(&[]),
            injected: 0,
        })))
    }

    /// Replaces the plan and restarts its random sequence.
    pub fn set(&self, plan: FaultPlan) {
        let mut state = self.lock();
        state.rng = Rng::new(&[plan.seed]);
        state.plan = plan;
    }

    /// From now on every request is answered correctly; the count stays.
    pub fn clear(&self) {
        self.set(FaultPlan::default());
    }

    /// Faults really served since the server started. A fault that cannot show in an
    /// answer (a wrong parent in a balance) is not served and not counted.
    pub fn injected(&self) -> u64 {
        self.lock().injected
    }

    pub(crate) fn count_one(&self) {
        self.lock().injected += 1;
    }

    /// Decides about one HTTP request that calls these methods.
    pub(crate) fn draw<'a>(&self, mut methods: impl Iterator<Item = &'a str>) -> Option<Draw> {
        let mut state = self.lock();
        if state.plan.kinds.is_empty() {
            return None;
        }
        let concerned = match &state.plan.methods {
            None => true,
            Some(wanted) => methods.any(|method| wanted.iter().any(|name| name == method)),
        };
        if !concerned || state.rng.unit() >= state.plan.probability {
            return None;
        }
        let State { plan, rng, .. } = &mut *state;
        let fault = rng.pick(&plan.kinds);
        Some(Draw { fault, seed: rng.next() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete in itself, so poisoning means nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
