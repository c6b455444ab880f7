//! Too much at once: what is refused early so that the rest stays fast.
//!
//! What runs out first is the database, and there the waiting is bounded per class of reads
//! (`chert_store::queue`); an answer from memory never comes so far. Here are the class of each
//! route, and a bound on everything that is under way.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::{IntoResponse, Response};
use chert_store::queue::as_long;

use crate::error::Problem;
use crate::state::ApiState;

/// What a request of a route may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// From memory, for machines that must not be refused; or the page.
    Free,
    /// Look-ups and pages.
    Short,
    /// Searches in texts.
    Long,
}

impl Class {
    /// The class of a route's pattern.
    pub fn of(route: &str) -> Self {
        match route {
            "/health" | "/health/ready" | "/metrics" => Self::Free,
            "/v1/identity/search" | "/v1/explorer/search" => Self::Long,
            _ => Self::Short,
        }
    }
}

/// What is under way.
#[derive(Debug)]
pub(crate) struct Load {
    under_way: AtomicUsize,
    requests_max: usize,
}

/// A request under way; gives its place back when dropped, also by a client that goes away.
#[derive(Debug)]
struct Place<'a>(&'a AtomicUsize);

impl Load {
    /// At most so many requests at once.
    pub fn new(requests_max: usize) -> Self {
        Self { under_way: AtomicUsize::new(0), requests_max }
    }

    fn enter(&self) -> Option<Place<'_>> {
        let place = Place(&self.under_way);
        (self.under_way.fetch_add(1, Ordering::Relaxed) < self.requests_max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs a handler, or answers 503 where too many run.
pub async fn run(api: &ApiState, class: Class, work: impl Future<Output = Response>) -> Response {
    if class == Class::Free {
        return work.await;
    }
    let Some(_place) = api.load().enter() else {
        metrics::counter!("chert_requests_shed_total").increment(1);
        return Problem::overloaded().into_response();
    };
    match class {
        Class::Long => as_long(work).await,
        _ => work.await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let load = Load::new(2);
        let first = load.enter().unwrap();
        let second = load.enter().unwrap();
        assert!(load.enter().is_none());
        assert!(load.enter().is_none(), "a refusal must not take a place");
        drop(first);
        assert!(load.enter().is_some());
        drop(second);
        assert_eq!(load.under_way.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn classes_are_of_routes_that_exist() {
        for route in ["/health", "/metrics", "/v1/identity/search", "/v1/explorer/search"] {
            assert!(crate::routes::PATHS.contains(&route), "{route}");
            assert_ne!(Class::of(route), Class::Short, "{route}");
        }
        assert_eq!(Class::of("/v1/explorer/blocks"), Class::Short);
    }
}
