//! Whose request it is: the peer, or the client that a trusted proxy names.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address. The header is read from its end, where our own proxies wrote, and only
/// as far as the writers are trusted.
pub fn address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let trusted = |ip: &IpAddr| proxies.iter().any(|net| net.contains(ip));
    let mut client = peer.to_canonical();
    if proxies.is_empty() || !trusted(&client) {
        return client;
    }
    let lines: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        client = ip.to_canonical();
        if !trusted(&client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, header, client) in [
            ("1.2.3.4", "9.9.9.9", "1.2.3.4"),
            ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
            ("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
            ("10.0.0.1", "6.6.6.6, nonsense", "10.0.0.1"),
            ("::ffff:10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, header.parse().unwrap());
            let found = address(peer.parse().unwrap(), &headers, &proxies);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {header}");
        }
    }
}
