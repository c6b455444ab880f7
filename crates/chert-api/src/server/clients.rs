//! Connections per client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use crate::middleware::rate_limit::block_of;

/// How many connections each client has. Bounded by the number of connections.
#[derive(Debug)]
pub(super) struct Clients {
    per_client_max: usize,
    exempt: Vec<IpNet>,
    open: Mutex<HashMap<u128, usize>>,
}

/// A connection that is counted, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    clients: Arc<Clients>,
    /// None: not counted, for a proxy that carries many clients.
    client: Option<u128>,
}

impl Clients {
    /// `per_client_max` connections each, 0 for no limit, and no limit for `exempt`.
    pub(super) fn new(per_client_max: usize, exempt: Vec<IpNet>) -> Self {
        Self { per_client_max, exempt, open: Mutex::new(HashMap::new()) }
    }

    /// Counts a connection; `None` where its client has too many.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let address = address.to_canonical();
        let clients = Arc::clone(self);
        if self.per_client_max == 0 || self.exempt.iter().any(|net| net.contains(&address)) {
            return Some(Counted { clients, client: None });
        }
        let client = block_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(client).or_insert(0);
        if *count >= self.per_client_max {
            return None;
        }
        *count += 1;
        Some(Counted { clients, client: Some(client) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut open = self.clients.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_client_has_its_own_count() {
        let clients = Arc::new(Clients::new(2, vec!["10.0.0.0/8".parse().unwrap()]));
        let enter = |text: &str| clients.enter(text.parse().unwrap());
        let first = enter("2001:db8::1").unwrap();
        let second = enter("2001:db8::2").unwrap();
        assert!(enter("2001:db8::3").is_none(), "one /64 is one client");
        let other = enter("2001:db8:0:1::1").unwrap();
        let proxied: Vec<_> = (0..5).map(|_| enter("::ffff:10.1.2.3").unwrap()).collect();
        drop(first);
        let third = enter("2001:db8::3").unwrap();
        assert!(enter("2001:db8::1").is_none());
        drop((second, third, other, proxied));
        assert!(clients.open.lock().unwrap().is_empty(), "nobody is remembered in vain");
    }
}
