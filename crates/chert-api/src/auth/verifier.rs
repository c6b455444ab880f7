//! Verifying signatures without holding up the event loop, and without letting them take all of the
//! processors: of requests, and of wallets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, TryAcquireError};

use super::keys::Algorithm;
use crate::error::Problem;

/// Slow signatures verified at the same time at least; more on a machine with more than four
/// processors, up to half of them. One takes 0.15 to 0.6 ms of a processor (`docs/security.md`),
/// which requests without a signature need, too.
const AT_ONCE_MIN: usize = 2;
/// Signatures that may wait for each one that is being verified; the next is refused. The last one
/// waits some 20 ms.
const WAITING_PER_PLACE: usize = 32;
/// However slow the machine, nobody waits longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where signatures are verified.
#[derive(Debug)]
pub(crate) struct Verifier {
    at_work: Arc<Semaphore>,
    /// Places of those at work and of those who wait.
    places: Arc<Semaphore>,
}

impl Verifier {
    /// As many places as this machine has use for.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_places((processors / 2).max(AT_ONCE_MIN))
    }

    fn with_places(at_once: usize) -> Self {
        let places = at_once * (1 + WAITING_PER_PLACE);
        Self {
            at_work: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// Runs `work`, which verifies a signature of this algorithm: Ed25519 (50 µs) at once, ML-DSA on
    /// a thread for blocking work, a few at a time.
    ///
    /// # Errors
    /// 503 `overloaded` where too many wait already or the wait was too long.
    pub async fn run<T: Send + 'static>(
        &self,
        algorithm: Algorithm,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let started = Instant::now();
        let outcome = match algorithm {
            Algorithm::Ed25519 => work(),
            Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
                self.run_slow(work).await?
            }
        };
        metrics::histogram!("chert_signature_verify_seconds", "alg" => algorithm.as_str())
            .record(started.elapsed());
        Ok(outcome)
    }

    async fn run_slow<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let refuse = || {
            metrics::counter!("chert_signatures_shed_total").increment(1);
            Problem::overloaded()
        };
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits) => return Err(refuse()),
            Err(closed) => return Err(Problem::internal(closed)),
        };
        let turn = Arc::clone(&self.at_work).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|_| refuse())?;
        let turn = turn.map_err(Problem::internal)?;
        let work = move || {
            // Held by the work: whoever goes away meanwhile does not make it any shorter.
            let _held = (place, turn);
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::mpsc;

    use super::*;
    use crate::error::Kind;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn too_many_slow_ones_are_refused_and_fast_ones_never() {
        let verifier = Arc::new(Verifier::with_places(1));
        let (go, wait) = mpsc::channel::<()>();
        let slow = tokio::spawn({
            let verifier = Arc::clone(&verifier);
            async move { verifier.run(Algorithm::MlDsa87, move || wait.recv().is_ok()).await }
        });
        while verifier.at_work.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..WAITING_PER_PLACE)
            .map(|_| {
                let verifier = Arc::clone(&verifier);
                tokio::spawn(async move { verifier.run(Algorithm::MlDsa44, || true).await })
            })
            .collect();
        while verifier.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = verifier.run(Algorithm::MlDsa65, || true).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Overloaded);
        assert!(refused.retry_after_s.is_some());
        assert!(verifier.run(Algorithm::Ed25519, || true).await.unwrap());
        go.send(()).unwrap();
        assert!(slow.await.unwrap().unwrap());
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        assert!(verifier.run(Algorithm::MlDsa65, || true).await.unwrap());
    }
}
