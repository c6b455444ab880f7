//! Which events a reader wants.

use super::EventFilter;
use super::entry::Entry;

/// Which events a reader wants, and how settled they must be.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Types, address, identity; its upper bound is not used.
    pub events: EventFilter,
    /// Events about a block are delivered when the block has so many confirmations, itself
    /// included; never above [`Filter::CONFIRMATIONS_MAX`]. 0 and 1 mean at once. What follows such
    /// an event in the log waits with it.
    pub min_confirmations: u16,
}

impl Filter {
    /// Confirmations that may be asked for.
    pub const CONFIRMATIONS_MAX: u16 = super::confirm::CONFIRMATIONS_MAX;

    /// Whether an event of the window is wanted.
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        let wanted = &self.events;
        (wanted.types.is_empty() || wanted.types.contains(&entry.kind))
            && wanted.address.is_none_or(|address| entry.addresses.contains(&address))
            && wanted.identity.is_none_or(|identity| entry.identity == Some(identity))
    }
}
