//! How many streams may be open: in this process, and for one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::gauge;

use crate::error::{Kind, Problem};
use crate::middleware::rate_limit::client_of;

/// Seconds after which a client that found no place may ask again.
const RETRY_S: u32 = 30;

/// The places, taken and given back.
#[derive(Debug)]
pub(super) struct Places {
    total_max: usize,
    per_client_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Clients with at least one.
    by_client: HashMap<u128, usize>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    client: u128,
}

impl Places {
    /// So many places in all and for one client (an IPv4 address or an IPv6 /64).
    pub(super) fn new(total_max: usize, per_client_max: usize) -> Arc<Self> {
        Arc::new(Self { total_max, per_client_max, taken: Mutex::default() })
    }

    /// A place for a client.
    ///
    /// # Errors
    /// 429 where the client has as many as it may have, 503 where all are taken.
    pub(super) fn take(self: &Arc<Self>, client: IpAddr) -> Result<Place, Problem> {
        let client = client_of(client);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.by_client.get(&client).copied().unwrap_or(0);
        if own >= self.per_client_max {
            let most = self.per_client_max;
            let detail = format!("Your address has {most} streams open, as many as it may have.");
            return Err(refused(Kind::RateLimited, detail));
        }
        if taken.total >= self.total_max {
            let detail = "All streams of this server are taken; try again later or read pages.";
            return Err(refused(Kind::Unavailable, detail.to_owned()));
        }
        taken.total += 1;
        taken.by_client.insert(client, own + 1);
        gauge!("chert_stream_subscribers").increment(1.0);
        Ok(Place { places: Arc::clone(self), client })
    }

    /// Open streams.
    pub(super) fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

fn refused(kind: Kind, detail: String) -> Problem {
    metrics::counter!("chert_stream_refused_total").increment(1);
    let mut problem = Problem::new(kind, detail);
    problem.retry_after_s = Some(RETRY_S);
    problem
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total = taken.total.saturating_sub(1);
        match taken.by_client.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_client.remove(&self.client)),
        }
        gauge!("chert_stream_subscribers").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn places_are_counted_for_all_and_for_each_and_come_back() {
        let places = Places::new(3, 2);
        let take = |client: &str| places.take(client.parse().unwrap());
        let first = take("2001:db8::1").unwrap();
        let _second = take("2001:db8::2").unwrap();
        // The same subscriber, a /64.
        assert_eq!(take("2001:db8::3").unwrap_err().kind, Kind::RateLimited);
        let _third = take("10.0.0.1").unwrap();
        assert_eq!(take("10.0.0.2").unwrap_err().kind, Kind::Unavailable);
        drop(first);
        assert_eq!(places.taken(), 2);
        assert!(take("2001:db8::3").is_ok());
        assert_eq!(places.taken.lock().unwrap().by_client.len(), 2);
    }
}
