//! Choosing a port for a private server.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Ports are taken from below the range that the kernel hands to outgoing connections (32768 on
/// Linux). Inside it a client that keeps dialling while the server restarts can be connected to
/// *itself* and so occupy the server's port.
const PORT_MIN: u16 = 15_000;
const PORT_MAX: u16 = 32_000;

/// A busy port is answered with another one this many times before the kernel is asked.
const ATTEMPTS_MAX: u32 = 200;

/// A port that was free a moment ago. Somebody may still take it before the server does, so the
/// caller tries another one when the server says so.
pub(crate) fn free_port() -> std::io::Result<u16> {
    // `RandomState` is seeded by the operating system: parallel test processes get different ports.
    let random = RandomState::new();
    for attempt in 0..ATTEMPTS_MAX {
        let mut hasher = random.build_hasher();
        hasher.write_u32(attempt);
        let span = u64::from(PORT_MAX - PORT_MIN);
        let offset = u16::try_from(hasher.finish() % span).unwrap_or_default();
        if is_free(PORT_MIN + offset) {
            return Ok(PORT_MIN + offset);
        }
    }
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a server could listen on this port of 127.0.0.1 now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
